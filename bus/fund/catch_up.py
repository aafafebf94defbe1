"""Telling a standing view what stands already when it comes into force, page by page.

Each page keeps every other writer off the dataset, so that what it tells and what arrives meanwhile
come in one order. What was told is noted, as everywhere: a page says only what is news, and doing
all of it again after a view was closed for a time says just what changed. Source: ADR-0026.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from bus.catalogue.snapshot import Projection, Snapshot
from bus.fund.deciding import take_alone
from bus.fund.entries import tables_of
from bus.fund.standing import QUERIES, tell_entries
from bus.model.identifiers import AgencyCode, ViewCode
from bus.model.record import Lane
from bus.postgres.session import Session, translated
from bus.texts import message

PAGE_ENTRIES: Final = 1_000


async def catch_up_page(
    session: Session,
    projection: Projection,
    snapshot: Snapshot,
    *,
    now_ms: int,
    entries_max: int = PAGE_ENTRIES,
) -> bool:
    """Go on with one page, if anything is left.

    Args:
        session: Without an open transaction.
        projection: A standing view. Every worker must know it by now: one that doesn't would not
            tell what it changes behind this.
        snapshot: The catalogue that it is of.
        now_ms: The present, milliseconds since 1970 UTC; nothing is told once the view is closed.
        entries_max: Of the page.

    Returns: Whether a further page may be left.

    Raises:
        Unavailable: PostgreSQL does not answer; what is noted is whole pages.
        InvariantBroken: The fund holds a value that this catalogue can't read.
    """
    if now_ms >= projection.closes_ms:
        return False
    begun = {"view": projection.view.code, "closes_ms": projection.closes_ms}
    async with translated(message("doing.fund.catch_up", view=projection.view.code)):
        await session.execute(QUERIES.get("begin_progress"), begun)
        if (await _progress(session, projection)).is_done:
            return False  # before anybody is kept off
        async with session.transaction():
            await take_alone(session, projection.view.dataset)
            reached = await _progress(session, projection)
            if reached.is_done:
                return False
            return await _tell_page(session, projection, snapshot, reached, entries_max)


async def forget_views(session: Session, known: Collection[ViewCode]) -> None:
    """Forget how far views came that the catalogue has no more; one that comes again begins anew.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with translated(message("doing.fund.catch_up", view=", ".join(known))):
        # Why asked: until this version's `bus catalogue apply` a fund of an earlier one lacks it.
        if (await session.execute(QUERIES.get("has_progress"))).rowcount:
            await session.execute(QUERIES.get("forget_progress"), {"views": list(known)})


class _Progress(NamedTuple):
    """How far a view is: entries up to this one are told."""

    agency: str
    key: str
    is_done: bool


async def _progress(session: Session, projection: Projection) -> _Progress:
    named = {"view": projection.view.code}
    (row,) = await (await session.execute(QUERIES.get("progress"), named)).fetchall()
    return _Progress(str(row[0]), str(row[1]), bool(row[2]))


async def _tell_page(
    session: Session,
    projection: Projection,
    snapshot: Snapshot,
    reached: _Progress,
    entries_max: int,
) -> bool:
    view, dataset = projection.view.code, projection.view.dataset
    named = {"view": view, "agency": reached.agency, "key": reached.key, "limit": entries_max}
    statement = QUERIES.get("next_entries", **tables_of(dataset))
    rows = await (await session.execute(statement, named)).fetchall()
    entries = [(AgencyCode(str(agency)), str(key)) for agency, key in rows]
    # Why: what stood before is history to its readers, however it came to the fund.
    await tell_entries(session, dataset, [(projection, entries)], snapshot, lane=Lane.BACKFILL)
    agency, key = entries[-1] if entries else (reached.agency, reached.key)
    is_last = len(entries) < entries_max
    moved = {"view": view, "agency": agency, "key": key, "is_done": is_last}
    await session.execute(QUERIES.get("move_progress"), moved)
    return not is_last
