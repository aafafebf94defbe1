"""Writing what `bus.fund.change` decided, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Final, cast

import psycopg

from bus.errors import InvariantBroken
from bus.fund.batch import Arrival
from bus.fund.change import Change, Standing, entry_key
from bus.fund.copying import (
    QUERIES,
    column_names,
    column_types,
    copy_past,
    copying,
    named_versions,
    past_row,
    past_values,
    typed_values,
)
from bus.fund.entries import tables_of
from bus.fund.layout import DatasetLayout
from bus.fund.stored import EntryKey, WaitingVersion
from bus.model.record import RegistryRecord
from bus.postgres.session import Session

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RECORD: Final = ("text", "text", "int8", "text", "text", "text", "int8", "bytea")
_ORIGIN: Final = ("text", "text", "text", "int8", "text", "int4", "int8")
_HISTORY: Final = (*_RECORD, "timestamptz", "timestamptz", *_ORIGIN)
_HELD: Final = ("text", *_RECORD, "text", "int8", *_ORIGIN, "bytea[]", "bytea[]", "text", "int8")
_PAGE_BYTES: Final = 512 * 1024
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
        async with copying(session, statement, _HISTORY) as copy:
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
    await _copy_past(session, change, layout)
    if change.standings:
        await _replace_current(session, change.standings, current_rows, layout)


async def _copy_held(session: Session, held: Sequence[Arrival], layout: DatasetLayout) -> None:
    rows = [(layout.dataset, *_held_row(arrival)) for arrival in held]
    async with copying(session, QUERIES.get("copy_held"), _HELD) as copy:
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
    gone = [(*one.entry, one.before) for one in standings if one.before not in {None, one.after}]
    if gone:
        await session.execute(QUERIES.get("keep_values", **tables), named_versions(gone))
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
    statement = QUERIES.get("copy_current", **tables, columns=column_names(layout))
    async with copying(session, statement, (*_CURRENT, *column_types(layout))) as copy:
        for row in rows:
            await copy.write_row(row)
    ceased = [one.entry for one in standings if one.ceased_by is not None]
    if ceased:
        named = {"agencies": [agency for agency, _ in ceased], "keys": [key for _, key in ceased]}
        await session.execute(QUERIES.get("close_valid_time", **tables), named)


async def _copy_past(session: Session, change: Change, layout: DatasetLayout) -> None:
    """Keep the values of versions that join the history and do not stand."""
    standing = {(*one.entry, one.after) for one in change.standings}
    passed = [
        one for one in change.history if (*entry_key(one), one.record.version) not in standing
    ]
    if passed:
        await copy_past(session, (past_row(one, layout) for one in passed), layout)
    joined = [(*one.entry, one.version) for one in change.released]
    joined = [one for one in joined if one not in standing]
    if joined:
        await _copy_joined(session, joined, layout)


async def _copy_joined(
    session: Session, joined: Sequence[tuple[object, ...]], layout: DatasetLayout
) -> None:
    """Do so for held rows, which are in the history by now; few of their values come at once."""
    tables = tables_of(layout.dataset)
    sizes = await session.execute(QUERIES.get("sizes", **tables), named_versions(joined))
    for page in _pages(await sizes.fetchall()):
        found = await session.execute(QUERIES.get("uncovered", **tables), named_versions(page))
        rows = await found.fetchall()
        await copy_past(session, (past_values(row, layout) for row in rows), layout)


def _pages(rows: Sequence[tuple[object, ...]]) -> Iterator[list[tuple[object, ...]]]:
    """Cut rows, whose last column is a size in bytes, so that a page is small or one row."""
    page, page_bytes = list[tuple[object, ...]](), 0
    for *version, size_bytes in rows:
        if page and page_bytes + cast("int", size_bytes) > _PAGE_BYTES:
            yield page
            page, page_bytes = [], 0
        page.append(tuple(version))
        page_bytes += cast("int", size_bytes)
    if page:
        yield page


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
    for row in await found.fetchall():
        agency, key, version, record_id, operation, event_time, *typed = past_values(row, layout)
        standing = uncovered[cast("EntryKey", (agency, key))]
        known = (agency, key, version, record_id, operation, event_time)
        rows.append((*known, standing.ceased_by, *typed))
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
        *typed_values(layout, record.schema_id, record.value, place=arrival.position),
    )


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


def _expect(found: int, expected: int, what: str) -> None:
    if found != expected:
        raise EntryMoved(
            f"{what}: {found} of {expected} are as this transaction read them; another session "
            "wrote the same entries. Is one key in two partitions? Nothing is written; start again."
        )
