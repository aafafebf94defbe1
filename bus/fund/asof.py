"""What the fund had recorded by a moment, and what was true at a moment by what it has recorded.

Two times, asked for alone or together. *Recorded*: versions that the fund had by then, whatever
came later. *Valid*: of these, what was true at the moment: the highest version that is not annulled
and whose event time had come; an annulment says that a version never was true, at no time.

An answer never changes: a transaction that writes history takes its time only after it has locked
its positions, and a question waits for those that held such a lock when it was asked.
Source: ADR-0013.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, cast

from bus.errors import Unavailable
from bus.fund.entries import tables_of
from bus.fund.layout import DatasetLayout
from bus.merge import Version, standing
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.model.record import Operation
from bus.postgres.queries import Queries
from bus.postgres.session import Session
from bus.texts import message

QUERIES: Final = Queries.load("bus.fund", "asof")
ROWS_MAX: Final = 1_000
"""Entries of one page."""
WRITERS_TIMEOUT_S: Final = 20.0
"""A frozen writer is ended by PostgreSQL before that."""
_WRITERS_AGAIN_S: Final = 0.02
_ROWS_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """A question about one dataset."""

    recorded: datetime | None = None
    """Aware; versions that the fund recorded later play no part. None: all that can be read."""
    valid: datetime | None = None
    """Aware; versions whose event time is later are not true yet. None: the newest ones count."""
    agency: AgencyCode | None = None
    key: str | None = None
    after: tuple[str, str] = ("", "")
    """Agency and key that the page begins behind."""
    limit: int = ROWS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOfRow:
    """What stood of one entry."""

    agency: AgencyCode
    key: str
    version: int
    record_id: RecordId
    operation: Operation
    event_time: datetime
    ceased_at: datetime | None
    """Event time of the cease in force; None: the entry was alive."""
    recorded_at: datetime
    values: Mapping[str, object] = field(repr=False)
    """Field of the newest schema → value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOfPage:
    """Entries in the order of agency and key."""

    rows: tuple[AsOfRow, ...]
    next_after: tuple[str, str] | None
    """Where the next page begins; None: this is the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOfCount:
    """How many entries stood."""

    alive: int
    ceased: int
    versions: int
    """Recorded by then, those that did not stand among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stood:
    agency: str
    key: str
    row: Version
    event_time: datetime
    ceased_at: datetime | None


@dataclass(slots=True)
class _Entry:
    """Versions of one entry, while they are read."""

    versions: dict[int, Version] = field(default_factory=dict)
    event_times: dict[int, datetime] = field(default_factory=dict)

    def stood(self, name: tuple[str, str], valid: datetime | None) -> _Stood | None:
        """Decide what stands of it; None where nothing does."""
        begun = frozenset(
            version for version, at in self.event_times.items() if valid is None or at <= valid
        )
        current, ceased_by = standing(self.versions, begun)
        if current is None:
            return None
        return _Stood(
            agency=name[0],
            key=name[1],
            row=self.versions[current],
            event_time=self.event_times[current],
            ceased_at=None if ceased_by is None else self.event_times[ceased_by],
        )


async def settled_at(session: Session) -> datetime:
    """Give the present by the fund's clock, once everything recorded until then can be read.

    Raises:
        Unavailable: A writer of then is still at work after 20 s.
    """
    (moment,) = await _only(session, "clock")
    waited_for = await _writers(session)
    waited_s = 0.0
    while waited_for:
        if waited_s > WRITERS_TIMEOUT_S:
            raise Unavailable(
                message(
                    "error.fund.writers_at_work", count=len(waited_for), wait_s=WRITERS_TIMEOUT_S
                )
            )
        await asyncio.sleep(_WRITERS_AGAIN_S)
        waited_s += _WRITERS_AGAIN_S
        waited_for &= await _writers(session)
    return cast("datetime", moment)


async def page_as_of(session: Session, layout: DatasetLayout, question: AsOf) -> AsOfPage:
    """Read what stood of entries, one page of at most `limit`."""
    found: list[_Stood] = []
    next_after = None
    async with session.transaction():
        await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        async for stood, _ in _entries(session, layout.dataset, question):
            if stood is None:
                continue
            if len(found) == question.limit:
                next_after = (found[-1].agency, found[-1].key)
                break
            found.append(stood)
        rows = await _with_values(session, layout, found)
    return AsOfPage(rows=tuple(rows), next_after=next_after)


async def count_as_of(session: Session, layout: DatasetLayout, question: AsOf) -> AsOfCount:
    """Count what stood, by reading every version; the page's limit plays no part."""
    alive = ceased = versions = 0
    async with session.transaction():
        await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        async for stood, count in _entries(session, layout.dataset, question):
            versions += count
            if stood is not None:
                alive += stood.ceased_at is None
                ceased += stood.ceased_at is not None
    return AsOfCount(alive=alive, ceased=ceased, versions=versions)


async def _entries(
    session: Session, dataset: DatasetCode, question: AsOf
) -> AsyncIterator[tuple[_Stood | None, int]]:
    """Read entry by entry what stood of it, and the number of its versions."""
    named = {
        "recorded": question.recorded,
        "agency": question.agency,
        "key": question.key,
        "after_agency": question.after[0],
        "after_key": question.after[1],
    }
    name: tuple[str, str] | None = None
    entry = _Entry()
    async with session.cursor(name="as_of") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        await cursor.execute(QUERIES.get("versions", **tables_of(dataset)), named)
        async for agency, key, *columns in cursor:
            of = (str(agency), str(key))
            if of != name:
                if name is not None:
                    yield entry.stood(name, question.valid), len(entry.versions)
                name, entry = of, _Entry()
            row = _version(columns)
            entry.versions[row.version] = row
            entry.event_times[row.version] = cast("datetime", columns[4])
    if name is not None:
        yield entry.stood(name, question.valid), len(entry.versions)


def _version(columns: Sequence[object]) -> Version:
    version, record_id, operation, supersedes, _ = columns
    return Version(
        version=cast("int", version),
        record_id=cast("RecordId", record_id),
        operation=Operation(str(operation)),
        supersedes=cast("RecordId | None", supersedes),
        content=b"",
    )


async def _with_values(
    session: Session, layout: DatasetLayout, found: Sequence[_Stood]
) -> list[AsOfRow]:
    """Read and decode the values of versions, each by the schema that it names."""
    named = {
        "agencies": [one.agency for one in found],
        "keys": [one.key for one in found],
        "versions": [one.row.version for one in found],
    }
    read = await session.execute(QUERIES.get("values", **tables_of(layout.dataset)), named)
    values = {(agency, key): rest for agency, key, *rest in await read.fetchall()}
    names = [column.name for column in layout.columns]
    rows = []
    for one in found:
        schema_id, value, recorded_at = values[one.agency, one.key]
        typed = layout.typed_row(cast("int", schema_id), cast("bytes", value))
        rows.append(
            AsOfRow(
                agency=AgencyCode(one.agency),
                key=one.key,
                version=one.row.version,
                record_id=one.row.record_id,
                operation=one.row.operation,
                event_time=one.event_time,
                ceased_at=one.ceased_at,
                recorded_at=cast("datetime", recorded_at),
                values=MappingProxyType(dict(zip(names, typed, strict=True))),
            )
        )
    return rows


async def _writers(session: Session) -> set[str]:
    """Name the transactions that have locked positions."""
    rows = await session.execute(QUERIES.get("writers"))
    return {str(transaction) for (transaction,) in await rows.fetchall()}


async def _only(session: Session, name: str) -> tuple[object, ...]:
    (row,) = await (await session.execute(QUERIES.get(name))).fetchall()
    return row
