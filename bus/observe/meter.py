"""What the agents of one worker count with: a board that knows the catalogue in force."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final, TypeAlias

from bus import __version__
from bus.catalogue.snapshot import Snapshot
from bus.observe import series
from bus.observe.board import Board
from bus.observe.known import Labels, Readers, readers_by_topic
from bus.observe.series import Series, Work
from bus.tracing.exporting import UNKEPT, Spans

Known: TypeAlias = Callable[[Snapshot], Iterable[tuple[Series, Labels]]]


class Meter:
    """The series of one worker, born anew with each catalogue."""

    def __init__(self, *known: Known, spans: Spans = UNKEPT) -> None:
        """Begin.

        Args:
            known: What this worker may count under a catalogue (`bus.observe.known`).
            spans: Told what it did with traced records.
        """
        self.board: Final = Board()
        self.spans: Final = spans
        self.readers: Readers = {}
        self._known = known
        self._version = 0
        self._lock = Lock()
        self.board.set(series.BUILD, (__version__,), 1)

    def know(self, snapshot: Snapshot) -> None:
        """Take a catalogue in, where it is another one; called from several threads."""
        if snapshot.version == self._version:
            return
        with self._lock:
            for known in self._known:
                self.board.bear(known(snapshot))
            self.readers = readers_by_topic(snapshot)
            self._version = snapshot.version

    @contextmanager
    def timing(self, work: Work) -> Iterator[None]:
        """Measure how long a batch takes in one stage of work."""
        started = time.perf_counter()
        yield
        self.board.observe(series.BATCH_DURATION, (work,), time.perf_counter() - started)
