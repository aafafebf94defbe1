"""A record in quarantine, as it is kept and as it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique

from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.model.record import Headers
from bus.model.verdict import Reason, Violation


@unique
class QuarantineState(StrEnum):
    """What has become of a record in quarantine."""

    OPEN = "open"
    RELEASING = "releasing"
    """Being released; where the command was stopped, the next one sends the record again."""
    RELEASED = "released"
    """Its original bytes re-entered after a rule was mended; refused again, it is open again."""
    RESOLVED = "resolved"
    """The provider sent a new record that names it."""
    DISCARDED = "discarded"
    """Two persons decided that it is not needed; the bytes stay until its entry is erased."""
    SUPERSEDED = "superseded"
    """The same inbound record was accepted as well, in a crash during a catalogue swap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEntry:
    """One record set aside, with the original bytes that a release sends again.

    Its place is that of the inbound record (header `bus_in`), so a record that enforcement sets
    aside twice is one entry.
    """

    topic: str
    partition: int
    offset: int
    agency: AgencyCode
    dataset: DatasetCode
    reason: Reason
    path: str
    """Header or field concerned, or the empty string; never a value."""
    violations: tuple[Violation, ...]
    catalogue: int
    """Version of the catalogue that judged it."""
    record_id: RecordId | None
    """What the record says of itself; None where that header has no such form."""
    key: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)
    """The provider's, in their order, without those that the bus added."""
    value: bytes | None = field(repr=False)
    appended_ms: int
    """LogAppendTime of the inbound record, milliseconds since 1970 UTC; of one that the fund
    refused that of the accepted record."""
    attempt: int = 0
    """How often it had been released when it was set aside."""
    refused_by_fund: bool = False
    """Accepted by enforcement, and refused by what only the fund knows."""

    @property
    def id(self) -> str:
        """The quarantine id, which a resubmission names: `topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"
