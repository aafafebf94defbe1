"""The watch on one worker: a thread of its own that compares positions with the logs' ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from bus.errors import Unavailable
from bus.observe import series
from bus.observe.ages import Ages
from bus.observe.board import Board
from bus.observe.health import Ailment, Problem, Progress, StallWatch, Sustained, TopicPartition
from bus.observe.known import Labels
from bus.observe.log_ends import LogEnds
from bus.observe.report import WorkerReport
from bus.wire import topics

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 2.0
_CATALOGUE: Final = (topics.CATALOGUE, 0)
_JOIN_S: Final = 0.5
"""A look may wait for Kafka; the process ends without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueProgress:
    """How far a process follows the catalogue."""

    position: int
    """Offset behind the last record it has read."""
    read: int
    """Version of the manifest read last."""
    version: int
    """Version in force in the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the watch asks the worker; all are called in the watch's thread."""

    progress: Callable[[], Mapping[TopicPartition, Progress]]
    """Of the partitions it owns now."""
    catalogue: Callable[[], CatalogueProgress]
    assignments: Callable[[], int]
    """How often it was given them."""


class Watch:
    """Looks every two seconds, sets the gauges, and knows how the worker is."""

    def __init__(
        self,
        watched: Watched,
        *,
        log_ends: LogEnds,
        board: Board,
        start: WorkerReport,
        limit_s: float,
    ) -> None:
        """Prepare; `running` looks.

        Args:
            watched: The worker.
            log_ends: Kafka's answers.
            board: Where the gauges stand.
            start: What does not change in the report.
            limit_s: For how long a position may stand still while records wait, the event loop
                may be busy, Kafka may be silent.
        """
        self._watched = watched
        self._log_ends = log_ends
        self._board = board
        self._report = start
        self._limit_s = limit_s
        self._ended = threading.Event()
        self._beat_s = self._looked_s = time.monotonic()
        self._ends: dict[TopicPartition, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._ages = Ages()
        self._stalls = StallWatch(limit_s)
        self._catalogue_stall = Sustained(Ailment.CATALOGUE_STALLED, limit_s)
        self._catalogue_refusal = Sustained(Ailment.CATALOGUE_REFUSED, limit_s)
        self._silence = Sustained(Ailment.KAFKA_SILENT, limit_s)

    def beat(self) -> None:
        """Say that the event loop turns; called in it every so often."""
        self._beat_s = time.monotonic()

    def report(self) -> WorkerReport:
        """Tell how the worker is; called in the server's threads, so as to answer at any time."""
        now_s = time.monotonic()
        overdue = (
            (Ailment.LOOP_BLOCKED, now_s - self._beat_s),
            (Ailment.WATCH_SILENT, now_s - self._looked_s),
        )
        problems = tuple(
            Problem(ailment=ailment, where="", since_s=for_s)
            for ailment, for_s in overdue
            if for_s >= self._limit_s
        )
        found = self._report
        return replace(found, problems=(*problems, *found.problems))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look until the block ends."""
        # Why now: the first look comes later, and nobody shall miss what is well. Why asked: a
        # watch that stands still, or a loop that does, would leave it at what it was.
        self._board.ask(series.HEALTHY, lambda: float(self.report().is_healthy))
        self._board.set(series.LAST_PROGRESS, (), time.time())
        self._board.set(series.CATALOGUE_VERSION, (), self._report.catalogue)
        thread = threading.Thread(target=self._run, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            try:
                self._look()
            except Exception:  # a watch that fails must not end the work; health tells of it
                logger.exception("watch.failed")
        self._log_ends.close()

    def _look(self) -> None:
        progress = self._watched.progress()
        catalogue = self._watched.catalogue()
        positions = {place: one.position for place, one in progress.items()}
        silent = not self._learn_ends([*positions, _CATALOGUE])
        handed = {place: one.handed_ms for place, one in progress.items()}
        behind = self._behind(positions, handed, ask=not silent)
        now_s = time.monotonic()
        problems = (
            *self._silence.look(now_s, holds=silent),
            *self._stalls.look(now_s, positions, frozenset(behind)),
            *self._catalogue_stall.look(
                now_s,
                holds=self._ends.get(_CATALOGUE, 0) > catalogue.position,
                where=topics.CATALOGUE,
            ),
            *self._catalogue_refusal.look(
                now_s, holds=catalogue.read > catalogue.version, where=topics.CATALOGUE
            ),
        )
        waits_s = {
            place: max(0.0, time.time() - ms / 1000)
            for place, ms in behind.items()
            if ms is not None
        }
        self._show(positions, behind, waits_s, catalogue.version)
        self._report = replace(
            self._report,
            catalogue=catalogue.version,
            partitions=len(positions),
            lag_records=sum(self._ends[place] - positions[place] for place in behind),
            lag_s=round(max(waits_s.values(), default=0.0), 1),
            problems=problems,
        )
        self._looked_s = now_s

    def _learn_ends(self, places: list[TopicPartition]) -> bool:
        """Ask for the logs' ends; where Kafka does not tell one, that known before stands."""
        try:
            found = self._log_ends.ends(places)
        except Unavailable:
            return False
        known = {place: end for place, end in self._ends.items() if place in places}
        self._ends = known | found
        return True

    def _behind(
        self,
        positions: Mapping[TopicPartition, int],
        handed: Mapping[TopicPartition, int | None],
        *,
        ask: bool,
    ) -> dict[TopicPartition, int | None]:
        """Find partitions where records wait, with the append time of the oldest, if known."""
        spans = {
            place: (position, self._ends[place])
            for place, position in positions.items()
            if self._ends.get(place, 0) > position
        }
        self._ages.keep(spans, handed)
        if ask:
            self._ages.learn(self._log_ends.oldest_ms(self._ages.unknown()))
        return self._ages.of_waiting()

    def _show(
        self,
        positions: Mapping[TopicPartition, int],
        behind: Mapping[TopicPartition, int | None],
        waits_s: Mapping[TopicPartition, float],
        version: int,
    ) -> None:
        """Set the gauges; those of partitions that went elsewhere cease to exist."""
        board = self._board
        lags: dict[Labels, float] = {
            (topic, str(partition)): float(self._ends[topic, partition] - position)
            if (topic, partition) in behind
            else 0.0
            for (topic, partition), position in positions.items()
        }
        board.replace(series.LAG_RECORDS, lags, gone=None)
        ages: dict[Labels, float] = {
            (place[0], str(place[1])): waits_s.get(place, 0.0)
            for place in positions
            if place in waits_s or place not in behind  # else it is not known yet
        }
        board.replace(series.LAG_SECONDS, ages, gone=None)
        board.set(series.CATALOGUE_VERSION, (), version)
        board.reach(series.ASSIGNMENTS, (), self._watched.assignments())
        if any(self._positions.get(place) != position for place, position in positions.items()):
            board.set(series.LAST_PROGRESS, (), time.time())
        self._positions = dict(positions)
