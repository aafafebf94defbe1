"""Values of versions that do not stand: each version of the history can be read from a column."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from bus.fund.store import FundStore
from bus.fund.tables import apply_tables
from bus.model.record import Operation, RegistryRecord
from bus.postgres.session import Session
from tests.fund.samples import FIELDS_V1, LAYOUT, LAYOUTS, PLACE, batches, record
from tests.fund.test_tables import layouts, with_field

CREATE, CORRECT, ANNUL, CEASE = Operation
VERSIONS = "SELECT agency, key, version, schema_id, value FROM history.schools"
SHOWN = """
SELECT agency, key, version, registry_number, title, places, opened, budget, inspected, branches
FROM current.schools
UNION
SELECT agency, key, version, registry_number, title, places, opened, budget, inspected, branches
FROM past.schools
"""


def lives(chance: Random, entries: int) -> Iterator[RegistryRecord]:
    """Give versions of entries, each with a predecessor, and some late or twice."""
    records = []
    for key in map(str, range(entries)):
        known = [record(key, 1, fields={"places": 1})]
        for version in range(2, chance.randint(2, 7)):
            before = chance.choice(known)
            operation = chance.choice([CORRECT, CORRECT, ANNUL, CEASE, CREATE])
            number = chance.choice([1, 2])
            fields = {"places": version, **({"branches": ["a"]} if number == 2 else {})}
            known.append(
                record(
                    key,
                    version,
                    operation,
                    None if operation is CREATE else before,
                    fields=fields,
                    schema_number=number,
                )
            )
        records += [*known, chance.choice(known)]
    chance.shuffle(records)
    yield from records


async def shown(session: Session) -> dict[tuple[object, ...], list[object]]:
    rows = await (await session.execute(SHOWN)).fetchall()
    values = {row[:3]: list(row[3:]) for row in rows}
    assert len(values) == len(rows), "a version has one set of values"
    return values


async def decoded(session: Session) -> dict[tuple[object, ...], list[object]]:
    rows = await (await session.execute(VERSIONS)).fetchall()
    return {
        (agency, key, version): list(LAYOUT.typed_row(schema_id, value))  # type: ignore[arg-type]
        for agency, key, version, schema_id, value in rows
    }


@pytest.mark.parametrize("seed", range(4))
async def test_the_columns_hold_the_values_of_every_version(
    store: FundStore, session: Session, seed: int
) -> None:
    await store.positions({PLACE: 0})
    chance = Random(seed)
    for one in batches(0, lives(chance, 40), chance.choice([1, 7, 60])):
        await store.apply([one])
    expected = await decoded(session)
    assert len(expected) > 100
    assert await shown(session) == expected


async def test_a_fund_of_an_earlier_bus_gets_the_values_of_its_past(
    store: FundStore, session: Session
) -> None:
    await store.positions({PLACE: 0})
    await store.apply(batches(0, lives(Random(7), 60), 1_000))
    expected = await decoded(session)
    await session.execute("DROP TABLE past.schools")
    (change,) = await apply_tables(session, LAYOUTS)
    assert change.startswith("schools: table past, ")
    assert await shown(session) == expected
    assert await apply_tables(session, LAYOUTS) == ()


async def test_a_new_version_gives_past_rows_its_default_too(
    session: Session, empty_dsn: str
) -> None:
    before = layouts(FIELDS_V1)
    await apply_tables(session, before)
    store = await FundStore.open(empty_dsn, before)
    await store.positions({PLACE: 0})
    first = record("1", 1)
    await store.apply(batches(0, [first, record("1", 2, CORRECT, first)], 1))
    await apply_tables(session, layouts(FIELDS_V1, with_field("floors", "int", default=2)))
    found = await session.execute("SELECT version, floors FROM past.schools")
    assert await found.fetchall() == [(1, 2)]
    await store.close()


async def test_a_column_that_a_mart_shows_is_widened(session: Session) -> None:
    await apply_tables(session, layouts(FIELDS_V1))
    await session.execute(
        "CREATE SCHEMA mart_health; "
        "CREATE VIEW mart_health.schools AS SELECT places FROM current.schools"
    )
    wider = [
        {**one, "type": ["null", "long"]} if one["name"] == "places" else one for one in FIELDS_V1
    ]
    assert await apply_tables(session, layouts(FIELDS_V1, wider)) == (
        "schools: column places bigint",
    )
