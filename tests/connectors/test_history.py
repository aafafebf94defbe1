"""History beside what is new: begun once, whenever it is asked for, and gone on with to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bus.client import MappedRow, PublishReport, SourceRow
from bus.errors import Unavailable
from connectors import Context, Item, Json, Mark, Source, SourceConfig
from connectors.kit.stand_in import StandIn, StandInDoor
from connectors.reading import Stretch
from connectors.runner import Runner, Totals

ROWS = 60
PATIENCE_S = 20


class Ending(Source[SourceConfig]):
    """Polled: each reading has an end, and nothing is new."""

    Config = SourceConfig

    async def read(self, position: Json) -> AsyncIterator[Item]:  # noqa: ARG002 - has one place
        await asyncio.sleep(0)
        yield Mark(1)


class Endless(Ending):
    """Goes on for ever, as change capture does."""

    async def read(self, position: Json) -> AsyncIterator[Item]:  # noqa: ARG002 - has one place
        while True:
            await asyncio.sleep(0.005)
            yield Mark(1)


class Asked:
    """History that is asked for at some time; counts how often it is begun."""

    def __init__(self) -> None:
        self.is_asked = self.is_done = False
        self.begun = 0

    def rows(self, _: Source[SourceConfig]) -> AsyncIterator[SourceRow] | None:
        return self._rows() if self.is_asked and not self.is_done else None

    async def _rows(self) -> AsyncIterator[SourceRow]:
        self.begun += 1
        for number in range(ROWS):
            await asyncio.sleep(0.002)
            row = MappedRow(number=0, values={"number": f"h-{number}"})
            yield SourceRow(
                row=row, event=f"{number:016x}", place=f"h/{number}", raw="", is_history=True
            )
        self.is_done = True


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("source", [Ending, Endless])
async def test_history_asked_for_while_a_connector_runs_is_loaded_once_and_whole(
    source: type[Ending], tmp_path: Path
) -> None:
    bus, asked, stopping = StandIn(key="number", is_numbered=False), Asked(), asyncio.Event()
    context = Context(connector="c", spool=tmp_path, clock=bus.clock, sleep=asyncio.sleep)
    runner = Runner(
        connector="c",
        make_source=lambda: source(SourceConfig(), context),
        door=StandInDoor(bus, lambda cells: MappedRow(number=0, values=cells)),
        told=Totals(),
        stopping=stopping,
        stretch=Stretch(rows_max=1, longest_s=0.02, idle_s=0.002),
        again_s=0.001,
        history=asked.rows,
    )
    running = asyncio.ensure_future(runner.run())
    await until(lambda: bus.kept)
    asked.is_asked = True
    await until(lambda: asked.is_done or running.done())
    stopping.set()
    await running
    assert asked.begun == 1
    assert len(bus.view()) == ROWS


class Failing(StandInDoor):
    """The bus is away once, behind the last row of the history."""

    has_failed = False

    async def publish(self, rows: AsyncIterator[SourceRow]) -> PublishReport:
        given = [row async for row in rows]
        if any(row.place == f"h/{ROWS - 1}" for row in given) and not self.has_failed:
            self.has_failed = True
            raise Unavailable("away")
        return await super().publish(_again(given))


async def _again(rows: list[SourceRow]) -> AsyncIterator[SourceRow]:
    for row in rows:
        await asyncio.sleep(0)
        yield row


async def test_history_counts_as_loaded_when_its_rows_are_durable(tmp_path: Path) -> None:
    bus, asked, stopping = StandIn(key="number", is_numbered=False), Asked(), asyncio.Event()
    context = Context(connector="c", spool=tmp_path, clock=bus.clock, sleep=asyncio.sleep)
    loaded: list[int] = []

    def note_loaded() -> None:
        loaded.append(len(bus.view()))
        asked.is_asked = False

    asked.is_asked = True
    runner = Runner(
        connector="c",
        make_source=lambda: Endless(SourceConfig(), context),
        door=Failing(bus, lambda cells: MappedRow(number=0, values=cells)),
        told=Totals(),
        stopping=stopping,
        history=lambda _: asked._rows() if asked.is_asked else None,
        history_loaded=note_loaded,
    )
    running = asyncio.ensure_future(runner.run())
    await until(lambda: loaded or running.done())
    stopping.set()
    await running
    assert loaded == [ROWS]
    assert asked.begun == 2
