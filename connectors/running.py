"""A connector at work on its host: runs until it is ended, waits while paused, loads history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from bus.client import SourceRow
from bus.errors import BusError
from connectors.documents import Connector
from connectors.door import Door
from connectors.pace import Rate
from connectors.reading import event_of, source_row
from connectors.runner import Runner, Told
from connectors.source import Context, Source
from connectors.workplace import HistoryAsked, Workplace

HISTORY_ROWS_PER_S: Final = 250.0
"""Of a history for which no rate was asked: live rows are hardly later beside it, as
`python -m tests.connectors.backfill_lane` measures."""
_LOOK_S: Final = 0.5
_ROWS_PER_NOTE: Final = 500


@dataclass(slots=True, kw_only=True)
class Work:
    """One connector, until `ending` is set."""

    connector: Connector
    door: Door
    workplace: Workplace
    told: Told
    clock: Callable[[], datetime]
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _given: HistoryAsked | None = None
    """History whose rows were all given, and are not durable yet."""

    async def run(self, *, follow: bool) -> None:
        """Run; see `Runner.run`."""
        watching = asyncio.ensure_future(self._watch())
        try:
            while not self.ending.is_set():
                if self.workplace.is_paused:
                    await asyncio.sleep(_LOOK_S)
                    continue
                self._stopping.clear()
                await self._runner().run(follow=follow)
                if not follow and not self.workplace.is_paused:
                    return
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        """Stop the runner when it is to end or to wait."""
        while True:
            if self.ending.is_set() or self.workplace.is_paused:
                self._stopping.set()
            try:
                await asyncio.wait_for(self.ending.wait(), _LOOK_S)
            except TimeoutError:
                continue
            self._stopping.set()
            return

    def _runner(self) -> Runner:
        document = self.connector.document
        return Runner(
            connector=self.connector.name,
            make_source=self._source,
            door=self.door,
            told=self.told,
            stopping=self._stopping,
            rate_per_s=document.rate_per_s,
            again_s=document.again_s,
            history=self._history,
            history_loaded=self._history_loaded,
        )

    def _source(self) -> Source[Any]:
        context = Context(
            connector=self.connector.name,
            spool=self.workplace.spool,
            clock=self.clock,
            sleep=self._sleep,
            held=self.told.held,
        )
        return self.connector.source(self.connector.config, context)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _history(self, source: Source[Any]) -> AsyncIterator[SourceRow] | None:
        """Give rows of the history that was asked for and is not loaded yet."""
        asked = self.workplace.history()
        if asked is None or asked.is_done:
            return None
        return self._rows_of_history(source, asked)

    async def _rows_of_history(
        self, source: Source[Any], asked: HistoryAsked
    ) -> AsyncIterator[SourceRow]:
        pace = Rate(asked.rate_per_s or HISTORY_ROWS_PER_S, time=asyncio.get_running_loop().time)
        number = 0
        try:
            async for item in source.backfill(asked.span):
                number += 1
                place = item.place or f"history/{number}"
                event = event_of([asked.since, asked.until], number)
                row = source_row(item, self.door.fit, event=event, place=place, is_history=True)
                await pace.turn()
                if row is not None:
                    yield row
                if number % _ROWS_PER_NOTE == 0:
                    self.workplace.write_history(replace(asked, rows=number))
        except (BusError, NotImplementedError) as problem:
            # Why not raised: what is new goes on; who asked for history is told.
            asked = replace(asked, problem=str(problem))
        self._given = replace(asked, rows=number, is_done=True)

    def _history_loaded(self) -> None:
        """Note that it is loaded; before that a fault would leave out what was on its way."""
        if self._given is not None:
            self.workplace.write_history(self._given)
            self._given = None
