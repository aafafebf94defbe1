"""What the fund is given, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bus.merge import Outcome
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.model.record import Headers, RegistryRecord
from bus.model.verdict import Reason
from bus.postgres.positions import Span, TopicPartition

FUND_CONSUMER: Final = "fund"
"""Whose positions in `bus.positions` are the fund's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundRecord:
    """One accepted record at its offset in the accepted topic."""

    offset: int
    record: RegistryRecord
    headers: Headers = field(default=(), repr=False)
    """As they lie in the accepted topic; kept only with a record that is held or refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundBatch:
    """A run of one accepted partition, [start, end); offsets without a record are markers."""

    topic: str
    partition: int
    start: int
    end: int
    records: Sequence[FundRecord]

    @property
    def span(self) -> Span:
        """The offsets that it passes over."""
        return Span(topic=self.topic, partition=self.partition, start=self.start, end=self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An accepted record with its whole place, fresh from the topic or held since."""

    topic: str
    partition: int
    offset: int
    record: RegistryRecord
    headers: Headers = field(repr=False)

    @property
    def place(self) -> TopicPartition:
        """The accepted partition, whose counters it stands in."""
        return (self.topic, self.partition)

    @property
    def group_offset(self) -> int | None:
        """Offset of the first member of its group, which names the group within the partition."""
        group = self.record.group
        return None if group is None else self.offset - group.index

    @property
    def position(self) -> str:
        """For messages: `topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """What one batch came to; records = history + repeats + refused + held, all as changes."""

    topic: str
    partition: int
    records: int
    history: int
    """Rows that joined; held ones that the batch released are among them."""
    repeats: int
    refused: int
    held: int
    """New ones less released ones; may be negative."""
    outcomes: tuple[Outcome, ...]
    """One for each record of the batch, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """One accepted partition's account up to the fund's position."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    records: int
    history: int
    repeats: int
    refused: int
    held: int

    @property
    def difference(self) -> int:
        """Zero where the conservation law holds."""
        return self.records - self.history - self.repeats - self.refused - self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A record that the fund refused, still to be told on `control.refusals`."""

    number: int
    """Order of refusals; names it to `FundStore.refusals_told`."""
    quarantine_id: str
    agency: AgencyCode
    dataset: DatasetCode
    reason: Reason
    record_id: RecordId
    catalogue: int
