"""Trying records in quarantine against the catalogue of today, without moving them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from bus.catalogue.snapshot import Snapshot
from bus.enforce.judge import judge
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Accepted, Quarantined, Reason
from bus.quarantine.entry import QuarantineState
from bus.wire import topics
from bus.wire.release import ReleasedRecord
from bus.wire.signature import SignatureChecker


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEntry:
    """An open entry, ready to be released."""

    record: ReleasedRecord
    """As it would be sent; its attempt counts how often it was released before."""
    dataset: DatasetCode
    fund_decides: bool
    """Whether the fund refused it, which only the fund can do again."""
    state: QuarantineState
    """`open`, or `releasing` where a release was stopped in the middle."""
    group_id: str | None
    group_first: int | None
    """Offset of its group's first member."""

    @property
    def place(self) -> tuple[str, int, int]:
        """Topic, partition and offset of the inbound record."""
        return (self.record.topic, self.record.partition, self.record.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What enforcement would say today."""

    passing: tuple[WaitingEntry, ...]
    """In the order of their places."""
    refused: tuple[tuple[WaitingEntry, Reason], ...]
    """With the reason of today."""


def rehearse(
    entries: Sequence[WaitingEntry], snapshot: Snapshot, checker: SignatureChecker
) -> Rehearsal:
    """Judge entries as enforcement would when they were released.

    Args:
        entries: In any order; a correction group must be whole, else its members do not pass.
        snapshot: The catalogue in force.
        checker: Keeps known good roots between calls.
    """
    passing: list[WaitingEntry] = []
    refused: list[tuple[WaitingEntry, Reason]] = []
    in_order = sorted(entries, key=lambda entry: entry.place)
    for (topic, _), run in groupby(in_order, key=lambda entry: entry.place[:2]):
        tried = list(run)
        verdicts = judge(
            [one.record for one in tried],
            source=topics.parse_inbound(topic),
            snapshot=snapshot,
            checker=checker,
        )
        for entry, verdict in zip(tried, verdicts, strict=True):
            match verdict:
                case Accepted():
                    passing.append(entry)
                case Quarantined():
                    refused.append((entry, verdict.reason))
    return Rehearsal(passing=tuple(passing), refused=tuple(refused))
