"""Which records of a batch are traced, and the spans of what a worker did with them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from bus.fund.batch import BatchOutcome, FundBatch
from bus.model.identifiers import DatasetCode, RecordId
from bus.model.record import Lane
from bus.model.verdict import Accepted, Reason, Verdict
from bus.tracing.span import Attributes, Side, Span, of_record, read_by
from bus.wire.topics import Position, dataset_of_accepted
from bus.wire.trace_context import TraceContext, is_own, kept_trace, trace_of

ACCEPTED: Final = "accepted"
TRACED_MAX: Final = 32
"""Of one batch: who traces all that it sends shall not choose what enforcement costs."""


class Traced(NamedTuple):
    """A traced record, and what became of it here."""

    context: TraceContext
    record_id: RecordId | None
    """None: it was set aside, and what it says of itself counts for nothing."""
    dataset: DatasetCode
    appended_ms: int
    """By the broker, milliseconds since 1970 UTC."""
    is_live: bool
    name: str
    side: Side
    attributes: Attributes
    failed: Reason | None = None

    def span(self, begun_ns: int, ended_ns: int) -> Span:
        """Give the span of work on its batch; times since 1970 UTC."""
        return Span(
            context=self.context,
            name=self.name,
            side=self.side,
            begun_ns=begun_ns,
            ended_ns=ended_ns,
            attributes=self.attributes,
            failed=self.failed,
        )


def enforced(verdicts: Iterable[Verdict], group: str) -> Sequence[Traced]:
    """Find the traced records of a judged batch, the first `TRACED_MAX` of them."""
    found = list[Traced]()
    for verdict in verdicts:
        if len(found) == TRACED_MAX:
            break
        accepted = verdict.envelope if isinstance(verdict, Accepted) else None
        if accepted is not None and accepted.traceparent is None:
            continue  # nearly all records
        raw = verdict.raw
        context = trace_of(raw.headers) if accepted is None else kept_trace(accepted.traceparent)
        if context is None:
            continue
        record_id = None if accepted is None else accepted.record_id
        named = of_record(record_id, verdict.dataset) | read_by(raw, group)
        outcome = ACCEPTED if isinstance(verdict, Accepted) else verdict.reason.value
        found.append(
            Traced(
                context=context,
                record_id=record_id,
                dataset=verdict.dataset,
                appended_ms=raw.timestamp,
                is_live=accepted is not None and accepted.lane is Lane.LIVE,
                name=f"process {raw.topic}",
                side=Side.CONSUMER,
                attributes=named | {"bus.outcome": outcome},
                failed=None if isinstance(verdict, Accepted) else verdict.reason,
            )
        )
    return found


def funded(batches: Sequence[FundBatch], outcomes: Sequence[BatchOutcome]) -> Sequence[Traced]:
    """Find the traced records of a transaction of the fund, the first `TRACED_MAX` of them.

    Args:
        batches: One for each partition.
        outcomes: As the store answered them, in the same order.
    """
    found = list[Traced]()
    for batch, outcome in zip(batches, outcomes, strict=True):
        for one, became in zip(batch.records, outcome.outcomes, strict=True):
            record = one.record
            if len(found) == TRACED_MAX:
                return found
            if record.traceparent is None:
                continue
            context = kept_trace(record.traceparent.encode())
            if context is None:
                continue
            place = Position(topic=batch.topic, partition=batch.partition, offset=one.offset)
            named = of_record(record.record_id, record.dataset) | read_by(place, None)
            found.append(
                Traced(
                    context=context,
                    record_id=record.record_id,
                    dataset=dataset_of_accepted(batch.topic),
                    appended_ms=record.appended_ms,
                    is_live=record.lane is Lane.LIVE,
                    name=f"upsert {record.dataset}",
                    side=Side.CLIENT,
                    attributes=named | {"db.system.name": "postgresql", "bus.outcome": became},
                )
            )
    return found


def exemplars_of(traced: Iterable[Traced]) -> Mapping[tuple[DatasetCode, int], RecordId]:
    """Choose live records that stand for others of their append time.

    Only of traces that are a record's own: a sender's trace id is a text of its choice, and could
    say anything.
    """
    return {
        (one.dataset, one.appended_ms): one.record_id
        for one in traced
        if one.is_live and one.record_id is not None and is_own(one.context, one.record_id)
    }


def spans_of(traced: Iterable[Traced], begun_ns: int, ended_ns: int) -> Iterator[Span]:
    """Give the spans of work on one batch; times since 1970 UTC."""
    return (one.span(begun_ns, ended_ns) for one in traced)
