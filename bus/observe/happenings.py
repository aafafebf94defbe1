"""What happens in a worker, each a type that owns its metrics. Healthy is quiet: none is logged.

A happening is made of what a batch came to, tallied once, and counted when the batch is durable.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bus.catalogue.snapshot import Snapshot
from bus.fund.batch import BatchOutcome, FundBatch
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.record import Lane
from bus.model.verdict import Accepted, Reason, Severity, Verdict
from bus.observe import series
from bus.observe.board import Board
from bus.observe.known import Readers
from bus.observe.promises import Alike, Promised, promised
from bus.observe.series import Work
from bus.observe.traced import Traced, enforced, exemplars_of, funded
from bus.wire import topics

Appended: TypeAlias = Mapping[tuple[DatasetCode, int], int]
"""(dataset, append time in milliseconds since 1970 UTC) → records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEnforced:
    """A batch was judged and planned; it counts once its outputs are durable."""

    accepted: Mapping[tuple[AgencyCode, DatasetCode, Lane], int]
    quarantined: Mapping[tuple[AgencyCode, DatasetCode, Reason], int]
    violations: Mapping[tuple[DatasetCode, str, Severity], int]
    written: Mapping[str, int]
    """Topic → records."""
    live: Appended
    """Accepted live records by their inbound append time; none of a release, which is older."""
    promised: Promised
    traced: Sequence[Traced]

    def tell(self, board: Board, readers: Readers, now_ms: int) -> None:
        """Count it, now that all its outputs are durable."""
        exemplars = exemplars_of(self.traced)
        for accepted, count in self.accepted.items():
            board.add(series.ACCEPTED, accepted, count)
        for quarantined, count in self.quarantined.items():
            board.add(series.QUARANTINED, quarantined, count)
        for violation, count in self.violations.items():
            board.add(series.VIOLATIONS, violation, count)
        _tell_delivered(self.written, board, readers, now_ms)
        for (dataset, appended_ms), count in self.live.items():
            waited_s = max(0, now_ms - appended_ms) / 1000
            exemplar = exemplars.get((dataset, appended_ms))
            board.observe(series.ACCEPT_LATENCY, (dataset,), waited_s, count, exemplar=exemplar)
        _tell_promised(self.promised, board)


def _tell_promised(promised: Promised, board: Board) -> None:
    for dataset, delays_s in promised.delays_s.items():
        board.observe_each(series.SOURCE_DELAY, (dataset,), delays_s)
    for one, counts in (
        (series.IN_TIME, promised.in_time),
        (series.FIELDS_DUE, promised.fields_due),
        (series.FIELDS_FILLED, promised.fields_filled),
    ):
        for provided, count in counts.items():
            board.add(one, provided, count)
    for provided, appended_ms in promised.newest_ms.items():
        board.rise(series.LAST_EVENT, provided, appended_ms / 1000)


def _tell_delivered(
    written: Mapping[str, int], board: Board, readers: Readers, now_ms: int
) -> None:
    for topic, count in written.items():
        for reader in readers.get(topic, ()):
            if reader.may_read(now_ms):
                board.add(series.DELIVERED, (reader.consumer, reader.dataset), count)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsTold:
    """Records of standing views were sent and are durable."""

    written: Mapping[str, int]
    """Topic → records."""

    def tell(self, board: Board, readers: Readers, now_ms: int) -> None:
        """Count them."""
        _tell_delivered(self.written, board, readers, now_ms)


def batch_enforced(
    verdicts: Sequence[Verdict],
    written: Mapping[str, int],
    *,
    snapshot: Snapshot,
    is_release: bool,
) -> BatchEnforced:
    """Tally a batch.

    Args:
        verdicts: On its records.
        written: How many records of it go to each topic.
        snapshot: The catalogue that judged them.
        is_release: Whether its records were appended long ago and re-enter now.
    """
    alike: dict[Alike, list[Accepted]] = defaultdict(list)
    quarantined: list[tuple[AgencyCode, DatasetCode, Reason]] = []
    violations: Counter[tuple[DatasetCode, str, Severity]] = Counter()
    for verdict in verdicts:
        dataset = verdict.dataset
        if isinstance(verdict, Accepted):
            envelope, broken = verdict.envelope, verdict.examined.violations
            alike[envelope.agency, dataset, envelope.lane, envelope.schema_id].append(verdict)
        else:
            broken = verdict.violations
            quarantined.append((verdict.agency, dataset, verdict.reason))
        for violation in broken:
            violations[dataset, violation.rule, violation.severity] += 1
    accepted: Counter[tuple[AgencyCode, DatasetCode, Lane]] = Counter()
    live: Counter[tuple[DatasetCode, int]] = Counter()
    for (agency, dataset, lane, _), records in alike.items():
        accepted[agency, dataset, lane] += len(records)
        if lane is Lane.LIVE and not is_release:
            for appended_ms, count in Counter([one.raw.timestamp for one in records]).items():
                live[dataset, appended_ms] += count
    return BatchEnforced(
        accepted=accepted,
        quarantined=Counter(quarantined),
        violations=violations,
        written=written,
        live=live,
        promised=promised(alike, snapshot),
        traced=enforced(verdicts, topics.ENFORCE_GROUP),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFunded:
    """A transaction of the fund was committed."""

    outcomes: Mapping[tuple[DatasetCode, str], int]
    """(dataset, outcome) → records."""
    live: Appended
    """Live records by the append time of their acceptance."""
    seconds: float
    traced: Sequence[Traced]

    def tell(self, board: Board, now_ms: int) -> None:
        """Count it."""
        exemplars = exemplars_of(self.traced)
        board.observe(series.BATCH_DURATION, (Work.FUND,), self.seconds)
        for labels, count in self.outcomes.items():
            board.add(series.FUND_RECORDS, labels, count)
        for (dataset, appended_ms), count in self.live.items():
            waited_s = max(0, now_ms - appended_ms) / 1000
            exemplar = exemplars.get((dataset, appended_ms))
            board.observe(series.FUND_LATENCY, (dataset,), waited_s, count, exemplar=exemplar)


def group_funded(
    batches: Sequence[FundBatch], outcomes: Sequence[BatchOutcome], seconds: float
) -> GroupFunded:
    """Tally a transaction.

    Args:
        batches: One for each partition.
        outcomes: As the store answered them, in the same order.
        seconds: What the transaction took.
    """
    came_to: Counter[tuple[DatasetCode, str]] = Counter()
    live: Counter[tuple[DatasetCode, int]] = Counter()
    for batch, outcome in zip(batches, outcomes, strict=True):
        dataset = topics.dataset_of_accepted(batch.topic)
        for kind, count in Counter(outcome.outcomes).items():
            came_to[dataset, kind] += count
        for one in batch.records:
            if one.record.lane is Lane.LIVE:
                live[dataset, one.record.appended_ms] += 1
    return GroupFunded(
        outcomes=came_to, live=live, seconds=seconds, traced=funded(batches, outcomes)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsRefused:
    """The fund's refusals were told to providers."""

    refusals: Sequence[tuple[AgencyCode, DatasetCode, Reason]]

    def tell(self, board: Board) -> None:
        """Count them."""
        for labels, count in Counter(self.refusals).items():
            board.add(series.QUARANTINED, labels, count)
