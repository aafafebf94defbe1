"""Running a sink: in order, again after a fault, and ended when it is told to."""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from bus.client import Column, DeliveredBatch, DeliveredRecord, Kept, KeptState, Subscriber
from bus.errors import DocumentError, Unavailable
from connectors import pace
from connectors.delivering import Delivery, Totals
from connectors.sink import AnySink, Sink, SinkConfig, SinkContext, SinkDown, Taken
from tests.connectors.test_sink_postgres import COLUMNS, delivered
from tests.factories import ROOT

PATIENCE_S = 20
CONTEXT = SinkContext(connector="c", dataset="d", folder=Path(), clock=lambda: datetime.now(UTC))


@dataclass(kw_only=True)
class PlayedBus:
    """Gives records from where it is told to, as a subscription does."""

    records: Sequence[DeliveredRecord]
    topics: tuple[str, ...] = ("accepted.schools",)
    columns: tuple[Column, ...] = COLUMNS
    sessions: int = 0
    is_endless: bool = False
    faults: list[Exception] = field(default_factory=list)

    @asynccontextmanager
    async def subscribe(self, kept: Kept | None, *, follow: bool) -> AsyncIterator[Subscriber]:
        self.sessions += 1
        self.is_endless = follow
        if self.faults:
            raise self.faults.pop(0)
        begin = 0 if kept is None else (await kept()).positions.get(("t", 0), 0)
        yield cast("Subscriber", _Reading(self, begin))


@dataclass
class _Reading:
    bus: PlayedBus
    at: int

    @property
    def topics(self) -> tuple[str, ...]:
        return self.bus.topics

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.bus.columns

    async def groups(self) -> AsyncGenerator[Sequence[DeliveredRecord], None]:
        for record in self.bus.records[self.at :]:
            await asyncio.sleep(0)
            yield [record]
        while self.bus.is_endless:
            await asyncio.sleep(0.01)

    async def batches(self) -> AsyncGenerator[DeliveredBatch, None]:
        async for unit in self.groups():
            self.at += 1
            yield DeliveredBatch(units=[unit], behind={("t", 0): self.at})


class Called(Sink[SinkConfig]):
    """A target that keeps nothing; what it does with a call is the test's."""

    Config = SinkConfig

    def __init__(self, answer: Callable[[str], float | Exception | None]) -> None:
        super().__init__(SinkConfig(), CONTEXT)
        self.answer = answer
        self.got: list[str] = []
        self.closed = 0

    async def write(self, batch: DeliveredBatch) -> Taken:
        ((record,),) = batch.units
        answer = self.answer(record.key)
        if isinstance(answer, Exception):
            raise answer
        await asyncio.sleep(answer or 0)
        self.got.append(record.key)
        return Taken(records=1)

    async def close(self) -> None:
        self.closed += 1


class Keeping(Called):
    """A target that keeps how far it is."""

    keeps_state = True
    position = 0

    async def state(self) -> KeptState:
        return KeptState(positions={("t", 0): self.position}, load=None)

    async def write(self, batch: DeliveredBatch) -> Taken:
        taken = await super().write(batch)
        self.position = batch.behind["t", 0]
        return taken


def numbered(count: int) -> list[DeliveredRecord]:
    return [delivered(1, key=f"k{number}") for number in range(count)]


def delivery(bus: PlayedBus, sink: Called, told: Totals | None = None) -> Delivery:
    return Delivery(
        connector="c",
        make_sink=lambda: sink,
        subscribe=bus.subscribe,
        told=told or Totals(),
        stopping=asyncio.Event(),
    )


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "PAUSE_MIN_S", 0.01)
    monkeypatch.setattr(pace, "PAUSE_MAX_S", 0.02)


async def test_a_target_that_grants_three_calls_at_a_time_gets_everything_once() -> None:
    granted = 3

    def answer(_: str) -> Exception | None:
        nonlocal granted
        granted -= 1
        if granted < 0:
            granted = 3
            return SinkDown("too many", retry_after_s=0)
        return None

    bus, sink, told = PlayedBus(records=numbered(20)), Called(answer), Totals()
    async with asyncio.timeout(PATIENCE_S):
        await delivery(bus, sink, told).run(follow=False)
    assert sink.got == [f"k{number}" for number in range(20)]
    assert (bus.sessions, told.records) == (1, 20)
    assert told.attempts_failed >= 5


async def test_a_target_that_keeps_its_state_goes_on_from_there_in_a_new_session() -> None:
    failed: set[str] = set()

    def answer(key: str) -> Exception | None:
        if key in {"k3", "k7"} - failed:
            failed.add(key)
            return SinkDown("gone")
        return None

    bus, sink = PlayedBus(records=numbered(10)), Keeping(answer)
    async with asyncio.timeout(PATIENCE_S):
        await delivery(bus, sink).run(follow=False)
    assert sink.got == [f"k{number}" for number in range(10)]
    assert bus.sessions == sink.closed == 3


async def test_faults_of_the_bus_are_waited_out_and_a_wrong_document_is_not() -> None:
    bus, sink = PlayedBus(records=numbered(2), faults=[Unavailable("x"), OSError("y")]), None
    sink = Called(lambda _: None)
    async with asyncio.timeout(PATIENCE_S):
        await delivery(bus, sink).run(follow=False)
    assert (sink.got, bus.sessions) == (["k0", "k1"], 3)
    wrong = PlayedBus(records=[], faults=[DocumentError("wrong")])
    with pytest.raises(DocumentError, match="wrong"):
        await delivery(wrong, sink).run(follow=False)


@pytest.mark.parametrize("answer", [lambda _: 0.05, lambda _: SinkDown("down"), lambda _: 3600.0])
async def test_it_ends_within_moments_whatever_the_target_does(
    answer: Callable[[str], float | Exception | None],
) -> None:
    bus, sink = PlayedBus(records=numbered(1000)), Called(answer)
    running = delivery(bus, sink)
    task = asyncio.create_task(running.run())
    await asyncio.sleep(0.3)
    running.stopping.set()
    async with asyncio.timeout(5):
        await task
    assert sink.closed == 1
    assert len(sink.got) < 20


async def test_an_idle_subscription_ends_too() -> None:
    running = delivery(PlayedBus(records=[]), Called(lambda _: None))
    task = asyncio.create_task(running.run())
    await asyncio.sleep(0.1)
    running.stopping.set()
    async with asyncio.timeout(5):
        await task


async def test_other_fields_make_another_session_that_prepares_the_target() -> None:
    bus = PlayedBus(records=numbered(6))
    prepared: list[int] = []

    class Prepared(Keeping):
        async def prepare(self, columns: Sequence[Column]) -> None:
            prepared.append(len(columns))

    def answer(key: str) -> None:
        if key == "k2":
            bus.columns = COLUMNS[:1]

    sink = Prepared(answer)
    async with asyncio.timeout(PATIENCE_S):
        await delivery(bus, sink).run(follow=False)
    assert prepared == [2, 1]
    assert sink.got == [f"k{number}" for number in range(6)]


async def test_a_target_of_one_cut_is_not_written_from_two() -> None:
    bus = PlayedBus(records=numbered(1), topics=("view.a", "view.b"))
    with pytest.raises(DocumentError, match="several cuts"):
        await delivery(bus, Keeping(lambda _: None)).run(follow=False)
    called = Called(lambda _: None)
    await delivery(bus, called).run(follow=False)
    assert called.got == ["k0"]


async def test_the_sink_of_the_how_to_takes_each_record_once_wherever_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/how-to/write-a-sink.md").read_text(encoding="utf-8")
    module = tmp_path / "my_package.py"
    module.write_text(page.split("```python\n")[1].split("```")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    sqlite: type[AnySink] = importlib.import_module("my_package").Sqlite
    file = tmp_path / "copy.sqlite"

    class Failing(sqlite):  # type: ignore[misc, valid-type]  # of the page
        async def write(self, batch: DeliveredBatch) -> Taken:
            if len(failed) < 3 and batch.behind["t", 0] % 4 == 0:
                failed.append(batch.behind["t", 0])
                raise SinkDown("gone")
            taken: Taken = await super().write(batch)
            return taken

    failed: list[int] = []
    bus = PlayedBus(records=numbered(10))
    running = Delivery(
        connector="c",
        make_sink=lambda: Failing(sqlite.Config.model_validate({"file": file}), CONTEXT),
        subscribe=bus.subscribe,
        told=Totals(),
        stopping=asyncio.Event(),
    )
    async with asyncio.timeout(PATIENCE_S):
        await running.run(follow=False)
    with closing(sqlite3.connect(file)) as database:
        found = database.execute("SELECT key FROM record ORDER BY rowid").fetchall()
    assert found == [(f"k{number}",) for number in range(10)]
    assert len(failed) == 3
