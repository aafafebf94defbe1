"""One span: what a process of the bus, or of a client, did with one traced record. Pure.

Names and attributes are those of OpenTelemetry's conventions for messaging and databases, and
`bus.…` for what these have no word for. No value, key or name of a record is among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from hashlib import sha256
from typing import Final, TypeAlias

from bus.model.identifiers import DatasetCode, RecordId
from bus.model.record import RawRecord
from bus.wire.topics import Position
from bus.wire.trace_context import TraceContext

Attributes: TypeAlias = dict[str, str | int]
_WORK: Final = (
    "messaging.consumer.group.name",
    "messaging.destination.partition.id",
    "messaging.kafka.offset",
    "bus.record_id",
)
"""What tells one piece of work under a name from another."""
_ANONYMOUS: Final = 2
"""Without any of these: a request, which is told once."""


@unique
class Side(StrEnum):
    """OpenTelemetry's kind of a span."""

    SERVER = "server"
    PRODUCER = "producer"
    CONSUMER = "consumer"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Work of one process on one record."""

    context: TraceContext
    """That of the record's header; its parent is this span's, unless this span is that parent."""
    name: str
    side: Side
    begun_ns: int
    """Since 1970 UTC."""
    ended_ns: int
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    failed: str | None = None
    """Code of the reason why it came to no good end."""
    is_parent: bool = False
    """Whether the header names this very span."""

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits; equal for equal work on a record, which done twice shows once."""
        if self.is_parent:
            return self.context.parent_id
        told = [str(self.context), self.name]
        told += [str(self.attributes[name]) for name in _WORK if name in self.attributes]
        if len(told) == _ANONYMOUS:
            told.append(str(self.begun_ns))
        return sha256("\0".join(told).encode()).hexdigest()[:16]

    @property
    def inner(self) -> TraceContext:
        """What work within this one is told as its own context."""
        return self.context._replace(parent_id=self.span_id)

    @property
    def parent_id(self) -> str | None:
        """Of the span that this one is part of; None: it is a trace's first."""
        return None if self.is_parent else self.context.parent_id


def of_kafka(topic: str, partition: int) -> Attributes:
    """Give the attributes of where a record was written."""
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
    }


def read_by(place: Position | RawRecord, group: str | None) -> Attributes:
    """Give the attributes of where a record was read, and by which consumer group, if any."""
    read = of_kafka(place.topic, place.partition) | {"messaging.kafka.offset": place.offset}
    return read if group is None else read | {"messaging.consumer.group.name": group}


def of_record(record_id: RecordId | None, dataset: DatasetCode) -> Attributes:
    """Give the attributes that name the record; None: it is not known to be who it says it is."""
    named: Attributes = {"bus.dataset": dataset}
    return named if record_id is None else named | {"bus.record_id": record_id}
