"""A table of any SQL database, on a real SQLite: what the kit asks, and what is particular."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from bus.errors import DocumentError
from bus.model.record import Operation
from connectors.kit import checks
from connectors.kit.checks import Check, Kit
from connectors.kit.plugin import conforms
from connectors.source import NOT_HERE, Context, Json, Row
from connectors.sources.sql_table import SqlTable
from connectors.sources.sql_table_config import SqlTableConfig
from connectors.twins.sql_table import SqlTableTwin, WholeTableTwin

test_conforms = conforms(SqlTable, SqlTableTwin, kills_max=25)


@pytest.mark.parametrize(
    "check",
    [
        checks.kill_at_every_step,
        checks.changes_while_first_read,
        checks.writes_while_down,
        checks.unreadable_rows,
        checks.drift,
        checks.positions,
    ],
    ids=lambda one: one.__name__,
)
async def test_a_table_that_is_read_whole_conforms(check: Check) -> None:
    await check(Kit(source=SqlTable, make=SqlTable, make_twin=WholeTableTwin, kills_max=8))


def source(config: SqlTableConfig, spool: Path) -> SqlTable:
    context = Context(
        connector="test", spool=spool, clock=lambda: datetime.now(UTC), sleep=asyncio.sleep
    )
    return SqlTable(config, context)


async def items(
    config: SqlTableConfig, spool: Path, position: Json = None
) -> tuple[list[Row], Json]:
    found: list[Row] = []
    one = source(config, spool)
    if position is not None:
        await one.acked(position)
    async for item in one.read(position):
        found += [item] if isinstance(item, Row) else []
        if item.position is not NOT_HERE:
            position = json.loads(json.dumps(item.position))
    return found, position


def with_(config: SqlTableConfig, **changes: object) -> SqlTableConfig:
    return SqlTableConfig.model_validate({**config.model_dump(), **changes})


async def test_a_young_row_waits_and_a_late_one_comes_within_the_overlap(tmp_path: Path) -> None:
    async with SqlTableTwin() as twin:
        config = with_(twin.config, settle_s=0.5)
        await twin.put({"a": "first"})
        rows, position = await items(config, tmp_path)
        assert rows == []
        await asyncio.sleep(0.6)
        rows, position = await items(config, tmp_path, position)
        assert [one.place for one in rows] == ["school/a"]
        with twin.database() as database:
            insert = "INSERT INTO school (number, updated) VALUES (?, datetime('now', ?))"
            database.execute(insert, ["late", "-200 seconds"])
            database.execute(insert, ["later", "-400 seconds"])
        rows, _ = await items(config, tmp_path, position)
        assert [one.place for one in rows] == ["school/late", "school/a"]


async def test_a_number_waits_until_it_was_known_for_long_enough(tmp_path: Path) -> None:
    async with SqlTableTwin() as twin:
        with twin.database() as database:
            database.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, name TEXT)")
            database.execute("INSERT INTO event VALUES (1, 'x'), (3, 'x')")
        config = SqlTableConfig(
            url=twin.config.url,
            table="event",
            cursor="id",
            settle_s=0.3,
            clock_sql=twin.config.clock_sql,
        )
        rows, position = await items(config, tmp_path)
        assert rows == []
        with twin.database() as database:
            database.execute("INSERT INTO event VALUES (2, 'late'), (4, 'young')")
        await asyncio.sleep(0.4)
        rows, position = await items(config, tmp_path, position)
        assert [one.cells["id"] for one in rows] == [1, 2, 3]
        await asyncio.sleep(0.4)
        rows, position = await items(with_(config, overlap_numbers=0), tmp_path, position)
        assert [one.cells["id"] for one in rows] == [3, 4]


async def test_rows_that_vanish_come_to_an_end_unless_too_many_do_at_once(tmp_path: Path) -> None:
    async with WholeTableTwin() as twin:
        await twin.put({f"{number:03d}": "x" for number in range(60)})
        _, position = await items(twin.config, tmp_path)
        await twin.remove("007")
        rows, position = await items(twin.config, tmp_path, position)
        assert [one.place for one in rows if one.operation is Operation.CEASE] == ["school/007"]
        rows, position = await items(twin.config, tmp_path, position)
        assert not [one for one in rows if one.operation is Operation.CEASE]
        with twin.database() as database:
            database.execute("DELETE FROM school")
        with pytest.raises(DocumentError, match="59 of 59 rows are gone at once"):
            await items(twin.config, tmp_path, position)


async def test_discover_proposes_types_and_key(tmp_path: Path) -> None:
    async with SqlTableTwin() as twin:
        with twin.database() as database:
            database.execute("CREATE TABLE typed (id INTEGER PRIMARY KEY, rate NUMERIC(9, 2))")
        await twin.spoil("a")
        school, typed = await source(twin.config, tmp_path).discover()
        assert (school.key, typed.key) == ("number", "id")
        assert school.columns["born"] == {"type": "int", "logicalType": "date"}
        assert school.samples[0]["born"] == "31 June"
        rate = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
        assert typed.columns == {"id": "long", "rate": rate}


async def test_check_names_what_is_wrong(tmp_path: Path) -> None:
    async with SqlTableTwin() as twin:

        async def said(**changes: object) -> str:
            found = await source(with_(twin.config, **changes), tmp_path).check()
            return "\n".join(map(str, found))

        assert await said() == ""
        assert "no table or view nowhere" in await said(table="nowhere")
        assert "no column gone" in await said(columns=("gone",))
        assert "a cursor of type str" in await said(cursor="name")
        await twin.put({"a": "first"})
        assert "1 rows without a cursor" in await said(cursor="born")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "postgresql://me:hidden@host/db"}, r"config\.password"),
        ({"cursor": None}, "mode cursor needs a cursor"),
        ({"vanished": "cease"}, "only in mode whole"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(
    changes: dict[str, object], said: str
) -> None:
    asked: dict[str, object] = {"url": "sqlite://", "table": "t", "cursor": "id", **changes}
    with pytest.raises(ValidationError, match=said) as refused:
        SqlTableConfig.model_validate(asked)
    assert "hidden" not in str(refused.value)
