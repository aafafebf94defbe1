"""Standing views in the fund's transaction: what changed is told in it, or not at all.

Told means: noted as told, and put into the outbox, whence `bus.fund.outbox` sends it. A dataset
without standing views costs nothing here. Source: ADR-0026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, cast

from bus.catalogue.snapshot import Projection, Snapshot
from bus.fund.batch import Arrival
from bus.fund.change import Standing
from bus.fund.entries import tables_of
from bus.fund.rows import EntryMoved
from bus.fund.stored import EntryKey
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode, ViewCode
from bus.model.record import Lane
from bus.postgres.queries import Queries
from bus.postgres.session import Session
from bus.route.standing import CurrentRow, Origin, Told, ToldRow, tell
from bus.wire.header_forms import as_sent

QUERIES: Final = Queries.load("bus.fund", "standing")


async def create_standing(session: Session) -> None:
    """Create the tables of standing views where they are missing."""
    await session.execute(QUERIES.get("tables"))


async def tell_changes(
    session: Session,
    dataset: DatasetCode,
    standings: Sequence[Standing],
    arrivals: Sequence[Arrival],
    snapshot: Snapshot,
) -> None:
    """Tell a dataset's standing views what a batch changed; current rows are written already.

    Args:
        session: In the transaction that wrote them.
        dataset: Of all of it.
        standings: Entries whose current row changed.
        arrivals: What changed it.
        snapshot: The catalogue to serve under.

    Raises:
        EntryMoved: Another session told the same; the transaction is to be tried again.
        InvariantBroken: The fund holds a value that this catalogue can't read.
    """
    chosen = changed_entries(standings, arrivals, snapshot.standing[dataset])
    await tell_entries(session, dataset, chosen, snapshot)


def changed_entries(
    standings: Sequence[Standing], arrivals: Sequence[Arrival], views: Sequence[Projection]
) -> list[tuple[Projection, list[EntryKey]]]:
    """Choose what each view is to look at: what changed before its close.

    What came later is not told, however late a backlog is worked off: it counts by the time at
    which the accepted topic got an entry's last record. Source: ADR-0008.

    Args: as `tell_changes`; all views are of the dataset.
    """
    latest_ms = max(arrival.record.appended_ms for arrival in arrivals)
    came_ms: dict[EntryKey, int] = {}
    for arrival in arrivals:
        entry = (arrival.record.agency, arrival.record.key)
        came_ms[entry] = max(arrival.record.appended_ms, came_ms.get(entry, 0))
    # Without a record of its own an entry changed by a member of its group that came for another.
    entries = [(one.entry, came_ms.get(one.entry, latest_ms)) for one in standings]
    return [(view, [entry for entry, ms in entries if ms < view.closes_ms]) for view in views]


async def tell_entries(
    session: Session,
    dataset: DatasetCode,
    chosen: Sequence[tuple[Projection, Sequence[EntryKey]]],
    snapshot: Snapshot,
    *,
    lane: Lane | None = None,
) -> None:
    """Tell standing views what stands of some entries, where that is news to them.

    Args:
        session: In a transaction that keeps other writers off these entries.
        dataset: Of all of it.
        chosen: Views, each with the entries to look at, in the order in which they are told.
        snapshot: The catalogue to serve under.
        lane: Of what is told; None: of the records that it comes from.

    Raises: as `tell_changes`.
    """
    entries = list(dict.fromkeys(entry for _, of_view in chosen for entry in of_view))
    if not entries:
        return
    current = await _current_rows(session, dataset, entries)
    before = await _told_rows(session, [view for view, _ in chosen], entries)
    told = [
        news
        for view, of_view in chosen
        for entry in of_view
        for news in [
            tell(
                entry,
                before.get((view.view.code, *entry)),
                current.get(entry),
                projection=view,
                snapshot=snapshot,
            )
        ]
        if news is not None
    ]
    if told:
        await _note(session, dataset, told, snapshot.version, lane)


async def _current_rows(
    session: Session, dataset: DatasetCode, entries: Sequence[EntryKey]
) -> dict[EntryKey, CurrentRow]:
    async with session.cursor(binary=True) as cursor:
        await cursor.execute(QUERIES.get("current_rows", **tables_of(dataset)), _columns(entries))
        return {(row.agency, row.key): row for row in map(_current_row, await cursor.fetchall())}


async def _told_rows(
    session: Session, views: Sequence[Projection], entries: Sequence[EntryKey]
) -> Mapping[tuple[ViewCode, AgencyCode, str], ToldRow]:
    named = {**_columns(entries), "views": [view.view.code for view in views]}
    async with session.cursor(binary=True) as cursor:
        await cursor.execute(QUERIES.get("told_rows"), named)
        return dict(map(_told_row, await cursor.fetchall()))


async def _note(
    session: Session,
    dataset: DatasetCode,
    told: Sequence[Told],
    catalogue: int,
    lane: Lane | None,
) -> None:
    records, rows = [one.record for one in told], [one.row for one in told]
    named = {
        "views": [one.view for one in records],
        "agencies": [one.agency for one in records],
        "keys": [one.key for one in records],
        "numbers": [one.number for one in records],
        "schema_ids": [one.schema_id for one in records],
        "event_times": [one.event_time for one in records],
        "lanes": [one.lane for one in records],
        "systems": [one.system for one in records],
        "bus_ins": [one.bus_in for one in records],
        "partitions": [one.partition for one in rows],
    }
    versions = [one.version for one in rows]
    noted = await session.execute(QUERIES.get("note_told"), {**named, "versions": versions})
    if noted.rowcount != len(told):
        raise EntryMoved(
            f"standing views of {dataset}: {noted.rowcount} of {len(told)} rows are as this "
            "transaction read them; another session told the same entries. Nothing is written; "
            "start again."
        )
    news = {
        "dataset": dataset,
        "catalogue": catalogue,
        "presences": [one.presence for one in records],
        "values": [one.value for one in records],
        "lanes": [lane or one.lane for one in records],
    }
    await session.execute(QUERIES.get("add_to_outbox"), {**named, **news})


def _current_row(row: Sequence[object]) -> CurrentRow:
    agency, key, version, is_ceased, schema_id, value, event_time, *rest = row
    lane, system, bus_in, partition = rest
    return CurrentRow(
        agency=AgencyCode(str(agency)),
        key=str(key),
        version=cast("int", version),
        is_ceased=bool(is_ceased),
        schema_id=cast("int", schema_id),
        value=cast("bytes", value),
        origin=Origin(
            event_time=as_sent(cast("datetime", event_time)),
            lane=Lane(str(lane)),
            system=SystemCode(str(system)),
            bus_in=str(bus_in),
        ),
        partition=cast("int", partition),
    )


def _told_row(row: Sequence[object]) -> tuple[tuple[ViewCode, AgencyCode, str], ToldRow]:
    view, agency, key, number, version, schema_id, event_time, lane, system, bus_in, partition = row
    told = ToldRow(
        number=cast("int", number),
        version=cast("int | None", version),
        schema_id=cast("int", schema_id),
        origin=Origin(
            event_time=str(event_time),
            lane=Lane(str(lane)),
            system=SystemCode(str(system)),
            bus_in=str(bus_in),
        ),
        partition=cast("int", partition),
    )
    return (ViewCode(str(view)), AgencyCode(str(agency)), str(key)), told


def _columns(entries: Sequence[EntryKey]) -> dict[str, object]:
    return {"agencies": [agency for agency, _ in entries], "keys": [key for _, key in entries]}
