"""The PostgreSQL sink on a real server: what the table says, and what is left of a kill."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
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
from pydantic import ValidationError

from bus.client import (
    Column,
    DeliveredBatch,
    DeliveredRecord,
    Group,
    KeptState,
    Lane,
    Operation,
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
    table: str = "school"

    @property
    def config(self) -> PostgresConfig:
        return PostgresConfig(dsn=engine().dsn, table=f"{self.schema}.{self.table}")

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
        await sink.state()
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
    kept = target.rows("SELECT key FROM school_versions ORDER BY key")
    assert kept == [("a",), ("b",), ("c",), ("d",)], "later versions follow from them"
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
        await earlier.state()
        await earlier.write(batch([delivered(1, key="c")], p0=3))
        with pytest.raises(SinkDown, match="moved on in the target"):
            await later.write(batch([delivered(2, key="late")], p0=3))
    assert target.rows("SELECT key FROM school ORDER BY key") == [("b",), ("c",), ("k",)]


async def test_two_sinks_of_one_schema_keep_positions_apart(target: Target) -> None:
    beside = replace(target, table="other")
    async with opened(target, name="one") as one, opened(beside, name="other") as other:
        await one.write(batch([delivered(1)], p0=7))
        await other.write(batch([delivered(1)], p0=3))
        assert await one.state() == KeptState(positions={(TOPIC, 0): 7}, load=None)
        assert await other.state() == KeptState(positions={(TOPIC, 0): 3}, load=None)


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
        ("k", 1, "none"),
    ]


async def test_a_field_named_as_the_sinks_own_column_is_told(target: Target) -> None:
    with pytest.raises(DocumentError, match="field ceased_at has the name of a column"):
        async with opened(target, (column("ceased_at", "text"),)):
            raise AssertionError("it must not open")


async def test_how_far_a_load_is_stands_with_its_page_and_a_second_runner_goes_on_from_it(
    target: Target,
) -> None:
    page = DeliveredBatch(units=[[delivered(1, key="a")]], behind={}, load="page 1")
    last = DeliveredBatch(units=(), behind={(TOPIC, 0): 5, (TOPIC, 1): 0}, load="live")
    async with opened(target) as first, opened(target) as second:
        assert await second.state() == KeptState(positions={}, load=None)
        await first.write(page)
        with pytest.raises(SinkDown, match="moved on in the target"):
            await second.write(page)
        assert await second.state() == KeptState(positions={}, load="page 1")
        await second.write(last)
        live = KeptState(positions={(TOPIC, 0): 5, (TOPIC, 1): 0}, load="live")
        assert await first.state() == live
    async with opened(target) as again:
        assert await again.state() == live


async def test_a_sink_whose_table_was_dropped_or_is_another_begins_anew(target: Target) -> None:
    async with opened(target) as sink:
        await sink.write(replace(batch([delivered(1)], p0=1), load="live"))
    elsewhere = replace(target, table="other")
    async with opened(elsewhere) as sink:
        assert await sink.state() == KeptState(positions={}, load=None)
        await sink.write(replace(batch([delivered(1)], p0=1), load="live"))
    elsewhere.rows("DROP TABLE other, other_versions, other_refused")
    async with opened(elsewhere) as sink:
        assert await sink.state() == KeptState(positions={}, load=None)


async def test_a_table_of_somebody_else_is_left_as_it_is(target: Target) -> None:
    target.rows("CREATE TABLE school (key text PRIMARY KEY, places smallint)")
    with pytest.raises(DocumentError, match="no sink made"):
        async with opened(target):
            raise AssertionError("it must not open")
    types = "SELECT data_type FROM information_schema.columns WHERE table_name = 'school'"
    types += f" AND table_schema = '{target.schema}' ORDER BY 1"
    assert target.rows(types) == [("smallint",), ("text",)]


async def test_one_table_holds_one_dataset_of_one_sink(target: Target) -> None:
    async with opened(target):
        for other in (
            replace(CONTEXT, connector="second"),
            replace(CONTEXT, dataset="municipalities"),
        ):
            sink = Postgres(target.config, other)
            try:
                with pytest.raises(DocumentError, match="sink copy writes dataset"):
                    await sink.open()
            finally:
                await sink.close()


async def test_sinks_that_start_together_make_their_tables_together(target: Target) -> None:
    async def start(number: int) -> None:
        async with opened(replace(target, table=f"t{number}"), name=f"sink-{number}"):
            pass

    await asyncio.gather(*(start(number) for number in range(12)))
    assert target.rows("SELECT count(*) FROM bus_sinks") == [(12,)]


async def test_a_member_that_waits_is_kept_though_the_group_began_with_one_that_was_known(
    target: Target,
) -> None:
    known = delivered(1, key="a")
    waits = delivered(2, Operation.CORRECT, delivered(1, key="b").record_id, "b")
    pair = grouped([known, waits])
    async with opened(target) as sink:
        await sink.write(batch([known], pair))
        await sink.write(batch([delivered(3, Operation.CORRECT, waits.record_id, "b")]))
        await sink.write(batch([delivered(1, key="b")]))
    assert target.rows("SELECT key, version FROM school ORDER BY key") == [("a", 1), ("b", 3)]


async def test_an_entry_whose_row_was_refused_comes_right_with_its_next_version(
    target: Target,
) -> None:
    async with opened(target) as sink:
        target.rows("ALTER TABLE school ADD UNIQUE (name)")
        a = delivered(1, key="a", name="one", places=1)
        b = delivered(1, key="b", name="two", places=1)
        await sink.write(batch([a], [b]))
        swapped = delivered(2, Operation.CORRECT, a.record_id, "a", name="two", places=2)
        taken = await sink.write(batch([swapped], p0=1))
        assert (taken.records, taken.refused) == (0, 1)
        third = delivered(3, Operation.CORRECT, swapped.record_id, "a", name="three", places=3)
        assert (await sink.write(batch([third], p0=2))).refused == 0
    assert target.rows("SELECT version, name FROM school WHERE key = 'a'") == [(3, "three")]


@pytest.mark.parametrize(
    "guard",
    [
        "CREATE FUNCTION {0}.no() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF new.places > 99 THEN RAISE 'too many'; END IF; RETURN new; END $$;"
        " CREATE TRIGGER no BEFORE INSERT ON {0}.school FOR EACH ROW EXECUTE FUNCTION {0}.no()",
        "CREATE INDEX ON {0}.school (repeat(name, 3000))",
        "ALTER TABLE {0}.school ADD CONSTRAINT few CHECK (places < 100)",
    ],
    ids=["trigger", "index", "constraint"],
)
async def test_whatever_guard_its_owner_set_one_record_stops_no_other(
    target: Target, guard: str
) -> None:
    async with opened(target) as sink:
        target.rows(guard.format(target.schema))
        random_name = "".join(chr(97 + (n * n * 7919) % 26) for n in range(400))
        bad = delivered(1, key="b", name=random_name, places=100)
        good = delivered(1, key="a", name="", places=1)
        taken = await sink.write(batch([bad], [good], p0=2))
    assert (taken.records, taken.refused) == (1, 1)
    assert target.rows("SELECT key FROM school") == [("a",)]


async def test_a_column_that_can_not_be_widened_is_told_as_it_is(target: Target) -> None:
    async with opened(target) as sink:
        target.rows("CREATE VIEW of_places AS SELECT places FROM school")
        del sink
    with pytest.raises(DocumentError, match="used by a view"):
        async with opened(target, (column("places", "bigint"),)):
            raise AssertionError("it must not open")
    with pytest.raises(DocumentError, match="column places is integer, and the contract needs"):
        async with opened(target, (column("places", "date"),)):
            raise AssertionError("it must not open")


async def test_check_tells_a_schema_that_is_not_there_or_not_ours(target: Target) -> None:
    assert await Postgres(target.config, CONTEXT).check() == ()
    elsewhere = target.config.model_copy(update={"table": "nowhere.school"})
    (finding,) = await Postgres(elsewhere, CONTEXT).check()
    assert "there is no schema nowhere" in str(finding)
    down = target.config.model_copy(update={"dsn": "host=127.0.0.1 port=1 dbname=x user=y"})
    with pytest.raises(SinkDown, match="does not answer"):
        await Postgres(down, CONTEXT).check()


@pytest.mark.parametrize(
    "dsn",
    ["host=h password=s3cret", "host=h sslpassword=s3cret", "postgresql://u:s3cr%zzet@h/d"],
)
def test_a_password_in_the_dsn_is_refused_and_not_repeated(dsn: str) -> None:
    with pytest.raises(ValidationError, match=r"config\.password|no connection string") as told:
        PostgresConfig(dsn=dsn, table="a.b")
    assert "s3cr" not in str(told.value)


async def test_reading_positions_waits_for_the_batch_that_is_being_written(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(target) as sink:
        inside, go_on = asyncio.Event(), asyncio.Event()
        original = sink._move

        async def slow(given: DeliveredBatch) -> None:
            await original(given)
            inside.set()
            await go_on.wait()

        monkeypatch.setattr(sink, "_move", slow)
        writing = asyncio.create_task(sink.write(batch([delivered(1)], p0=9)))
        await inside.wait()
        asking = asyncio.create_task(sink.state())
        await asyncio.sleep(0.05)
        assert not asking.done()
        go_on.set()
        await writing
        assert (await asking).positions == {(TOPIC, 0): 9}
