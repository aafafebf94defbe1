"""Writing what `bus.fund.change` decided, within the caller's transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Final, cast

import psycopg
from psycopg import AsyncCopy, sql

from bus.errors import InvariantBroken
from bus.fund.batch import Arrival
from bus.fund.change import Change, Standing
from bus.fund.entries import tables_of
from bus.fund.layout import DatasetLayout
from bus.fund.stored import EntryKey, WaitingVersion
from bus.model.record import RegistryRecord
from bus.postgres.queries import Queries
from bus.postgres.session import Session

QUERIES: Final = Queries.load("bus.fund", "rows")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RECORD: Final = ("text", "text", "int8", "text", "text", "text", "int8", "bytea")
_ORIGIN: Final = ("text", "text", "text", "int8", "text", "int4", "int8")
_HISTORY: Final = (*_RECORD, "timestamptz", "timestamptz", *_ORIGIN)
_HELD: Final = ("text", *_RECORD, "text", "int8", *_ORIGIN, "bytea[]", "bytea[]", "text", "int8")
_CURRENT: Final = ("text", "text", "int8", "text", "text", "timestamptz", "int8")


class EntryMoved(InvariantBroken):
    """A row is not as it was read: another session wrote the same entry meanwhile."""


async def write_change(session: Session, change: Change, layout: DatasetLayout) -> None:
    """Write history, current rows and held records of one dataset.

    Raises:
        EntryMoved: Another session wrote an entry since it was read; the transaction is to be
            tried again.
        InvariantBroken: A value can't be decoded by the schema it names.
        psycopg.DataError: PostgreSQL can't hold a value that enforcement accepted.
    """
    try:
        await _write(session, change, layout)
    except psycopg.errors.UniqueViolation as error:
        raise EntryMoved(
            f"{layout.dataset}: a row that this transaction adds to {error.diag.schema_name}."
            f"{error.diag.table_name} is there by now; another session wrote the same entry. "
            "Nothing is written; start again."
        ) from None


async def _write(session: Session, change: Change, layout: DatasetLayout) -> None:
    current_rows: list[tuple[object, ...]] = []
    if change.history:
        statement = QUERIES.get("copy_history", **tables_of(layout.dataset))
        async with _copying(session, statement, _HISTORY) as copy:
            # In turns, for PostgreSQL needs as long for a row as it takes to decode one here.
            for arrival, standing in zip_longest(change.history, change.standings):
                if arrival is not None:
                    await copy.write_row(_history_row(arrival))
                if standing is not None and standing.arrival is not None:
                    current_rows.append(_current_row(standing, standing.arrival, layout))
    if change.held:
        await _copy_held(session, change.held, layout)
    if change.released:
        await _join_held(session, change.released, layout)
    if change.standings:
        await _replace_current(session, change.standings, current_rows, layout)


async def _copy_held(session: Session, held: Sequence[Arrival], layout: DatasetLayout) -> None:
    rows = [(layout.dataset, *_held_row(arrival)) for arrival in held]
    async with _copying(session, QUERIES.get("copy_held"), _HELD) as copy:
        for row in rows:
            await copy.write_row(row)


async def _join_held(
    session: Session, released: Sequence[WaitingVersion], layout: DatasetLayout
) -> None:
    """Move held rows to the history within the database: their values needn't come here."""
    named = {
        **named_versions((*one.entry, one.version) for one in released),
        "event_times": [datetime.fromisoformat(one.event_time) for one in released],
        "dataset": layout.dataset,
    }
    moved = await session.execute(QUERIES.get("join_held", **tables_of(layout.dataset)), named)
    _expect(moved.rowcount, len(released), f"held records of {layout.dataset}")


async def _replace_current(
    session: Session,
    standings: Sequence[Standing],
    rows: list[tuple[object, ...]],
    layout: DatasetLayout,
) -> None:
    """Put new current rows in the place of those that stood; the old versions are the guard.

    Why not an upsert: a worker whose catalogue is a moment older than the tables doesn't know
    their newest columns. A new row has the defaults there; an updated one would keep values of
    the version before.
    """
    tables = tables_of(layout.dataset)
    stood = [(*one.entry, one.before) for one in standings if one.before is not None]
    if stood:
        removed = await session.execute(
            QUERIES.get("remove_current", **tables), named_versions(stood)
        )
        _expect(removed.rowcount, len(stood), f"current rows of {layout.dataset}")
    rows += await _uncovered_rows(session, standings, layout)
    _expect(
        len(rows), sum(one.after is not None for one in standings), f"history of {layout.dataset}"
    )
    if not rows:
        return
    columns = sql.SQL("").join(
        sql.SQL(", {}").format(sql.Identifier(column.name)) for column in layout.columns
    )
    types = (*_CURRENT, *(_type_name(column.sql_type) for column in layout.columns))
    statement = QUERIES.get("copy_current", **tables, columns=columns)
    async with _copying(session, statement, types) as copy:
        for row in rows:
            await copy.write_row(row)
    ceased = [one.entry for one in standings if one.ceased_by is not None]
    if ceased:
        named = {"agencies": [agency for agency, _ in ceased], "keys": [key for _, key in ceased]}
        await session.execute(QUERIES.get("close_valid_time", **tables), named)


async def _uncovered_rows(
    session: Session, standings: Sequence[Standing], layout: DatasetLayout
) -> list[tuple[object, ...]]:
    """Make current rows of versions that stand again, or otherwise, from the history."""
    uncovered = {
        one.entry: one for one in standings if one.arrival is None and one.after is not None
    }
    if not uncovered:
        return []
    named = named_versions((*entry, one.after) for entry, one in uncovered.items())
    found = await session.execute(QUERIES.get("uncovered", **tables_of(layout.dataset)), named)
    rows = []
    for agency, key, *past, schema_id, value in await found.fetchall():
        standing = uncovered[cast("EntryKey", (agency, key))]
        place = f"history of {layout.dataset}, record {past[1]}"
        typed = _typed(layout, cast("int", schema_id), cast("bytes", value), place=place)
        rows.append((agency, key, *past, standing.ceased_by, *typed))
    return rows


def _current_row(standing: Standing, arrival: Arrival, layout: DatasetLayout) -> tuple[object, ...]:
    record = arrival.record
    return (
        record.agency,
        record.key,
        record.version,
        record.record_id,
        record.operation,
        datetime.fromisoformat(record.event_time),
        standing.ceased_by,
        *_typed(layout, record.schema_id, record.value, place=arrival.position),
    )


def _typed(
    layout: DatasetLayout, schema_id: int, value: bytes, *, place: str
) -> tuple[object, ...]:
    try:
        return layout.typed_row(schema_id, value)
    except Exception as error:  # noqa: BLE001 - the general reader raises a dozen types
        why = str(error) if isinstance(error, InvariantBroken) else type(error).__name__
        raise InvariantBroken(
            f"{place}: the value can't be read by schema {schema_id} of {layout.dataset} ({why}), "
            "though enforcement accepted it. The guard lacks a check; the fund stays here until "
            "the bus is mended."
        ) from None


def _history_row(arrival: Arrival) -> tuple[object, ...]:
    record = arrival.record
    return (
        *_record_part(record),
        datetime.fromisoformat(record.event_time),
        _EPOCH + timedelta(milliseconds=record.appended_ms),
        *_origin_part(arrival),
    )


def _held_row(arrival: Arrival) -> tuple[object, ...]:
    record = arrival.record
    return (
        *_record_part(record),
        record.event_time,
        record.appended_ms,
        *_origin_part(arrival),
        [name.encode(errors="surrogatepass") for name, _ in arrival.headers],
        [value for _, value in arrival.headers],
        None if record.group is None else str(record.group),
        arrival.group_offset,
    )


def _record_part(record: RegistryRecord) -> tuple[object, ...]:
    return (
        record.agency,
        record.key,
        record.version,
        record.record_id,
        record.operation,
        record.supersedes,
        record.schema_id,
        record.value,
    )


def _origin_part(arrival: Arrival) -> tuple[object, ...]:
    record = arrival.record
    return (
        record.system,
        record.lane,
        record.bus_in,
        record.catalogue,
        arrival.topic,
        arrival.partition,
        arrival.offset,
    )


@asynccontextmanager
async def _copying(
    session: Session, statement: sql.Composed, types: Sequence[str]
) -> AsyncIterator[AsyncCopy]:
    async with session.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        yield copy


def named_versions(rows: Iterable[tuple[object, ...]]) -> dict[str, object]:
    """Give agency, key and version of rows as the columns that queries ask for."""
    agencies, keys, versions = zip(*rows, strict=True)
    return {"agencies": list(agencies), "keys": list(keys), "versions": list(versions)}


def _type_name(sql_type: str) -> str:
    """Name a type as the driver knows it: without its precision."""
    return sql_type.partition("(")[0]


def _expect(found: int, expected: int, what: str) -> None:
    if found != expected:
        raise EntryMoved(
            f"{what}: {found} of {expected} are as this transaction read them; another session "
            "wrote the same entries. Is one key in two partitions? Nothing is written; start again."
        )
