"""A registry record: as it lies in a topic, and as the bus understands it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, NamedTuple, Protocol

from bus.model.identifiers import (
    AgencyCode,
    DatasetCode,
    KeyId,
    RecordId,
    SystemCode,
    ViewCode,
)

Headers = Sequence[tuple[str, bytes]]
"""Kafka headers in the order sent; a name may stand twice, which is a fault of the sender."""


class RawRecord(Protocol):
    """One record as a Kafka client hands it over; aiokafka's own record fits, so none is copied."""

    @property
    def topic(self) -> str:
        """Name of the topic it lies in."""

    @property
    def partition(self) -> int:
        """Partition, from 0."""

    @property
    def offset(self) -> int:
        """Offset in the partition, from 0; gaps are transaction markers or aborted records."""

    @property
    def timestamp(self) -> int:
        """Broker's LogAppendTime, milliseconds since 1970 UTC."""

    @property
    def key(self) -> bytes | None:
        """The agency's registry number in UTF-8, or None where the sender forgot it."""

    @property
    def value(self) -> bytes | None:
        """Framed Avro, or None, which the bus does not take for a deletion."""

    @property
    def headers(self) -> Headers:
        """Headers as sent."""


@unique
class Operation(StrEnum):
    """What a record does to its registry entry (ADR-0005)."""

    CREATE = "create"
    CORRECT = "correct"
    ANNUL = "annul"
    CEASE = "cease"


@unique
class Presence(StrEnum):
    """What a record of a standing view says of an entry; the bus alone writes it (ADR-0026)."""

    STANDS = "stands"
    """Its row is in the view, with this value in the place of any before."""
    LEFT = "left"
    """Its row was in the view and is no more: another value, an annulment, a cease."""


@unique
class Lane(StrEnum):
    """Whether a record tells news or loads history; delays are measured on live ones only."""

    LIVE = "live"
    BACKFILL = "backfill"


GROUP_RECORDS_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A record's place in a group whose members are taken together or not at all (ADR-0013)."""

    id: str
    """16 hexadecimal digits, chosen by the sender."""
    index: int
    """This member's place, from 0."""
    size: int
    """Members, 2 to `GROUP_RECORDS_MAX`."""

    def __str__(self) -> str:
        return f"{self.id}/{self.index}/{self.size}"


class BatchSignature(NamedTuple):
    """Content of header `bus_sig`: one leaf's place under a signed RFC 6962 root.

    A tuple for speed: one is made for each record, and a frozen dataclass takes four times as long
    to make.
    """

    key_id: KeyId
    tree_size: int
    """Leaves under the root, 1 to 256."""
    root_signature: bytes
    """Ed25519 over the domain-separated root, 64 bytes."""
    place: int
    """This record's leaf, from 0."""
    path: bytes
    """Sibling hashes from leaf to root, 32 bytes each."""


class Envelope(NamedTuple):
    """Headers of a record, parsed and consistent in themselves; a tuple for speed."""

    record_id: RecordId
    agency: AgencyCode
    system: SystemCode
    event_time: str
    """RFC 3339, UTC, as sent."""
    schema_id: int
    operation: Operation
    version: int
    """Per registry entry, later is higher, 1 to 2**63-1."""
    supersedes: RecordId | None
    lane: Lane
    resolves: str | None
    """Quarantine id (`topic/partition/offset`) that this record answers, or None."""
    group: Group | None = None
    """Its place in a correction group, or None where it stands for itself."""
    is_unreadable_row: bool = False
    """The value is no Avro but a row of the source of which none could be made (ADR-0028)."""
    traceparent: bytes | None = None
    """Its W3C trace context as sent, well-formed or not; or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRecord:
    """An accepted record as the fund and consumers merge it."""

    agency: AgencyCode
    dataset: DatasetCode
    key: str
    version: int
    operation: Operation
    record_id: RecordId
    supersedes: RecordId | None
    schema_id: int
    value: bytes
    """Framed Avro exactly as signed."""
    event_time: str
    lane: Lane
    system: SystemCode
    bus_in: str
    """`topic/partition/offset` of the inbound record this one came from."""
    catalogue: int
    """Version of the catalogue that judged it."""
    appended_ms: int
    """LogAppendTime in the accepted topic, milliseconds since 1970 UTC."""
    group: Group | None = None
    """Its place in a correction group, or None where it stands for itself."""
    traceparent: str | None = None
    """Its W3C trace context, or None where it has none, or comes from the fund."""

    @property
    def identity(self) -> tuple[AgencyCode, DatasetCode, str]:
        """The registry entry this record is a version of."""
        return (self.agency, self.dataset, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRow:
    """One record of a standing view: what stands of a registry entry there, or that it left."""

    view: ViewCode
    agency: AgencyCode
    dataset: DatasetCode
    key: str
    number: int
    """Of the entry's changes in this view, from 1, later is higher. Why not the version of the
    registry record: an annulment makes an earlier one current again."""
    presence: Presence
    record_id: RecordId
    """`bus.wire.record_id.row_id` of all that stands above; equal in every repeat."""
    schema_id: int
    """Of the view's value; where the row left, of the value that stood last."""
    value: bytes | None
    """Framed Avro as the view shows it; None where the row left."""
    event_time: str
    """With lane, system and `bus_in`: of the record that stands or, where the row left, of the one
    that stood last, for of the record that made it leave the agreement gives nothing."""
    lane: Lane
    system: SystemCode
    bus_in: str
    catalogue: int
    """Version of the catalogue that the fund served the view under."""
