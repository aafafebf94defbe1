"""Which quarantined records a batch resolves: resubmissions that joined the history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from bus.fund.batch import Arrival
from bus.fund.copying import QUERIES, named_versions
from bus.fund.stored import WaitingVersion
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.postgres.session import Session
from bus.quarantine.resolutions import Resolution
from bus.wire import topics
from bus.wire.topics import parse_position


def resolutions_of(joined: Iterable[Arrival]) -> list[Resolution]:
    """Read header `bus_resolves` of records that joined the history.

    A record resolves only for its own agency and dataset, and for what came before it. The key may
    be another one: it may have been what was wrong.
    """
    resolutions = (
        _resolution(
            value,
            agency=arrival.record.agency,
            dataset=arrival.record.dataset,
            record_id=arrival.record.record_id,
            bus_in=arrival.record.bus_in,
            appended_ms=arrival.record.appended_ms,
        )
        for arrival in joined
        for name, value in arrival.headers
        if name == "bus_resolves"
    )
    return [one for one in resolutions if one is not None]


async def resolutions_of_held(
    session: Session, dataset: DatasetCode, joining: Sequence[WaitingVersion]
) -> list[Resolution]:
    """Read the same of held records that are about to join, within the caller's transaction."""
    if not joining:
        return []
    named = named_versions((*one.entry, one.version) for one in joining)
    rows = await session.execute(QUERIES.get("held_resolutions"), {**named, "dataset": dataset})
    resolutions = [
        _resolution(
            cast("bytes", header),
            agency=cast("AgencyCode", agency),
            dataset=dataset,
            record_id=cast("RecordId", record_id),
            bus_in=cast("str", bus_in),
            appended_ms=cast("int", appended_ms),
        )
        for agency, record_id, bus_in, appended_ms, header in await rows.fetchall()
    ]
    return [one for one in resolutions if one is not None]


def _resolution(
    header: bytes,
    *,
    agency: AgencyCode,
    dataset: DatasetCode,
    record_id: RecordId,
    bus_in: str,
    appended_ms: int,
) -> Resolution | None:
    place = parse_position(header.decode())  # enforcement lets no other form through
    if place.topic != topics.inbound(agency, dataset):
        return None
    own = parse_position(bus_in)
    if (own.topic, own.partition) == (place.topic, place.partition) and own.offset <= place.offset:
        return None  # nobody can have seen the refusal of what comes later
    return Resolution(place=place, record_id=record_id, bus_in=bus_in, appended_ms=appended_ms)
