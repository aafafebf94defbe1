"""A polled table of PostgreSQL, on a real one: what the kit asks, and what is particular to it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL
from pydantic import ValidationError

from bus.errors import DocumentError
from bus.model.record import Operation
from connectors.kit.plugin import conforms
from connectors.source import NOT_HERE, Bad, Context, Item, Json, Row, Span
from connectors.sources.postgres_progress import Ages, Moment
from connectors.sources.postgres_table import PostgresTable
from connectors.sources.postgres_table_config import PostgresTableConfig
from connectors.twins.postgres_table import PostgresTableTwin
from connectors.twins.table_engine import Engine
from tests.connectors.late_commits import as_generator, count

test_conforms = conforms(PostgresTable, PostgresTableTwin, kills_max=25)


class Reader:
    """Reads a table again and again, each time by a new object from the last position."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, tzinfo=UTC)
        self.position: Json = None
        self.done: list[tuple[int, int | None]] = []

    def source(self, config: PostgresTableConfig) -> PostgresTable:
        context = Context(
            connector="test",
            spool=Path(),
            clock=lambda: self.now,
            sleep=asyncio.sleep,
            progress=lambda done, total: self.done.append((done, total)),
        )
        return PostgresTable(config, context)

    async def items(self, config: PostgresTableConfig, *, most: int = 100_000) -> list[Item]:
        found: list[Item] = []
        async with aclosing(as_generator(self.source(config).read(self.position))) as items:
            async for item in items:
                if isinstance(item, (Row, Bad)):
                    found.append(item)
                if item.position is not NOT_HERE:
                    self.position = json.loads(json.dumps(item.position))
                if len(found) == most:
                    break
        return found

    async def names(self, config: PostgresTableConfig) -> list[object]:
        return [one.cells["name"] for one in await self.items(config) if isinstance(one, Row)]


@pytest.fixture
async def twin() -> AsyncIterator[PostgresTableTwin]:
    async with PostgresTableTwin() as made:
        yield made


def with_(config: PostgresTableConfig, **changes: object) -> PostgresTableConfig:
    return config.model_copy(update=changes)


def execute(twin: PostgresTableTwin, text: str) -> None:
    with twin.connect() as session:
        session.execute(twin.query(SQL(text)))


async def test_writers_that_commit_late_lose_nothing_where_id_greater_than_last_loses_many() -> (
    None
):
    counted = await count(2_000)
    assert counted.delivered == counted.rows
    assert counted.naive_delivered < counted.rows


async def test_pages_follow_the_key_as_a_number_and_go_on_behind_any_row(
    twin: PostgresTableTwin,
) -> None:
    execute(
        twin,
        "CREATE TABLE {schema}.big (id bigint PRIMARY KEY, name text);"
        "INSERT INTO {schema}.big SELECT i, 'x' FROM generate_series(1, 2500) i;"
        "GRANT SELECT ON {schema}.big TO reader",
    )
    config = PostgresTableConfig(
        dsn=twin.config.dsn, password=twin.config.password, table=f"{twin.schema}.big"
    )
    reader = Reader()
    first = await reader.items(config, most=1_234)
    execute(twin, "UPDATE {schema}.big SET name = 'y' WHERE id IN (7, 2000)")
    rest = await reader.items(config)
    told = [(one.cells["id"], one.cells["name"]) for one in (*first, *rest) if isinstance(one, Row)]
    assert [number for number, _ in told[:2_500]] == list(range(1, 2_501))
    assert {one for one in told if one[1] == "y"} >= {(7, "y"), (2_000, "y")}
    assert len(told) <= 2_502
    assert reader.done[-1][0] > 0


async def test_a_row_far_behind_the_cursor_comes_with_the_next_sweep(
    twin: PostgresTableTwin,
) -> None:
    config, reader = with_(twin.config, overlap_s=0.0), Reader()
    await twin.put({"a": "first"})
    assert await reader.names(config) == ["first"]
    execute(
        twin,
        "INSERT INTO {schema}.school (number, name, updated)"
        " VALUES ('old', 'by hand', '2001-01-01'), ('new', 'now', now())",
    )
    assert await reader.names(config) == ["now"]
    reader.now += timedelta(seconds=config.sweep_s + 1)
    assert await reader.names(config) == ["by hand"]
    reader.now += timedelta(seconds=config.sweep_s + 1)
    await twin.stir()
    assert await reader.names(config) == []


async def test_a_transaction_that_has_written_holds_its_successors_back_and_check_names_it(
    twin: PostgresTableTwin,
) -> None:
    reader = Reader()
    await twin.put({"a": "first"})
    await reader.names(twin.config)
    execute(twin, "ALTER TABLE {schema}.school ALTER updated SET DEFAULT now()")
    with twin.connect() as writer:
        writer.execute("BEGIN")
        writer.execute(twin.query(SQL("INSERT INTO {schema}.other VALUES ('x')")))
        await twin.put({"b": "first"})
        assert "first" not in await reader.names(twin.config)
        said = [str(one) for one in await reader.source(twin.config).check()]
        assert f"session {writer.info.backend_pid}" in said[0]
        writer.execute("ROLLBACK")
    assert await reader.names(twin.config) == ["first"]
    assert await reader.source(twin.config).check() == []


async def test_a_position_of_another_table_or_ahead_of_the_server_means_reading_again(
    twin: PostgresTableTwin,
) -> None:
    reader = Reader()
    await twin.put({"a": "first"})
    await reader.names(twin.config)
    kept = reader.position
    execute(
        twin,
        "CREATE TABLE {schema}.copy (LIKE {schema}.school INCLUDING ALL);"
        "INSERT INTO {schema}.copy SELECT * FROM {schema}.school;"
        "DROP TABLE {schema}.school; ALTER TABLE {schema}.copy RENAME TO school;"
        "GRANT SELECT ON {schema}.school TO reader",
    )
    assert await reader.names(twin.config) == ["first"]
    reader.position = {**reader.position, "seen": kept["seen"] + 10**9}
    assert await reader.names(twin.config) == ["first"]


@pytest.mark.parametrize(
    ("horizon", "ceiling", "age", "now"),
    [
        (740, 745, 742, 745),
        (740, 745, 741, 744),  # the ceiling was looked at a moment later
        (2**32 + 5, 2**32 + 5, 2, 2**32 + 5),
        (2**32 - 1, 2**32 + 4, 0, 2**32 + 3),
        (2**33 - 3, 2**33 + 2, -4, 2**33 - 1),  # 32 bits with a sign
        (3 * 2**31 + 9, 3 * 2**31 + 9, -(2**31) + 6, 3 * 2**31 + 9),
    ],
)
def test_the_present_is_told_in_64_bits_from_32_with_a_sign(
    horizon: int, ceiling: int, age: int, now: int
) -> None:
    moment = Moment.of(horizon, ceiling, age)
    assert moment == Moment(now=now, horizon=horizon)
    assert Ages.of(moment, horizon - 10, horizon) == Ages(
        youngest=now - horizon + 1, oldest=now - horizon + 10
    )
    assert Ages.of(moment, now - 2**31, horizon) is None


def advance_to(engine: Engine, xid: int) -> None:
    """Freeze every row and let the server go on from a transaction id, as years of work would."""
    for database in ("postgres", "template1", "template0"):
        dsn = engine.dsn.replace("dbname=postgres", f"dbname={database}")
        with psycopg.connect(dsn, autocommit=True) as session:
            session.execute("VACUUM (FREEZE)")
    engine._control("stop", "--mode", "fast", "--wait")
    data = engine.folder / "data"
    engine._run("pg_resetwal", "--pgdata", str(data), "--next-transaction-id", str(xid))
    segment = data / "pg_xact" / f"{xid // 2**20:04X}"
    segment.write_bytes(bytes(2**18))
    shutil.chown(segment, (data / "PG_VERSION").owner())
    engine.start()


async def test_no_row_is_lost_where_transaction_ids_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = Engine()
    monkeypatch.setattr("connectors.twins.postgres_table.engine", lambda: own)
    with psycopg.connect(own.dsn, autocommit=True) as session:
        session.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
    async with PostgresTableTwin() as twin:
        reader = Reader()
        await twin.put({"a": "early"})
        assert await reader.names(twin.config) == ["early"]
        for xid in (1_500_000_000, 3_000_000_000, 2**32 - 3):
            advance_to(own, xid)
            twin.reconnect()
            await twin.put({"b": f"at {xid}"})
            assert await reader.names(twin.config) == [f"at {xid}"]
        for number in range(8):
            await twin.put({"c": f"{number}"})
            assert await reader.names(twin.config) == [f"{number}"]
        assert reader.position["seen"] > 2**32
        reader.position = None
        assert await reader.names(twin.config) == ["early", f"at {2**32 - 3}", "7"]


async def test_a_view_gives_the_xmin_of_its_tables_or_is_refused(twin: PostgresTableTwin) -> None:
    execute(
        twin,
        "CREATE VIEW {schema}.seen AS SELECT s.xmin, s.number, s.name FROM {schema}.school s;"
        "CREATE VIEW {schema}.blind AS SELECT number, name FROM {schema}.school;"
        "GRANT SELECT ON {schema}.seen, {schema}.blind TO reader",
    )
    asked = {"key": ("number",), "columns": (), "cursor": (), "deleted_column": None}
    config, reader = with_(twin.config, table=f"{twin.schema}.seen", **asked), Reader()
    await twin.put({"a": "first", "b": "first"})
    assert await reader.names(config) == ["first", "first"]
    await twin.put({"b": "second"})
    (row,) = await reader.items(config)
    assert isinstance(row, Row)
    assert (row.cells, row.place) == ({"number": "b", "name": "second"}, "seen/b")
    assert await reader.source(config).check() == []
    blind = with_(config, table=f"{twin.schema}.blind")
    with pytest.raises(DocumentError, match=r"no column xmin.*CREATE VIEW"):
        await reader.items(blind)


async def test_check_names_everything_that_is_wrong(twin: PostgresTableTwin) -> None:
    async def said(**changes: object) -> str:
        found = await Reader().source(with_(twin.config, **changes)).check()
        return "\n".join(map(str, found))

    assert await said() == ""
    assert "no table or view nowhere" in await said(table="nowhere")
    both = await said(columns=("number", "gone"), cursor=("name",))
    assert "no column gone" in both
    assert "a cursor of type text" in both
    assert "a mark of deletion of type text" in await said(deleted_column="name")
    assert "no index that begins with since" in await said(cursor=("since",))
    assert "key name, which may be null" in await said(key=("name",))
    execute(twin, "REVOKE SELECT ON {schema}.school FROM reader")
    assert "GRANT SELECT" in await said()
    with pytest.raises(DocumentError, match="permission denied"):
        await Reader().items(twin.config)


async def test_discover_proposes_types_key_and_cursor(twin: PostgresTableTwin) -> None:
    execute(
        twin,
        "CREATE TABLE {schema}.typed (id uuid PRIMARY KEY, rate numeric(9,2) NOT NULL,"
        " free numeric, born date, at timestamptz, more jsonb, tags text[], name varchar(20),"
        " updated_at timestamp);"
        "CREATE INDEX ON {schema}.typed (updated_at);"
        "INSERT INTO {schema}.typed VALUES (gen_random_uuid(), 12.50, 1e30, '2026-01-31',"
        " 'infinity', '{{\"a\": [1]}}', '{{x,y}}', 'имя', '2026-01-31 09:30');"
        "GRANT SELECT ON {schema}.typed TO reader",
    )
    name = f"{twin.schema}.typed"
    (found,) = [one for one in await Reader().source(twin.config).discover() if one.name == name]
    assert found.key == "id"
    assert found.columns["rate"] == {
        "type": "bytes",
        "logicalType": "decimal",
        "precision": 9,
        "scale": 2,
    }
    assert found.columns["free"] == found.columns["name"] == found.columns["more"] == "string"
    assert found.columns["tags"] == {"type": "array", "items": "string"}
    assert found.columns["at"] == {"type": "long", "logicalType": "timestamp-micros"}
    assert found.config == {"table": name, "cursor": ["updated_at"]}
    (sample,) = found.samples
    assert sample["rate"] == "12.50"
    assert sample["more"] == {"a": [1]}
    assert (sample["tags"], sample["at"]) == (["x", "y"], "infinity")


async def test_a_deleted_row_is_told_with_what_it_was_and_stands_again_when_it_is_restored(
    twin: PostgresTableTwin,
) -> None:
    async def operations() -> list[Operation | None]:
        return [one.operation for one in await reader.items(twin.config) if isinstance(one, Row)]

    reader = Reader()
    await twin.put({"a": "first"})
    await twin.remove("a")
    assert await operations() == [None, Operation.CEASE]
    await twin.put({"a": "first"})
    assert await operations() == [Operation.CREATE]


async def test_a_version_comes_from_its_column(twin: PostgresTableTwin) -> None:
    execute(twin, "ALTER TABLE {schema}.school ADD version numeric(20)")
    execute(
        twin,
        "INSERT INTO {schema}.school (number, version, is_deleted)"
        " VALUES ('a', 7, false), ('b', NULL, false), ('c', 3, true)",
    )
    items = await Reader().items(with_(twin.config, version_column="version"))
    assert [type(one) for one in items] == [Row, Bad]  # of `c` nobody was told
    assert isinstance(items[0], Row)
    assert items[0].version == 7
    assert isinstance(items[1], Bad)
    assert items[1].column == "version"


async def test_history_is_a_stretch_of_the_cursor_without_what_is_deleted(
    twin: PostgresTableTwin,
) -> None:
    execute(
        twin,
        "INSERT INTO {schema}.school (number, name, updated, is_deleted) VALUES"
        " ('a', 'early', '2020-01-01', false), ('b', 'within', '2021-06-01', false),"
        " ('c', 'gone', '2021-06-01', true), ('d', 'late', '2022-01-01', false)",
    )
    past = Reader().source(twin.config).backfill(Span(since="2021-01-01", until="2022-01-01"))
    rows = [one async for one in past]
    assert [one.cells["number"] for one in rows if isinstance(one, Row)] == ["b"]


def test_a_password_in_the_connection_string_is_refused_without_being_told() -> None:
    with pytest.raises(ValidationError, match=r"config\.password") as refused:
        PostgresTableConfig(dsn="host=x password=hidden", table="t")
    assert "hidden" not in str(refused.value)
