"""The conservation law of one partition. Pure.

    inbound    up to the committed offset:  records = accepted or quarantined, each of them
    release    up to the committed offset:  the same, of that attempt
    accepted   up to the fund's position:   records = history + repeats + refused + held
    quarantine up to the table's position:  each distinct record has its row

An offset without a record is a transaction marker or belongs to an aborted transaction.
Source: design of the bus, ADR-0005.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_RECORD: Final = 1
_ACCEPTED: Final = 2
_QUARANTINED: Final = 4
_RELEASED: Final = 8
_VALUES: Final = 16


class InboundMarks:
    """What became of each offset of one inbound partition; one byte an offset."""

    def __init__(self, *, begin: int, committed: int) -> None:
        """Cover the offsets from `begin` (included) to `committed` (excluded)."""
        self.begin = begin
        self._marks = bytearray(max(0, committed - begin))

    def record(self, offset: int) -> None:
        """Note that a record lies at an offset; offsets outside the range are passed over."""
        self._mark(offset, _RECORD)

    def accepted(self, offset: int) -> None:
        """Note that an accepted record names this offset as its origin."""
        self._mark(offset, _ACCEPTED)

    def quarantined(self, offset: int) -> None:
        """Note that a quarantined record names this offset as its origin."""
        self._mark(offset, _QUARANTINED)

    def released(self, offset: int) -> None:
        """Note that it was accepted only after a release from quarantine."""
        self._mark(offset, _RELEASED)

    def _mark(self, offset: int, mark: int) -> None:
        place = offset - self.begin
        if 0 <= place < len(self._marks):
            self._marks[place] |= mark

    def count(self, *, has: int, lacks: int) -> int:
        """Count offsets that have all of some marks and none of others."""
        return sum(
            self._marks.count(value)
            for value in range(_VALUES)
            if value & has == has and not value & lacks
        )

    def first(self, value: int) -> int | None:
        """Find the first offset with exactly these marks."""
        place = self._marks.find(value)
        return None if place < 0 else self.begin + place


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundLaw:
    """One inbound partition, up to the enforce group's committed offset."""

    topic: str
    partition: int
    begin: int
    committed: int
    records: int
    accepted: int
    """Distinct origins of accepted records; one in both counts here, as accepted wins."""
    released: int
    """Of the accepted ones, those that were in quarantine first and were released."""
    quarantined: int
    lost: int
    """Records with no outcome."""
    invented: int
    """Outcomes whose origin is no record."""
    first_lost: int | None
    removed: int
    """Offsets that the log lost before they were judged: its beginning lies above the commit."""
    lag: int
    """Offsets behind the commit, not judged yet."""

    @property
    def holds(self) -> bool:
        """Whether every record has an outcome, and every outcome a record."""
        return self.lost == self.invented == self.removed == 0


def inbound_law(
    topic: str, partition: int, marks: InboundMarks, *, committed: int, end: int
) -> InboundLaw:
    """Draw up the account of one inbound partition whose log ends at `end`."""
    return InboundLaw(
        topic=topic,
        partition=partition,
        begin=marks.begin,
        committed=committed,
        records=marks.count(has=_RECORD, lacks=0),
        accepted=marks.count(has=_RECORD | _ACCEPTED, lacks=0),
        released=marks.count(has=_RECORD | _ACCEPTED | _RELEASED, lacks=0),
        quarantined=marks.count(has=_RECORD | _QUARANTINED, lacks=_ACCEPTED),
        lost=marks.count(has=_RECORD, lacks=_ACCEPTED | _QUARANTINED),
        invented=marks.count(has=_ACCEPTED, lacks=_RECORD)
        + marks.count(has=_QUARANTINED, lacks=_RECORD | _ACCEPTED),
        first_lost=marks.first(_RECORD),
        removed=max(0, marks.begin - committed),
        lag=max(0, end - max(committed, marks.begin)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLaw:
    """One release partition, up to the enforce group's committed offset."""

    topic: str
    partition: int
    committed: int
    releases: int
    """Distinct ones: a release that was stopped may have sent a record twice."""
    accepted: int
    """Of them, those that were accepted; one that was refused as well counts here."""
    lost: int
    """Of them, those with no outcome."""
    lag: int
    """Offsets behind the commit, not judged yet."""

    @property
    def holds(self) -> bool:
        """Whether every release has an outcome."""
        return self.lost == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedLaw:
    """One accepted partition, up to the fund's position."""

    topic: str
    partition: int
    position: int
    records: int
    """Counted in the topic."""
    history: int
    """Counted in the fund's rows, as are the next two."""
    refused: int
    held: int
    repeats: int
    """As the fund counted them; a repeat leaves no row."""
    kept_records: int
    """As the fund counted them when it passed them."""
    is_whole: bool
    """Whether the topic still holds all that the fund has passed."""
    lag: int
    """Offsets behind the fund's position; all of them where it has none yet."""

    @property
    def holds(self) -> bool:
        """Whether topic, rows and counters agree; of a log cut short, rows and counters."""
        accounted = self.history + self.repeats + self.refused + self.held
        seen = (
            self.records == self.kept_records
            if self.is_whole
            else self.records <= self.kept_records
        )
        return seen and self.kept_records == accounted


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineLaw:
    """All quarantine partitions of one agency, up to the table's positions."""

    topic: str
    distinct: int
    """Origins named by the topic's records."""
    missing: int
    """Origins that have no row."""
    lag: int
    """Offsets behind the table's positions."""

    @property
    def holds(self) -> bool:
        """Whether every quarantined record has its row."""
        return self.missing == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The whole law."""

    inbound: tuple[InboundLaw, ...]
    releases: tuple[ReleaseLaw, ...]
    accepted: tuple[AcceptedLaw, ...]
    quarantine: tuple[QuarantineLaw, ...]
    accepted_ids: int
    """Distinct record ids below the fund's positions."""
    lost_in_fund: int
    """Accepted record ids that are neither in history nor held nor refused."""
    doubled_in_fund: int
    """Record ids that stand in history more than once."""

    @property
    def holds(self) -> bool:
        """Whether nothing is lost and nothing doubled."""
        laws: Iterable[InboundLaw | ReleaseLaw | AcceptedLaw | QuarantineLaw] = (
            *self.inbound,
            *self.releases,
            *self.accepted,
            *self.quarantine,
        )
        return self.lost_in_fund == self.doubled_in_fund == 0 and all(law.holds for law in laws)
