"""Running a source: rows to the bus, then its position; again after a fault, until it is stopped.

One session = the door is opened (whoever ran this connector before is fenced), the source is read
from the kept position, and stretch after stretch becomes durable before the position behind it is
kept. A fault of source or bus ends the session; the next one begins at the kept position, and what
was told behind it is not told again (ADR-0028).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from bus.client import PublishReport, SourceRow
from bus.errors import Unavailable
from connectors.door import Door
from connectors.pace import Rate, pause_s
from connectors.reading import Past, Reading, Stretch
from connectors.source import Json, Source, SourceDown
from connectors.texts import message

_KEPT_IDLE_S: Final = 10.0
"""How often a position is kept that moves without any row."""
_AGAIN_S: Final = 1.0
"""After which a source that ended is asked again, unless its document says otherwise."""


class Told(Protocol):
    """Learns what a runner does: metrics, the terminal, a test."""

    def stretch(self, report: PublishReport, position: Json) -> None:
        """Rows are durable, and the position behind them is kept."""

    def kept(self) -> None:
        """A position is kept that was not before."""

    def ended(self, took_s: float) -> None:
        """One reading of the source has come to its end, with all of its rows durable."""

    def held(self, log_bytes: int) -> None:
        """The source keeps so much log for the connector."""

    def down(self, problem: Unavailable, pause: float) -> None:
        """Source or bus do not answer; another attempt follows after a pause, seconds."""


@dataclass(slots=True, kw_only=True)
class Totals:
    """What a run came to so far; one that tells it to nobody else."""

    rows: int = 0
    sent: int = 0
    repeats: int = 0
    unreadable: int = 0
    attempts_failed: int = 0

    def stretch(self, report: PublishReport, position: Json) -> None:  # noqa: ARG002 - see Told
        """Count."""
        self.rows += report.rows
        self.sent += report.sent
        self.repeats += report.repeats
        self.unreadable += report.unreadable

    def kept(self) -> None:
        """Count nothing."""

    def ended(self, took_s: float) -> None:
        """Count nothing."""

    def held(self, log_bytes: int) -> None:
        """Count nothing."""

    def down(self, problem: Unavailable, pause: float) -> None:  # noqa: ARG002 - see Told
        """Count."""
        self.attempts_failed += 1


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs one connector."""

    connector: str
    make_source: Callable[[], Source[Any]]
    """One for each session: an object reads once."""
    door: Door
    told: Told
    stopping: asyncio.Event
    rate_per_s: float | None = None
    stretch: Stretch = field(default_factory=Stretch)
    again_s: float = _AGAIN_S
    """How long after its end a source is read again; ignored where it goes on for ever."""
    history: Callable[[Source[Any]], AsyncIterator[SourceRow] | None] = lambda source: None  # noqa: ARG005
    """Rows of history that are asked for now, or None."""
    history_loaded: Callable[[], None] = lambda: None
    """Learns that all rows of that history are durable."""
    chance: random.Random = field(default_factory=random.Random)
    _moved: bool = False
    _past: Past | None = None

    async def run(self, *, follow: bool = True) -> None:
        """Run until it is stopped, or without `follow` until the source has nothing more.

        Raises:
            DocumentError: Source, document or contract are wrong; another attempt would not help.
            Fenced: The connector was started anew elsewhere.
        """
        failed = 0
        while not self.stopping.is_set():
            self._moved = False
            try:
                await self._session(follow=follow)
            except (Unavailable, OSError, TimeoutError) as problem:
                failed = 1 if self._moved else failed + 1
                await self._pause(problem, failed)
            else:
                return

    async def _pause(self, problem: Exception, failed: int) -> None:
        """Wait before the next attempt; ends early when the runner stops."""
        if not isinstance(problem, Unavailable):
            problem = SourceDown(
                message("connector.source_down", connector=self.connector, problem=problem)
            )
        asked_for_s = problem.retry_after_s if isinstance(problem, SourceDown) else None
        pause = pause_s(failed, asked_for_s, self.chance)
        self.told.down(problem, pause)
        await _wait(self.stopping, pause)

    async def _session(self, *, follow: bool) -> None:
        async with self.door:
            if self.door.is_new:
                # Why first: what the source keeps for us must be there before anything is read.
                await self.make_source().created()
                # Why at all: rows sent before the first position is kept need a barrier too.
                await self.door.keep(None)
            try:
                while True:
                    await self._read(self.make_source())
                    if not follow or self.stopping.is_set():
                        return
                    await _wait(self.stopping, self.again_s)
            finally:
                if self._past is not None:
                    past, self._past = self._past, None
                    await past.close()

    async def _read(self, source: Source[Any]) -> None:
        """Read the source once, from the kept position to its end."""
        time = asyncio.get_running_loop().time
        if self.door.position is not None:
            await source.acked(self.door.position)  # it may not have learnt of it
        reading = Reading(
            items=source.read(self.door.position),
            fit=self.door.fit,
            position=self.door.position,
            stopping=self.stopping,
            pace=Rate(self.rate_per_s, time=time),
            connector=self.connector,
            stretch=self.stretch,
        )
        began_s = kept_at_s = time()
        try:
            while not reading.has_ended and not self.stopping.is_set():
                reading.past = self._history_asked(source)
                async with aclosing(reading.rows_to_a_position()) as rows:
                    report = await self.door.publish(rows)
                self._note_history()
                is_idle = not report.rows and not reading.has_ended
                if not is_idle or time() - kept_at_s >= _KEPT_IDLE_S:
                    await self._keep(source, reading)
                    kept_at_s = time()
                self._moved = self._moved or report.rows > 0
                self.told.stretch(report, self.door.position)
            if reading.has_ended:
                self.told.ended(time() - began_s)
        finally:
            await reading.close()

    def _history_asked(self, source: Source[Any]) -> Past | None:
        """Go on with the history that is loaded, or begin what was asked for since."""
        if self._past is None:
            rows = self.history(source)
            self._past = None if rows is None else Past(rows)
        return self._past

    def _note_history(self) -> None:
        """Tell, once they are durable, that history gave its last rows."""
        if self._past is not None and self._past.has_ended:
            self._past = None
            self.history_loaded()

    async def _keep(self, source: Source[Any], reading: Reading) -> None:
        """Keep the position where it has moved and nothing behind it was sent."""
        if reading.may_be_kept and reading.position != self.door.position:
            await self.door.keep(reading.position)
            await source.acked(reading.position)
            self.told.kept()


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
