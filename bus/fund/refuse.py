"""Refusing what only the fund can know to be wrong: into quarantine, and to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from bus.fund.batch import Arrival, Refusal
from bus.fund.copying import QUERIES
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.model.record import Headers
from bus.model.verdict import Reason
from bus.postgres.session import Session
from bus.quarantine.entry import QuarantineEntry
from bus.quarantine.rows import insert_entries
from bus.wire.headers import ADDED_TO_ACCEPTED
from bus.wire.topics import parse_position

_ADDED: Final = ADDED_TO_ACCEPTED
_PATHS: Final = {
    Reason.CONFLICTING_VERSION: "bus_version",
    Reason.UNKNOWN_PREDECESSOR: "bus_supersedes",
    Reason.GROUP_REFUSED: "bus_group",
    Reason.ENTRY_ERASED: "ce_id",
}
"""Every reason of `FUND_REASONS`, with the header concerned."""
_ATTEMPT: Final = _ADDED[-1]


async def refuse(session: Session, arrivals: Sequence[Arrival], reason: Reason) -> list[Arrival]:
    """Set accepted records aside, within the caller's transaction.

    Returns:
        Those that were not in quarantine yet, or were released from it; the others came twice,
        for enforcement delivers at least once, and are repeats.
    """
    entries = {arrival.position: _entry(arrival, reason) for arrival in arrivals}
    written = set(await insert_entries(session, list(entries.values())))
    refused = []
    for arrival in arrivals:
        quarantine_id = entries[arrival.position].id
        if quarantine_id in written:
            written.remove(quarantine_id)
            refused.append(arrival)
    if refused:
        await session.execute(QUERIES.get("add_refusals"), _named(refused, reason))
    return refused


async def untold(session: Session, limit: int) -> tuple[Refusal, ...]:
    """Read refusals that were not told yet, oldest first."""
    rows = await (await session.execute(QUERIES.get("untold"), {"limit": limit})).fetchall()
    return tuple(
        Refusal(
            number=cast("int", number),
            quarantine_id=str(quarantine_id),
            agency=AgencyCode(str(agency)),
            dataset=DatasetCode(str(dataset)),
            reason=Reason(str(reason)),
            record_id=RecordId(str(record_id)),
            catalogue=cast("int", catalogue),
        )
        for number, quarantine_id, agency, dataset, reason, record_id, catalogue in rows
    )


def _entry(arrival: Arrival, reason: Reason) -> QuarantineEntry:
    record = arrival.record
    place = parse_position(record.bus_in)
    original, attempt = _taken_apart(arrival.headers)
    return QuarantineEntry(
        topic=place.topic,
        partition=place.partition,
        offset=place.offset,
        agency=record.agency,
        dataset=record.dataset,
        reason=reason,
        path=_PATHS[reason],
        violations=(),
        catalogue=record.catalogue,
        record_id=record.record_id,
        key=record.key.encode(),
        headers=original,
        value=record.value,
        appended_ms=record.appended_ms,
        attempt=attempt,
        refused_by_fund=True,
    )


def _taken_apart(headers: Headers) -> tuple[Headers, int]:
    """Take off what enforcement put behind the provider's headers; tell the attempt among it."""
    if not headers:
        return headers, 0
    name, value = headers[-1]
    attempt = int(value) if name == _ATTEMPT else 0
    added = _ADDED if attempt else _ADDED[:-1]
    is_delivered = tuple(name for name, _ in headers[-len(added) :]) == added
    return (headers[: -len(added)] if is_delivered else headers), attempt


def _named(refused: Sequence[Arrival], reason: Reason) -> dict[str, object]:
    records = [arrival.record for arrival in refused]
    return {
        "quarantine_ids": [record.bus_in for record in records],
        "agencies": [record.agency for record in records],
        "datasets": [record.dataset for record in records],
        "reasons": [reason.value for _ in records],
        "record_ids": [record.record_id for record in records],
        "catalogues": [record.catalogue for record in records],
        "topics": [arrival.topic for arrival in refused],
        "partitions": [arrival.partition for arrival in refused],
        "offsets": [arrival.offset for arrival in refused],
    }
