"""Resubmissions: records of the fund that name the quarantined record which they resolve.

The fund notes them in its own transaction; the entry is closed by the clock, for the row may come
later than what resolves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bus.model.identifiers import RecordId
from bus.postgres.queries import Queries
from bus.postgres.session import Session
from bus.wire.topics import Position

QUERIES: Final = Queries.load("bus.quarantine", "decisions")
_INT4_END: Final = 2**31
_INT8_END: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A record of the fund, and the entry that it resolves."""

    place: Position
    """The resolved entry's."""
    record_id: RecordId
    bus_in: str
    """Place of the resolving record in its inbound topic."""
    appended_ms: int
    """When it was accepted, in milliseconds since 1970 UTC."""


async def note_resolutions(session: Session, resolutions: Sequence[Resolution]) -> None:
    """Note resolutions within the caller's transaction; of several to one entry the latest counts.

    So that one which came before the entry, and resolves nothing, does not keep out one that does.
    A place that no record can have resolves nothing.
    """
    latest = {one.place: one for one in sorted(resolutions, key=lambda one: one.appended_ms)}
    real = [
        latest[place]
        for place in sorted(latest, key=str)  # in one order, for another worker may do the same
        if 0 <= place.partition < _INT4_END and 0 <= place.offset < _INT8_END
    ]
    if not real:
        return
    named = {
        "topics": [one.place.topic for one in real],
        "partitions": [one.place.partition for one in real],
        "offsets": [one.place.offset for one in real],
        "record_ids": [one.record_id for one in real],
        "bus_ins": [one.bus_in for one in real],
        "appended_ms": [one.appended_ms for one in real],
    }
    await session.execute(QUERIES.get("note_resolutions"), named)
