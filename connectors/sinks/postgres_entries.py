"""Entries in a consumer's PostgreSQL: read, merged as the fund merges them, written back."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from bus.client import (
    Column,
    DeliveredRecord,
    Group,
    Lane,
    Operation,
    Position,
    Presence,
    RegistryCopy,
    as_text,
    finite,
)
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from connectors.sinks.postgres_layout import OWN_COLUMNS, Layout

_Name: TypeAlias = tuple[AgencyCode, str]
_VersionKey: TypeAlias = tuple[AgencyCode, str, int, str]
"""Agency, key, version, topic."""

_PRESENCES: Final = frozenset(one.value for one in Presence)
_READ: Final = """
    SELECT * FROM {versions}
    WHERE (agency, key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"""
_READ_TIED: Final = """
    SELECT DISTINCT agency, key FROM {versions} WHERE is_held AND group_id = ANY(%s)"""
_WRITE: Final = """
    INSERT INTO {versions} SELECT * FROM jsonb_to_recordset(%s) AS given(
        agency text, key text, version bigint, topic text, partition integer, "offset" bigint,
        operation text, record_id text, supersedes text, event_time text, lane text, group_id text,
        group_index integer, group_size integer, is_held boolean, fields jsonb)
    ON CONFLICT (agency, key, version, topic) DO UPDATE SET is_held = excluded.is_held"""
_FORGET: Final = """
    DELETE FROM {versions} WHERE (agency, key, version, topic) IN
        (SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[]))"""
_NEXT: Final = """
    SELECT agency, key FROM {table} WHERE (agency, key) > (%s, %s) ORDER BY agency, key LIMIT %s"""
_CLEAR: Final = """
    DELETE FROM {table}
    WHERE (agency, key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"""


class Entries:
    """The entries of one table."""

    def __init__(self, layout: Layout, columns: Sequence[Column], dataset: str) -> None:
        """Take the table's layout, and its columns for the dataset's fields."""
        self._layout = layout
        self._columns = columns
        self._dataset = DatasetCode(dataset)
        own = ", ".join(f"{name} {kind}" for name, kind in OWN_COLUMNS.items())
        names = [*OWN_COLUMNS, *(column.name for column in columns)]
        self._show = SQL(
            "INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_to_recordset(%s)"
            " AS given({typed}) ON CONFLICT (agency, key) DO UPDATE SET {changes}"
        ).format(
            table=Identifier(layout.schema, layout.table),
            names=SQL(", ").join(map(Identifier, names)),
            typed=SQL(", ").join(
                [
                    SQL(own),
                    *(
                        SQL("{} {}").format(
                            Identifier(column.name),
                            SQL(column.sql_type),
                        )
                        for column in columns
                    ),
                ]
            ),
            changes=SQL(", ").join(
                SQL("{0} = excluded.{0}").format(Identifier(name)) for name in names[2:]
            ),
        )

    async def apply(
        self,
        session: AsyncConnection[Any],
        units: Sequence[Sequence[DeliveredRecord]],
        *,
        is_shown: bool = True,
    ) -> None:
        """Merge units into the tables, within the transaction that is open.

        Args:
            session: With a transaction.
            units: As the bus gives them.
            is_shown: Whether the table of what stands follows; else their versions alone are kept.
        """
        if not units:
            return
        names = dict.fromkeys((one.agency, one.key) for unit in units for one in unit)
        known, copy = await self._copy(session, names)
        for unit in units:
            copy.apply_together(unit)
        names |= dict.fromkeys((agency, key) for agency, key, _, _ in known)
        await self._write_versions(session, copy, names, known)
        if is_shown:
            await self._write_current(session, copy, names)

    async def all_names(
        self, session: AsyncConnection[Any], count: int
    ) -> AsyncIterator[Sequence[_Name]]:
        """Give agency and key of all entries that stand, some at a time."""
        last: _Name = (AgencyCode(""), "")
        while True:
            asked = await session.execute(self._layout.query(_NEXT), [*last, count])
            found = await asked.fetchall()
            if not found:
                return
            last = found[-1]
            yield found

    async def show_again(self, session: AsyncConnection[Any], names: Iterable[_Name]) -> None:
        """Write what stands of some entries from their versions, within the transaction."""
        wanted = dict.fromkeys(names)
        _, copy = await self._copy(session, wanted)
        await self._write_current(session, copy, wanted)

    async def _copy(
        self, session: AsyncConnection[Any], names: Iterable[_Name]
    ) -> tuple[dict[_VersionKey, dict[str, Any]], RegistryCopy]:
        """Build what is kept of some entries, and of those in whose groups they wait."""
        known = await self._read(session, names)
        held = {key for key, row in known.items() if row["is_held"]}
        copy = RegistryCopy(self._dataset)
        for kept in _in_units([_record_of(row, self._dataset) for row in known.values()], held):
            copy.apply_together(kept)
        return known, copy

    async def _read(
        self, session: AsyncConnection[Any], names: Iterable[_Name]
    ) -> dict[_VersionKey, dict[str, Any]]:
        """Read all that is kept of some entries, and of those in which groups wait with theirs."""
        found: dict[_VersionKey, dict[str, Any]] = {}
        wanted, seen = set(names), set[_Name]()
        async with session.cursor(row_factory=dict_row) as cursor:
            while wanted:
                seen |= wanted
                await cursor.execute(self._layout.query(_READ), _columns_of(wanted))
                rows = await cursor.fetchall()
                found |= {_version_key(row): row for row in rows}
                groups = {row["group_id"] for row in rows if row["is_held"] and row["group_id"]}
                wanted = set()
                if groups:
                    await cursor.execute(self._layout.query(_READ_TIED), [list(groups)])
                    tied = await cursor.fetchall()
                    wanted = {(row["agency"], row["key"]) for row in tied} - seen
        return found

    async def _write_versions(
        self,
        session: AsyncConnection[Any],
        copy: RegistryCopy,
        names: Iterable[_Name],
        known: Mapping[_VersionKey, Mapping[str, Any]],
    ) -> None:
        """Write versions that are new or wait no longer; forget what a standing view replaced."""
        kept: set[_VersionKey] = set()
        rows = []
        for agency, key in names:
            entry = copy.entry(agency, key)
            held = set() if entry is None else {one.version for one in entry.held}
            for record in copy.records(agency, key):
                place = (agency, key, record.version, record.position.topic)
                kept.add(place)
                is_held = record.version in held and not isinstance(record.operation, Presence)
                if place not in known or is_held != known[place]["is_held"]:
                    rows.append(_row_of(record, is_held=is_held))
        if rows:
            await session.execute(self._layout.query(_WRITE), [Jsonb(rows)])
        if gone := {key for key in known.keys() - kept if known[key]["operation"] in _PRESENCES}:
            await session.execute(self._layout.query(_FORGET), _columns_of(gone))

    async def _write_current(
        self, session: AsyncConnection[Any], copy: RegistryCopy, names: Iterable[_Name]
    ) -> None:
        rows, fallen = [], []
        for agency, key in names:
            entry = copy.entry(agency, key)
            if entry is None or entry.current is None:
                fallen.append((agency, key))
                continue
            current, ceased = entry.current, entry.ceased_by
            own = {
                "agency": agency,
                "key": key,
                "version": current.version,
                "record_id": current.record_id,
                "operation": current.operation.value,
                "event_time": current.event_time,
                "ceased_at": None if ceased is None else ceased.event_time,
            }
            rows.append(own | dict(self._cells(current.fields)))
        if fallen:
            await session.execute(self._layout.query(_CLEAR), _columns_of(fallen))
        if rows:
            await session.execute(self._show, [Jsonb(rows, dumps=_dumps)])

    def _cells(self, fields: Mapping[str, object]) -> Iterator[tuple[str, object]]:
        """Give each column its value as PostgreSQL reads it from JSON."""
        for column in self._columns:
            names = (column.name, *column.aliases)
            value = next((fields[name] for name in names if name in fields), column.default)
            yield column.name, _in_bytea(value) if column.sql_type == "bytea" else finite(value)


def _in_units(
    records: Iterable[DeliveredRecord], held: Collection[_VersionKey]
) -> Iterator[list[DeliveredRecord]]:
    """Give what is kept in units in which it can be merged: groups that wait together."""
    waiting: dict[tuple[str, int, str], list[DeliveredRecord]] = {}
    for record in records:
        topic = record.position.topic
        if record.group is None or (record.agency, record.key, record.version, topic) not in held:
            yield [record]
        else:
            place = (topic, record.position.partition, record.group.id)
            waiting.setdefault(place, []).append(record)
    for members in waiting.values():
        members.sort(key=lambda one: one.position.offset)
        begins = {at for at, one in enumerate(members) if one.group and one.group.index == 0}
        # Why from 0 too: the member that began the group may wait no more.
        for begin, end in pairwise(sorted({0, *begins, len(members)})):
            yield members[begin:end]


def _record_of(row: Mapping[str, Any], dataset: DatasetCode) -> DeliveredRecord:
    """Make a record of a kept version; values of its fields are as JSON has them."""
    operation: str = row["operation"]
    return DeliveredRecord(
        agency=AgencyCode(row["agency"]),
        dataset=dataset,
        key=row["key"],
        version=row["version"],
        operation=Presence(operation) if operation in _PRESENCES else Operation(operation),
        record_id=RecordId(row["record_id"]),
        supersedes=None if row["supersedes"] is None else RecordId(row["supersedes"]),
        event_time=row["event_time"],
        lane=Lane(row["lane"]),
        fields=row["fields"],
        position=Position(topic=row["topic"], partition=row["partition"], offset=row["offset"]),
        group=None
        if row["group_id"] is None
        else Group(id=row["group_id"], index=row["group_index"], size=row["group_size"]),
    )


def _row_of(record: DeliveredRecord, *, is_held: bool) -> dict[str, object]:
    group, place = record.group, record.position
    return {
        "agency": record.agency,
        "key": record.key,
        "version": record.version,
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
        "operation": record.operation.value,
        "record_id": record.record_id,
        "supersedes": record.supersedes,
        "event_time": record.event_time,
        "lane": record.lane.value,
        "group_id": None if group is None else group.id,
        "group_index": None if group is None else group.index,
        "group_size": None if group is None else group.size,
        "is_held": is_held,
        "fields": json.loads(_dumps(finite(dict(record.fields)))),
    }


def _version_key(row: Mapping[str, Any]) -> _VersionKey:
    return row["agency"], row["key"], row["version"], row["topic"]


def _columns_of(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Turn rows into columns, as `unnest` takes them."""
    return [list(column) for column in zip(*rows, strict=True)]


def _in_bytea(value: object) -> object:
    if isinstance(value, str):  # of a version that was kept as JSON
        value = base64.b64decode(value)
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value


def _dumps(value: object) -> str:
    return json.dumps(value, default=as_text)
