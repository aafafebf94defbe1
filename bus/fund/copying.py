"""Rows with the fields' values: reading them by their schemas, and writing them by COPY."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, cast

from psycopg import AsyncCopy, sql

from bus.errors import InvariantBroken
from bus.fund.batch import Arrival
from bus.fund.entries import tables_of
from bus.fund.layout import DatasetLayout
from bus.postgres.queries import Queries
from bus.postgres.session import Session

QUERIES: Final = Queries.load("bus.fund", "rows")
_PAST: Final = ("text", "text", "int8", "text", "text", "timestamptz")


@asynccontextmanager
async def copying(
    session: Session, statement: sql.Composed, types: Sequence[str]
) -> AsyncIterator[AsyncCopy]:
    """Open a binary COPY of rows whose values have these types."""
    async with session.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        yield copy


def named_versions(rows: Iterable[tuple[object, ...]]) -> dict[str, object]:
    """Give agency, key and version of rows as the columns that queries ask for."""
    agencies, keys, versions = zip(*rows, strict=True)
    return {"agencies": list(agencies), "keys": list(keys), "versions": list(versions)}


def column_names(layout: DatasetLayout) -> sql.Composed:
    """Name the fields' columns, each behind a comma, for the braces in SQL files."""
    return sql.SQL("").join(
        sql.SQL(", {}").format(sql.Identifier(column.name)) for column in layout.columns
    )


def column_types(layout: DatasetLayout) -> tuple[str, ...]:
    """Name their types as the driver knows them: without a precision."""
    return tuple(column.sql_type.partition("(")[0] for column in layout.columns)


def typed_values(
    layout: DatasetLayout, schema_id: int, value: bytes, *, place: str
) -> tuple[object, ...]:
    """Decode a framed value into the columns' values.

    Args:
        layout: Of its dataset.
        schema_id: That the frame names.
        value: As it was accepted.
        place: Names the record in the error.

    Raises:
        InvariantBroken: It can't be read by the schema it names.
    """
    try:
        return layout.typed_row(schema_id, value)
    except Exception as error:  # noqa: BLE001 - the general reader raises a dozen types
        why = str(error) if isinstance(error, InvariantBroken) else type(error).__name__
        raise InvariantBroken(
            f"{place}: the value can't be read by schema {schema_id} of {layout.dataset} ({why}), "
            "though enforcement accepted it. The guard lacks a check; the fund stays here until "
            "the bus is mended."
        ) from None


def past_row(arrival: Arrival, layout: DatasetLayout) -> tuple[object, ...]:
    """Give the row of values of a record that joins the history and does not stand."""
    record = arrival.record
    return (
        record.agency,
        record.key,
        record.version,
        record.record_id,
        record.operation,
        datetime.fromisoformat(record.event_time),
        *typed_values(layout, record.schema_id, record.value, place=arrival.position),
    )


def past_values(row: Sequence[object], layout: DatasetLayout) -> tuple[object, ...]:
    """Give the same of a row of the history, whose last columns are schema id and value."""
    *known, schema_id, value = row
    place = f"history of {layout.dataset}, record {known[3]}"
    typed = typed_values(layout, cast("int", schema_id), cast("bytes", value), place=place)
    return (*known, *typed)


async def copy_past(
    session: Session, rows: Iterable[tuple[object, ...]], layout: DatasetLayout
) -> None:
    """Write rows of values, within the caller's transaction."""
    tables, columns = tables_of(layout.dataset), column_names(layout)
    statement = QUERIES.get("copy_past", **tables, columns=columns)
    async with copying(session, statement, (*_PAST, *column_types(layout))) as copy:
        for row in rows:
            await copy.write_row(row)
