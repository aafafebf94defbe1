"""A record as a consumer's system receives it, and as a line of JSON. Pure."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.model.record import Group, Lane, Operation, Presence
from bus.wire.topics import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredRecord:
    """One accepted registry record; its provenance was proved before it is handed over."""

    agency: AgencyCode
    """The provider."""
    dataset: DatasetCode
    key: str
    """The provider's registry number."""
    version: int
    """Of the registry entry, later is higher; it may arrive after a higher one. Of a standing view
    the number of the entry's change in it."""
    operation: Operation | Presence
    """What was done to the entry or, of a standing view, whether its row is in it (ADR-0026)."""
    record_id: RecordId
    supersedes: RecordId | None
    event_time: str
    """RFC 3339, UTC."""
    lane: Lane
    fields: Mapping[str, object]
    """Values by field, as Python knows them: date, datetime, Decimal, UUID…; none where the row
    left a standing view."""
    position: Position
    """Place in the topic it was read from; of a first load, in the accepted topic."""
    group: Group | None = None
    """Its place in a group that is taken together (`Subscriber.groups`); None: it stands alone."""
    traceparent: str | None = None
    """W3C trace context of a traced record, for a consumer that goes on with the trace."""

    @property
    def ends_unit(self) -> bool:
        """Whether nothing follows that has to be taken together with it."""
        return self.group is None or self.group.index == self.group.size - 1


Partition: TypeAlias = tuple[str, int]
"""Topic and number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredBatch:
    """What was at hand at one time, and from where reading goes on behind it."""

    units: Sequence[Sequence[DeliveredRecord]]
    """Members of a group together, every other record alone, in the order of their partition."""
    behind: Mapping[Partition, int]
    """Offset of the next record, for each partition that moved; none within a first load."""
    load: str | None = None
    """How far the first load is behind this batch, to be kept with it; None: no farther."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptState:
    """What a consumer keeps itself of a subscription, in one transaction with what it makes of it.

    That is the latest of what batches gave it; nothing at all at first.
    """

    positions: Mapping[Partition, int]
    load: str | None


Kept: TypeAlias = Callable[[], Awaitable[KeptState]]
"""Tells it; asked for when a subscription is opened, and when partitions are assigned."""


def in_units(records: Sequence[DeliveredRecord]) -> Sequence[Sequence[DeliveredRecord]]:
    """Put together what is to be taken together; members of a group follow each other."""
    found: list[list[DeliveredRecord]] = []
    is_open = False
    for record in records:
        if is_open:
            found[-1].append(record)
        else:
            found.append([record])
        is_open = not record.ends_unit
    return found


def json_line(record: DeliveredRecord) -> str:
    """Write a record as one line of JSON, without a line break.

    Days and moments are written as ISO 8601 says (moments with a time zone in UTC, with `Z`),
    decimals as strings that keep every digit, UUIDs as their text, bytes in base64.
    """
    return json.dumps(
        finite(content_of(record)), ensure_ascii=False, separators=(",", ":"), default=as_text
    )


def finite(value: object) -> object:
    """Write numbers that JSON has none of as the text `NaN`, `Infinity`, `-Infinity`."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
        case Mapping():
            return {name: finite(one) for name, one in value.items()}
        case list() | tuple():
            return [finite(one) for one in value]
        case _:
            return value


def content_of(record: DeliveredRecord) -> dict[str, object]:
    """Give a record's members as `json_line` writes them; values of fields still as Python's."""
    return {
        "agency": record.agency,
        "dataset": record.dataset,
        "key": record.key,
        "version": record.version,
        "operation": record.operation.value,
        "record_id": record.record_id,
        "supersedes": record.supersedes,
        "event_time": record.event_time,
        "lane": record.lane.value,
        "fields": dict(record.fields),
        "position": str(record.position),
        "group": None if record.group is None else str(record.group),
    }


def as_text(value: object) -> str:
    """Write a value that JSON does not know; see `json_line`."""
    match value:
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case UUID():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case _:
            raise TypeError(f"Avro has no value of type {type(value).__name__}")
