"""Where a judged batch goes: accepted topic, views, quarantine.

An output keeps its input's partition number: all data topics have one partition count, so the
order within a partition is the order within its outputs, whatever partitioner the client used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import assert_never

from bus.catalogue.agreement import matches
from bus.catalogue.snapshot import Cut, Projection, Snapshot
from bus.model.record import RawRecord
from bus.model.verdict import Accepted, Quarantined, Verdict
from bus.route.delivery import Delivery
from bus.wire import topics
from bus.wire.headers import (
    accepted_headers,
    quarantine_headers,
    signed_values,
    view_headers,
)
from bus.wire.signature import BATCH_LEAVES_MAX, BatchSigner, leaf_hash


def plan(verdicts: Iterable[Verdict], *, snapshot: Snapshot, signer: BatchSigner) -> list[Delivery]:
    """Decide every delivery that a batch of verdicts demands, in the records' order.

    Args:
        verdicts: Of one inbound topic-partition.
        snapshot: The catalogue that judged them.
        signer: The bus's own key, for views.
    """
    deliveries: list[Delivery] = []
    views: dict[tuple[str, int], list[Delivery]] = defaultdict(list)
    for verdict in verdicts:
        match verdict:
            case Accepted():
                deliveries.append(_accepted(verdict, snapshot))
                for projection in snapshot.projections.get(verdict.dataset, ()):
                    projected = project(verdict, projection, snapshot.version)
                    if projected is not None:
                        views[projected.topic, projected.partition].append(projected)
            case Quarantined():
                deliveries.append(_quarantined(verdict, snapshot))
            case _:
                assert_never(verdict)
    for projected_batch in views.values():
        sign(projected_batch, signer)
        deliveries.extend(projected_batch)
    return deliveries


def _accepted(verdict: Accepted, snapshot: Snapshot) -> Delivery:
    raw = verdict.raw
    return Delivery(
        topic=topics.accepted(verdict.dataset),
        partition=raw.partition,
        key=raw.key,
        value=raw.value,
        headers=accepted_headers(raw, snapshot.version),
    )


def _quarantined(verdict: Quarantined, snapshot: Snapshot) -> Delivery:
    raw = verdict.raw
    return Delivery(
        topic=topics.quarantine(verdict.agency),
        partition=raw.partition,
        key=raw.key,
        value=raw.value,
        headers=quarantine_headers(verdict, snapshot.version),
    )


def project(verdict: Accepted, projection: Projection, catalogue: int) -> Delivery | None:
    """Cut what one view shows of an accepted record; None where the view doesn't show it."""
    raw, envelope = verdict.raw, verdict.envelope
    cut = projection.cuts.get(envelope.schema_id)
    if (
        cut is None
        or not projection.opens_ms <= raw.timestamp < projection.closes_ms
        or (projection.providers is not None and envelope.agency not in projection.providers)
        or not matches(projection.rows, verdict.examined.wanted)
    ):
        return None
    return Delivery(
        topic=projection.topic,
        partition=raw.partition,
        key=raw.key,
        value=_cut_value(raw, verdict.examined.spans, cut),
        headers=view_headers(raw, schema_id=cut.schema_id, catalogue=catalogue),
    )


def _cut_value(raw: RawRecord, spans: Sequence[int], cut: Cut) -> bytes:
    """Join the bytes of the kept fields: an Avro record is its fields, one after another."""
    value = raw.value
    assert value is not None
    kept = [value[spans[place] : spans[place + 1]] for place in cut.field_places]
    return b"".join([cut.frame, *kept])


def sign(batch: Sequence[Delivery], signer: BatchSigner) -> None:
    """Add header `bus_sig` to deliveries that go to one topic-partition together."""
    for start in range(0, len(batch), BATCH_LEAVES_MAX):
        part = batch[start : start + BATCH_LEAVES_MAX]
        leaves = [
            leaf_hash(
                delivery.topic,
                delivery.key or b"",
                signed_values(delivery.headers),
                delivery.value or b"",
            )
            for delivery in part
        ]
        for delivery, signature in zip(part, signer.sign(leaves), strict=True):
            delivery.headers.append(("bus_sig", signature))
