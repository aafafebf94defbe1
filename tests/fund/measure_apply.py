"""Measure `FundStore.apply` against a plain COPY of the same rows.

    python -m tests.fund.measure_apply "host=... user=... dbname=an-empty-database"

Records have 25 fields, batches 2,000 records. Rounds of both are interleaved; the best of each
counts, for the machine may be shared. The COPY writes the decoded fields into a table without
indexes, one transaction a batch: the least that a database can do with these rows.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import date
from types import MappingProxyType

import psycopg
from psycopg import sql

from bus.fund.layout import DatasetLayout, layout_of
from bus.fund.store import FundStore
from bus.fund.tables import apply_tables
from bus.model.identifiers import DatasetCode
from bus.model.record import RegistryRecord
from bus.postgres.session import connect
from tests.fund.samples import PLACE, SCHOOLS, Fields, batch, contract, encode, record

BATCH = 2_000
ROUNDS = 12
FIELDS: Fields = [
    {"name": "registry_number", "type": "string"},
    *({"name": f"text_{n}", "type": "string"} for n in range(9)),
    *({"name": f"number_{n}", "type": "long"} for n in range(5)),
    *({"name": f"maybe_{n}", "type": ["null", "string"], "default": None} for n in range(5)),
    *({"name": f"day_{n}", "type": {"type": "int", "logicalType": "date"}} for n in range(3)),
    {"name": "flag", "type": "boolean"},
    {"name": "share", "type": "double"},
]


def fields(number: int) -> dict[str, object]:
    return {
        "registry_number": str(number),
        **{f"text_{n}": f"value {number % 97} of {n}" for n in range(9)},
        **{f"number_{n}": number * n for n in range(5)},
        **{f"maybe_{n}": None if n % 2 else f"maybe {number}" for n in range(5)},
        **{f"day_{n}": date(1990, 1, 1 + number % 28) for n in range(3)},
        "flag": number % 2 == 0,
        "share": number / 7,
    }


def records(layout: DatasetLayout, round_number: int) -> list[RegistryRecord]:
    """Give one batch: new entries, as a first load has them."""
    numbers = range(round_number * BATCH, (round_number + 1) * BATCH)
    return [record(str(n), 1, framed=encode(layout, 1, fields(n))) for n in numbers]


async def measure(dsn: str) -> None:
    layout = layout_of(contract(FIELDS), {1: 11})
    layouts = MappingProxyType({DatasetCode(SCHOOLS): layout})
    session = await connect(dsn, "measure")
    await apply_tables(session, layouts)
    store = await FundStore.open(dsn, layouts)
    await store.positions({PLACE: 0})
    await session.execute('CREATE TABLE plain AS SELECT * FROM current."schools"')
    for name in ("ceased_at", "recorded_at", "ceased_by", "event_time", "operation", "record_id"):
        await session.execute(f"ALTER TABLE plain DROP COLUMN {name}")
    applied, copied = [], []
    for number in range(ROUNDS):
        arrivals = records(layout, number)
        began = time.perf_counter()
        await store.apply([batch(number * BATCH, *arrivals)])
        applied.append(time.perf_counter() - began)
        rows = [
            (r.agency, r.key, r.version, *layout.typed_row(r.schema_id, r.value)) for r in arrivals
        ]
        began = time.perf_counter()
        await copy(session, rows, layout)
        copied.append(time.perf_counter() - began)
    for name, times in (("apply", applied), ("COPY", copied)):
        best, median = BATCH / min(times), BATCH / statistics.median(times)
        sys.stdout.write(f"{name:5} {best:9,.0f} rows/s best, {median:9,.0f} median\n")
    sys.stdout.write(f"ratio of the best {min(copied) / min(applied):.2f}\n")
    await store.close()
    await session.close()


async def copy(
    session: psycopg.AsyncConnection[tuple[object, ...]],
    rows: Sequence[tuple[object, ...]],
    layout: DatasetLayout,
) -> None:
    types = ["text", "text", "int8", *(column.sql_type for column in layout.columns)]
    statement = sql.SQL("COPY plain FROM STDIN (FORMAT BINARY)")
    async with session.transaction(), session.cursor() as cursor, cursor.copy(statement) as out:
        out.set_types(types)
        for row in rows:
            await out.write_row(row)


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1]))
