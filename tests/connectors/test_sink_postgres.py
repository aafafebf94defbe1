"""The PostgreSQL sink on a real server: what the table says, and what is left of a kill."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncCursor
from psycopg.errors import OperationalError

from bus.client import (
    Column,
    DeliveredBatch,
    DeliveredRecord,
    Group,
    Lane,
    Operation,
    Partition,
    Position,
    Presence,
    RegistryCopy,
)
from bus.errors import DocumentError
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.wire.record_id import record_id
from connectors.sink import SinkContext, SinkDown
from connectors.sinks.postgres import Postgres, PostgresConfig
from connectors.twins.table_engine import engine

AGENCY = AgencyCode("education-samara")
DATASET = DatasetCode("educational-institutions")
TOPIC, OTHER = "accepted.schools", "view.schools"


def column(name: str, sql_type: str, default: object = None, *aliases: str) -> Column:
    return Column(name=name, sql_type=sql_type, aliases=aliases, default=default)


CONTEXT = SinkContext(
    connector="copy", dataset=DATASET, folder=Path(), clock=lambda: datetime.now(UTC)
)
COLUMNS = (column("name", "text"), column("places", "integer"))


@dataclass(frozen=True, kw_only=True)
class Target:
    """A schema of its own on the twins' server."""

    schema: str

    @property
    def config(self) -> PostgresConfig:
        return PostgresConfig(dsn=engine().dsn, table=f"{self.schema}.school")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(engine().dsn, autocommit=True) as session:
            session.execute(f"SET search_path = {self.schema}")
            asked = session.execute(query, values)
            return asked.fetchall() if asked.description else []


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Target:
    return fresh(f"t{abs(hash(request.node.nodeid))}")


def fresh(schema: str) -> Target:
    with psycopg.connect(engine().dsn, autocommit=True) as session:
        session.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        session.execute(f"CREATE SCHEMA {schema}")
    return Target(schema=schema)


@asynccontextmanager
async def opened(
    target: Target, columns: Sequence[Column] = COLUMNS, name: str = "copy"
) -> AsyncIterator[Postgres]:
    sink = Postgres(target.config, replace(CONTEXT, connector=name))
    try:
        await sink.open()
        await sink.prepare(columns)
        await sink.positions()
        yield sink
    finally:
        await sink.close()


def delivered(
    version: int,
    operation: Operation | Presence = Operation.CREATE,
    supersedes: RecordId | None = None,
    key: str = "k",
    topic: str = TOPIC,
    **fields: object,
) -> DeliveredRecord:
    return DeliveredRecord(
        agency=AGENCY,
        dataset=DATASET,
        key=key,
        version=version,
        operation=operation,
        record_id=record_id(AGENCY, DATASET, key, version, operation),
        supersedes=supersedes,
        event_time="2026-03-31T20:00:00Z",
        lane=Lane.LIVE,
        fields=fields or {"name": f"№ {version}", "places": version},
        position=Position(topic=topic, partition=0, offset=version),
    )


def batch(*units: Sequence[DeliveredRecord], **behind: int) -> DeliveredBatch:
    return DeliveredBatch(units=units, behind={(TOPIC, int(n[1:])): at for n, at in behind.items()})


def alone(records: Iterable[DeliveredRecord]) -> list[Sequence[DeliveredRecord]]:
    return [[record] for record in records]


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[DeliveredRecord]]:
    """Units as the bus delivers them: repeats, groups, what waits, standing rows that leave."""
    units: list[list[DeliveredRecord]] = []
    for key in ("a", "b", "c"):
        ids: list[RecordId] = []
        for version in range(1, draw(st.integers(0, 6)) + 1):
            operation = draw(st.sampled_from(Operation)) if ids else Operation.CREATE
            predecessor = None if operation is Operation.CREATE else draw(st.sampled_from(ids))
            record = delivered(version, operation, predecessor, key)
            ids.append(record.record_id)
            units.append([record])
    for key in ("s", "t"):
        for number in range(1, draw(st.integers(0, 4)) + 1):
            presence = draw(st.sampled_from(Presence))
            fields = {} if presence is not Presence.STANDS else {"name": f"{number}"}
            row = delivered(number, presence, None, key, OTHER, **fields)
            units.append([row if fields else replace(row, fields={})])
    units = [unit for unit in units if draw(st.integers(0, 9)) > 0]
    chance = draw(st.randoms(use_true_random=False))
    chance.shuffle(units)
    groups = [unit for unit in units if isinstance(unit[0].operation, Operation)]
    if len(groups) > 2:
        chosen = groups[: draw(st.integers(2, 3))]
        if len({one[0].key for one in chosen}) == len(chosen):
            units = [unit for unit in units if unit not in chosen]
            units.insert(draw(st.integers(0, len(units))), grouped([one[0] for one in chosen]))
    return units + [unit for unit in units if draw(st.integers(0, 5)) == 0]


def grouped(records: Sequence[DeliveredRecord]) -> list[DeliveredRecord]:
    return [
        replace(
            record,
            group=Group(id="0" * 16, index=index, size=len(records)),
            position=Position(topic=TOPIC, partition=1, offset=100 + index),
        )
        for index, record in enumerate(records)
    ]


def said_by(copy: RegistryCopy) -> set[tuple[Any, ...]]:
    found = set()
    for agency, key in copy:
        entry = copy.entry(agency, key)
        if entry is not None and (current := entry.current) is not None:
            is_ceased = entry.ceased_by is not None
            fields = (current.fields.get("name"), current.fields.get("places"))
            found.add((key, current.version, current.record_id, is_ceased, *fields))
    return found


SAID = "SELECT key, version, record_id, ceased_at IS NOT NULL, name, places FROM school"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deliveries(), st.randoms(use_true_random=False))
def test_the_table_says_what_a_copy_in_memory_says(
    units: list[list[DeliveredRecord]], chance: random.Random
) -> None:
    target = fresh("property")
    copy = RegistryCopy(DATASET)
    for unit in [*units, [delivered(1, key="last")]]:
        copy.apply_together(unit)

    async def write() -> None:
        left = [*units, [delivered(1, key="last")]]
        while left:
            count = chance.randint(1, 5)
            async with opened(target) as sink:  # all it knows is in the tables
                await sink.write(batch(*left[:count]))
            del left[:count]

    asyncio.run(write())
    assert set(target.rows(SAID)) == said_by(copy)


async def test_values_of_every_type_arrive_as_that_type(target: Target) -> None:
    columns = (
        column("day", "date"),
        column("at", "timestamp with time zone"),
        column("sum", "numeric(12,2)"),
        column("uid", "uuid"),
        column("seal", "bytea"),
        column("share", "double precision"),
        column("parts", "jsonb"),
        column("is_open", "boolean"),
        column("old", "text", "as ever", "older"),
    )
    uid = UUID("12345678-1234-5678-1234-567812345678")
    values: dict[str, Any] = {
        "day": date(2026, 2, 28),
        "at": datetime(2026, 2, 28, 12, tzinfo=UTC),
        "sum": Decimal("0.10"),
        "uid": uid,
        "seal": b"\x00\xff",
        "share": float("nan"),
        "parts": [{"n": 1}],
        "is_open": True,
    }
    first = delivered(1, **values, older="by alias")
    second = delivered(2, Operation.CORRECT, first.record_id, **(values | {"is_open": False}))
    annulled = delivered(3, Operation.ANNUL, second.record_id)
    async with opened(target, columns) as sink:
        await sink.write(batch([first], [second]))
    everything = "SELECT day, at, sum, uid, seal, share::text, parts, is_open, old FROM school"
    shown = (*values.values(), "as ever")
    assert target.rows(everything) == [(*shown[:5], "NaN", [{"n": 1}], False, "as ever")]
    async with opened(target, columns) as sink:
        await sink.write(batch([annulled]))  # what stands again is written from what was kept
    assert target.rows(everything) == [(*shown[:5], "NaN", [{"n": 1}], True, "by alias")]


class Dying:
    """Lets the session die before its n-th statement from here on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self._left = at
        original: Callable[..., Awaitable[object]] = AsyncCursor.execute

        async def execute(cursor: AsyncCursor[Any], *given: object, **more: object) -> object:
            self._left -= 1
            if self._left == 0:
                cursor.connection.pgconn.finish()
                raise OperationalError("killed")
            return await original(cursor, *given, **more)

        monkeypatch.setattr(AsyncCursor, "execute", execute)


async def test_a_batch_and_its_positions_are_there_together_wherever_the_session_dies(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_at, done = 0, False
    while not done:
        dies_at += 1
        target = fresh(target.schema)
        async with opened(target) as sink:
            await sink.write(batch([delivered(1, key="a")], p0=1))
            with monkeypatch.context() as patch:
                Dying(patch, dies_at)
                with suppress(SinkDown):
                    await sink.write(batch([delivered(1, key="b")], p0=2))
                    done = True
        (row,) = target.rows(
            "SELECT position, (SELECT count(*) FROM school) FROM bus_sink_positions"
        )
        assert row == ((2, 2) if done else (1, 1)), f"died at statement {dies_at}"
    assert dies_at > 4


async def test_what_the_table_refuses_is_set_aside_and_stops_nothing(target: Target) -> None:
    async with opened(target) as sink:
        target.rows("ALTER TABLE school ADD CHECK (places < 100)")
        good, bad = delivered(1, key="a"), delivered(1, key="b", name="x", places=100)
        pair = grouped([delivered(1, key="c"), delivered(1, key="d", name="y", places=200)])
        nul = delivered(1, key="e", name="a\x00b", places=1)
        taken = await sink.write(batch([bad], [good], pair, [nul], p0=5))
        assert (taken.records, taken.refused) == (1, 4)
    assert target.rows("SELECT key FROM school") == [("a",)]
    assert target.rows("SELECT count(*) FROM school_versions") == [(1,)]
    refused = target.rows("SELECT record_id, problem FROM school_refused")
    assert {record for record, _ in refused} == {one.record_id for one in (bad, *pair, nul)}
    assert any(problem.startswith("23514") for _, problem in refused)
    assert target.rows("SELECT position FROM bus_sink_positions") == [(5,)]


async def test_of_two_runners_the_one_whose_partition_went_elsewhere_writes_nothing(
    target: Target,
) -> None:
    async with opened(target) as earlier, opened(target) as later:
        await later.write(batch([delivered(1)], p0=1))
        with pytest.raises(SinkDown, match="moved on in the target"):
            await earlier.write(batch([delivered(2, key="late")], p0=1))
        await later.write(batch([delivered(1, key="b")], p0=2))
        await earlier.positions()
        await earlier.write(batch([delivered(1, key="c")], p0=3))
        with pytest.raises(SinkDown, match="moved on in the target"):
            await later.write(batch([delivered(2, key="late")], p0=3))
    assert target.rows("SELECT key FROM school ORDER BY key") == [("b",), ("c",), ("k",)]


async def test_two_sinks_of_one_schema_keep_positions_apart(target: Target) -> None:
    async with opened(target, name="one") as one, opened(target, name="other") as other:
        await one.write(batch([delivered(1)], p0=7))
        await other.write(batch([delivered(1)], p0=3))
        assert dict(await one.positions()) == {(TOPIC, 0): 7}
        assert dict(await other.positions()) == {(TOPIC, 0): 3}


async def test_a_field_that_comes_gets_a_column_and_one_that_grows_a_wider_one(
    target: Target,
) -> None:
    async with opened(target) as sink:
        await sink.write(batch([delivered(1)]))
    grown = (column("name", "text"), column("places", "bigint"), column("phone", "text", "none"))
    async with opened(target, grown) as sink:
        big = 2**40
        await sink.write(batch([delivered(1, key="b", name="x", places=big, phone="1")]))
    assert target.rows("SELECT key, places, phone FROM school ORDER BY key") == [
        ("b", 2**40, "1"),
        ("k", 1, None),
    ]


async def test_a_field_named_as_the_sinks_own_column_is_told(target: Target) -> None:
    with pytest.raises(DocumentError, match="field ceased_at has the name of a column"):
        async with opened(target, (column("ceased_at", "text"),)):
            raise AssertionError("it must not open")


async def test_a_target_is_new_until_it_was_written_to(target: Target) -> None:
    assert await is_new(target)
    assert await is_new(target), "made is not written to"
    async with opened(target) as sink:
        await sink.write(batch())
    assert not await is_new(target)


async def is_new(target: Target) -> bool:
    sink = Postgres(target.config, CONTEXT)
    try:
        return await sink.open()
    finally:
        await sink.close()


async def test_check_tells_a_schema_that_is_not_there_or_not_ours(target: Target) -> None:
    assert await Postgres(target.config, CONTEXT).check() == ()
    elsewhere = target.config.model_copy(update={"table": "nowhere.school"})
    (finding,) = await Postgres(elsewhere, CONTEXT).check()
    assert "there is no schema nowhere" in str(finding)
    down = target.config.model_copy(update={"dsn": "host=127.0.0.1 port=1 dbname=x user=y"})
    with pytest.raises(SinkDown, match="does not answer"):
        await Postgres(down, CONTEXT).check()


def test_a_password_in_the_dsn_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="a setting of its own") as told:
        PostgresConfig(dsn="host=h password=s3cret", table="a.b")
    assert "s3cret" not in str(told.value)


async def test_reading_positions_waits_for_the_batch_that_is_being_written(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(target) as sink:
        inside, go_on = asyncio.Event(), asyncio.Event()
        original = sink._move

        async def slow(behind: Mapping[Partition, int]) -> None:
            await original(behind)
            inside.set()
            await go_on.wait()

        monkeypatch.setattr(sink, "_move", slow)
        writing = asyncio.create_task(sink.write(batch([delivered(1)], p0=9)))
        await inside.wait()
        asking = asyncio.create_task(sink.positions())
        await asyncio.sleep(0.05)
        assert not asking.done()
        go_on.set()
        await writing
        assert await asking == {(TOPIC, 0): 9}
