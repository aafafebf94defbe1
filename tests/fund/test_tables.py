from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType

import pytest

from bus.catalogue.lock import EMPTY_LOCK, extend
from bus.errors import DocumentError
from bus.fund.columns import columns_of
from bus.fund.layout import Layouts, layout_of, layouts_of
from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.fund.tables import apply_tables
from bus.model.identifiers import DatasetCode
from bus.model.record import Group, Operation
from bus.postgres.session import Session
from tests.fund.samples import (
    CONTRACT,
    FIELDS_V1,
    LAYOUTS,
    PLACE,
    SAMARA,
    SCHEMA_IDS,
    SCHOOLS,
    Fields,
    batch,
    contract,
    record,
    schema,
)

DAY = {"type": "int", "logicalType": "date"}


def layouts(*versions: Fields) -> Layouts:
    return MappingProxyType({SCHOOLS: layout_of(contract(*versions), SCHEMA_IDS)})


def with_field(name: str, avro: object, **rest: object) -> Fields:
    return [*FIELDS_V1, {"name": name, "type": avro, **rest}]


async def column_types(session: Session) -> Mapping[str, str]:
    rows = await session.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'current.schools'::regclass AND attnum > 0"
    )
    return {str(name): str(sql_type) for name, sql_type in await rows.fetchall()}


async def test_applying_tables_twice_changes_nothing_the_second_time(session: Session) -> None:
    assert await apply_tables(session, layouts(FIELDS_V1)) == (
        "schools: tables history and current, 4 columns",
    )
    assert await apply_tables(session, layouts(FIELDS_V1)) == ()


async def test_a_new_version_adds_a_column_and_gives_old_rows_its_default(
    session: Session, empty_dsn: str
) -> None:
    before = layouts(FIELDS_V1)
    await apply_tables(session, before)
    store = await FundStore.open(empty_dsn, before)
    await store.positions({PLACE: 0})
    await store.apply([batch(0, record("1", 1))])
    after = layouts(FIELDS_V1, with_field("closed", DAY, default=3))
    assert await apply_tables(session, after) == ("schools: column closed date",)
    # The store still knows the tables as they were: a worker a moment behind the catalogue.
    await store.apply([batch(1, record("1", 2), record("2", 1))])
    reader = await FundReader.open(empty_dsn, after)
    for key in ("1", "2"):
        row = await reader.get(SCHOOLS, SAMARA, key)
        assert row is not None
        assert row.values["closed"] == date(1970, 1, 4)
    await store.close()
    await reader.close()


async def test_a_row_of_the_new_version_replaced_by_a_worker_behind_keeps_no_stale_column(
    session: Session, empty_dsn: str
) -> None:
    old = layouts(FIELDS_V1)
    new = layouts(FIELDS_V1, with_field("budget", "long", default=7))
    await apply_tables(session, new)
    store = await FundStore.open(empty_dsn, old)
    await store.positions({PLACE: 0})
    await store.apply([batch(0, record("1", 1))])
    await session.execute("UPDATE current.schools SET budget = 99")
    await store.apply([batch(1, record("1", 2))])
    budget = await session.execute("SELECT budget FROM current.schools")
    assert await budget.fetchall() == [(7,)]
    await store.close()


async def test_a_wider_type_widens_its_column(session: Session) -> None:
    await apply_tables(session, layouts(with_field("pupils", "int", default=0)))
    wider = layouts(
        with_field("pupils", "int", default=0), with_field("pupils", "double", default=0)
    )
    assert await apply_tables(session, wider) == ("schools: column pupils double precision",)
    assert (await column_types(session))["pupils"] == "double precision"
    assert await apply_tables(session, wider) == ()


async def test_a_column_of_another_type_is_refused_and_nothing_is_changed(
    session: Session,
) -> None:
    await apply_tables(session, layouts(with_field("opened_by", "string", default="")))
    other = layouts([*with_field("opened_by", "int", default=0), {"name": "x", "type": "int"}])
    with pytest.raises(DocumentError, match="type integer, where the fund keeps text"):
        await apply_tables(session, other)
    assert "x" not in await column_types(session)


async def test_a_field_that_left_the_contract_keeps_its_column(
    session: Session, empty_dsn: str
) -> None:
    await apply_tables(session, layouts(with_field("motto", "string", default="")))
    after = layouts(FIELDS_V1)
    assert await apply_tables(session, after) == ()
    store = await FundStore.open(empty_dsn, after)
    await store.positions({PLACE: 0})
    await store.apply([batch(0, record("1", 1))])
    await store.close()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("version", "a column of the bus"),
        ("xmin", "a system column of PostgreSQL"),
        ("a" * 64, "longer than PostgreSQL's 63 bytes"),
    ],
)
def test_a_field_whose_name_cannot_be_a_column_is_refused(name: str, problem: str) -> None:
    with pytest.raises(DocumentError, match=problem):
        layout_of(contract(with_field(name, "string")), SCHEMA_IDS)


def test_a_type_changed_between_versions_so_that_no_column_holds_both_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"schools v1 fields\.x: found a type kept as text"):
        layouts(with_field("x", "string", default=""), with_field("x", "int", default=0))


def test_all_contracts_findings_are_told_at_once() -> None:
    bad = contract(with_field("version", "string"))
    worse = contract(with_field("key", "string"), dataset=DatasetCode("clinics"))
    with pytest.raises(DocumentError) as caught:
        layouts_of([bad, worse], EMPTY_LOCK)
    places = {finding.path for finding in caught.value.findings}
    unlocked = {"schools v1", "clinics v1"}
    assert places == {"schools v1 fields.version", "clinics v1 fields.key", *unlocked}


def test_schema_ids_come_from_the_lock() -> None:
    lock = EMPTY_LOCK
    for version in CONTRACT.schema_versions:
        lock = extend(lock, SCHOOLS, version.number, version.schema)
    assert set(layouts_of([CONTRACT], lock)[SCHOOLS].versions) == {1, 2}


@pytest.mark.parametrize(
    ("avro", "sql_type"),
    [
        ("string", "text"),
        ("int", "integer"),
        ("long", "bigint"),
        ("float", "real"),
        ("double", "double precision"),
        ("boolean", "boolean"),
        ("bytes", "bytea"),
        (["null", "long"], "bigint"),
        (["string", "null"], "text"),
        (["null", "string", "long"], "jsonb"),
        (DAY, "date"),
        ({"type": "long", "logicalType": "timestamp-millis"}, "timestamp with time zone"),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, "timestamp without time zone"),
        ({"type": "int", "logicalType": "time-millis"}, "time without time zone"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "numeric(9,2)"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 5}, "numeric(5,0)"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2000}, "numeric"),
        ({"type": "string", "logicalType": "uuid"}, "uuid"),
        ({"type": "string", "logicalType": "unheard-of"}, "text"),
        ({"type": "enum", "name": "Kind", "symbols": ["A"]}, "text"),
        ({"type": "fixed", "name": "Md5", "size": 16}, "bytea"),
        ({"type": "array", "items": "string"}, "jsonb"),
        ({"type": "map", "values": "long"}, "jsonb"),
        ({"type": "record", "name": "Place", "fields": []}, "jsonb"),
    ],
)
def test_each_avro_type_has_its_column(avro: object, sql_type: str) -> None:
    column = columns_of(schema([{"name": "x", "type": avro}]))[0]
    assert (column.name, column.sql_type) == ("x", sql_type)


async def test_answers_of_an_earlier_bus_are_dated_by_their_recording(session: Session) -> None:
    await apply_tables(session, LAYOUTS)
    await session.execute("ALTER TABLE bus.quarantine_answers DROP COLUMN appended_at")
    await session.execute("INSERT INTO bus.quarantine_answers VALUES ('in.a.b', 0, 1, 'r', 'x')")
    await apply_tables(session, LAYOUTS)
    rows = await session.execute("SELECT appended_at = recorded_at FROM bus.quarantine_answers")
    assert await rows.fetchall() == [(True,)]


async def test_a_fund_of_an_earlier_bus_learns_about_groups_and_times(
    session: Session, empty_dsn: str
) -> None:
    await apply_tables(session, LAYOUTS)
    await session.execute(
        "ALTER TABLE bus.held DROP COLUMN bus_group, DROP COLUMN group_offset, "
        "ALTER COLUMN supersedes SET NOT NULL"
    )
    await session.execute(
        'ALTER TABLE history."schools" ALTER COLUMN recorded_at SET DEFAULT now()'
    )
    await apply_tables(session, LAYOUTS)
    store = await FundStore.open(empty_dsn, LAYOUTS)
    await store.positions({PLACE: 0})
    group = [
        replace(one, group=Group(id="0" * 16, index=index, size=2))
        for index, one in enumerate(
            [record("1", 2, Operation.ANNUL, record("1", 1)), record("2", 1)]
        )
    ]
    (outcome,) = await store.apply([batch(0, *group)])
    assert outcome.held == 2
    await store.close()
