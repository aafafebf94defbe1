"""Records of 25 fields for the fund, and the rows that it makes of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Final, TypeAlias

import fastavro
from psycopg import sql

from bus.contracts.contract import Contract
from bus.fund.batch import FundBatch
from bus.fund.layout import DatasetLayout, Schema, layout_of, parsed_schema
from bus.postgres.session import Session
from bus.wire.frame import frame
from tests.fund.samples import SCHEMA_IDS, Fields, batch, contract, record

BATCH: Final = 2_000
FIELDS: Final[Fields] = [
    {"name": "registry_number", "type": "string"},
    *({"name": f"text_{n}", "type": "string"} for n in range(9)),
    *({"name": f"number_{n}", "type": "long"} for n in range(5)),
    *({"name": f"maybe_{n}", "type": ["null", "string"], "default": None} for n in range(5)),
    *({"name": f"day_{n}", "type": {"type": "int", "logicalType": "date"}} for n in range(3)),
    {"name": "flag", "type": "boolean"},
    {"name": "share", "type": "double"},
]
CONTRACT: Final[Contract] = contract(FIELDS)
LAYOUT: Final[DatasetLayout] = layout_of(CONTRACT, {1: SCHEMA_IDS[1]})
HISTORY: Final[Mapping[str, str]] = {
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
"""Column → type, of a row of history as apply writes it."""
CURRENT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("agency", "key"), "text"),
    "version": "int8",
    **dict.fromkeys(("record_id", "operation"), "text"),
    "event_time": "timestamptz",
}
"""The bus's own columns of a current entry; the record's typed ones follow."""
Rows: TypeAlias = list[tuple[object, ...]]


def fields(number: int) -> dict[str, object]:
    """Give the record of one number."""
    return {
        "registry_number": str(number),
        **{f"text_{n}": f"value {number % 97} of {n}" for n in range(9)},
        **{f"number_{n}": number * n for n in range(5)},
        **{f"maybe_{n}": None if n % 2 else f"maybe {number}" for n in range(5)},
        **{f"day_{n}": date(1990, 1, 1 + number % 28) for n in range(3)},
        "flag": number % 2 == 0,
        "share": number / 7,
    }


def framed(number: int) -> bytes:
    """Encode the record of one number."""
    datum = io.BytesIO()
    fastavro.schemaless_writer(datum, _schema(), fields(number))
    return frame(SCHEMA_IDS[1], datum.getvalue())


@cache
def _schema() -> Schema:
    return parsed_schema(CONTRACT.newest.schema)


def batches_of(first: int, count: int, *, offset: int | None = None) -> list[FundBatch]:
    """Give new entries in batches that follow one another.

    Args:
        first: Number of the first record.
        count: Of records.
        offset: Of the first one in its partition; None: its number.
    """
    start = first if offset is None else offset
    return [
        batch(
            start + at,
            *(
                record(str(number), 1, framed=framed(number))
                for number in range(first + at, first + min(at + BATCH, count))
            ),
        )
        for at in range(0, count, BATCH)
    ]


def types_of(layout: DatasetLayout) -> Mapping[str, str]:
    """Name the typed columns with their types."""
    return {column.name: column.sql_type for column in layout.columns}


def rows_of(batches: Sequence[FundBatch], layout: DatasetLayout) -> tuple[Rows, Rows]:
    """Make the rows of history and of current entries that apply will write."""
    history, current = Rows(), Rows()
    for one in batches:
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
    """COPY rows into a table, in the binary format that apply uses too."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), names
    )
    async with session.cursor() as cursor, cursor.copy(statement) as out:
        out.set_types([*columns.values()])
        for row in rows:
            await out.write_row(row)
