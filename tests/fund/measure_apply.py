"""Measure `FundStore.apply` against plain COPYs.

    python -m tests.fund.measure_apply "host=... user=... dbname=an-empty-database"

Records have 25 fields, batches 2,000 records, all of them new entries, as a first load has them.
Apply writes two rows for each: history, with the signed bytes, and current, with typed columns.
It is held against a COPY of the same rows into tables without indexes, and against a COPY of the
typed rows alone; both are given rows ready made, without decoding, reading or merging. Rounds are
interleaved; the best of each counts, for the machine may be shared.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType

from psycopg import sql

from bus.fund.batch import FundBatch
from bus.fund.layout import DatasetLayout, layout_of
from bus.fund.store import FundStore
from bus.fund.tables import apply_tables
from bus.model.record import RegistryRecord
from bus.postgres.session import Session, connect
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
    layouts = MappingProxyType({SCHOOLS: layout})
    session = await connect(dsn, "measure")
    await apply_tables(session, layouts)
    store = await FundStore.open(dsn, layouts)
    await store.positions({PLACE: 0})
    for schema in ("history", "current"):
        plain = f"CREATE TABLE plain_{schema} (LIKE {schema}.schools INCLUDING DEFAULTS)"
        await session.execute(plain)
    times: dict[str, list[float]] = {"apply": [], "COPY of both": [], "COPY of current": []}
    for number in range(ROUNDS):
        one = batch(number * BATCH, *records(layout, number))
        history, current = rows_of(one, layout)
        began = time.perf_counter()
        await store.apply([one])
        times["apply"].append(time.perf_counter() - began)
        began = time.perf_counter()
        async with session.transaction():
            await copy(session, "plain_history", history, HISTORY)
            await copy(session, "plain_current", current, {**CURRENT, **types_of(layout)})
        times["COPY of both"].append(time.perf_counter() - began)
        began = time.perf_counter()
        async with session.transaction():
            await copy(session, "plain_current", current, {**CURRENT, **types_of(layout)})
        times["COPY of current"].append(time.perf_counter() - began)
    for name, taken in times.items():
        best, median = BATCH / min(taken), BATCH / statistics.median(taken)
        ratio = min(taken) / min(times["apply"])
        sys.stdout.write(
            f"{name:16}{best:9,.0f} rows/s best, {median:9,.0f} median; apply reaches {ratio:.2f}\n"
        )
    await store.close()
    await session.close()


HISTORY = {
    **dict.fromkeys(("agency", "key"), "text"),
    "version": "int8",
    **dict.fromkeys(("record_id", "operation", "supersedes"), "text"),
    "schema_id": "int8",
    "value": "bytea",
    **dict.fromkeys(("event_time", "appended_at"), "timestamptz"),
    **dict.fromkeys(("system", "lane", "bus_in"), "text"),
    "catalogue": "int8",
    "accepted_topic": "text",
    "accepted_partition": "int4",
    "accepted_offset": "int8",
}
CURRENT = {
    **dict.fromkeys(("agency", "key"), "text"),
    "version": "int8",
    **dict.fromkeys(("record_id", "operation"), "text"),
    "event_time": "timestamptz",
}


def types_of(layout: DatasetLayout) -> dict[str, str]:
    return {column.name: column.sql_type for column in layout.columns}


def rows_of(
    one: FundBatch, layout: DatasetLayout
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Make the rows that apply will write."""
    history, current = list[tuple[object, ...]](), list[tuple[object, ...]]()
    for item in one.records:
        sent = item.record
        at = datetime.fromisoformat(sent.event_time)
        head = (sent.agency, sent.key, sent.version, sent.record_id, sent.operation)
        body = (sent.supersedes, sent.schema_id, sent.value, at, at, sent.system, sent.lane)
        origin = (sent.bus_in, sent.catalogue, one.topic, one.partition, item.offset)
        history.append((*head, *body, *origin))
        current.append((*head, at, *layout.typed_row(sent.schema_id, sent.value)))
    return history, current


async def copy(
    session: Session, table: str, rows: Sequence[tuple[object, ...]], columns: Mapping[str, str]
) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), names
    )
    async with session.cursor() as cursor, cursor.copy(statement) as out:
        out.set_types([*columns.values()])
        for row in rows:
            await out.write_row(row)


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1]))
