"""History beside what is new: begun once, whenever it is asked for, and gone on with to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bus.client import MappedRow, SourceRow
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
