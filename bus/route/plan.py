"""Where a judged batch goes: accepted topic, views, quarantine.

An output keeps its input's partition number: all data topics have one partition count, so the
order within a partition is the order within its outputs, whatever partitioner the client used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from bus.catalogue.agreement import matches
from bus.catalogue.snapshot import Projection, Snapshot
from bus.model.record import Group, Headers
from bus.model.verdict import Accepted, Quarantined, Verdict
from bus.wire import topics
from bus.wire.delivery import Delivery, sign
from bus.wire.groups import units
from bus.wire.headers import (
    accepted_headers,
    quarantine_headers,
    view_headers,
    with_group,
)
from bus.wire.signature import BatchSigner


def plan(
    verdicts: Iterable[Verdict],
    *,
    snapshot: Snapshot,
    signer: BatchSigner,
    attempt: int = 0,
    released_ms: int = 0,
) -> list[Delivery]:
    """Decide every delivery that a batch of verdicts demands, in the records' order.

    Args:
        verdicts: Of one inbound topic-partition.
        snapshot: The catalogue that judged them.
        signer: The bus's own key, for views.
        attempt: How often these records were released from quarantine; 0 for inbound ones.
        released_ms: When they were released, milliseconds since 1970 UTC; 0 for inbound ones.
    """
    deliveries: list[Delivery] = []
    accepted: list[tuple[Accepted, Headers]] = []
    for verdict in verdicts:
        match verdict:
            case Accepted():
                delivery = _accepted(verdict, snapshot, attempt)
                deliveries.append(delivery)
                accepted.append((verdict, delivery.headers))
            case Quarantined():
                deliveries.append(_quarantined(verdict, snapshot, attempt))
            case _:
                assert_never(verdict)
    if not accepted:
        return deliveries
    dataset = accepted[0][0].dataset
    for projection in snapshot.projections.get(dataset, ()):
        if released_ms >= projection.closes_ms:
            continue  # Why here too: a release brings what was appended before the view ended.
        shown = _shown(accepted, projection)
        sign(shown, signer)
        deliveries += shown
    return deliveries


def _accepted(verdict: Accepted, snapshot: Snapshot, attempt: int) -> Delivery:
    raw = verdict.raw
    return Delivery(
        topic=topics.accepted(verdict.dataset),
        partition=raw.partition,
        key=raw.key,
        value=raw.value,
        headers=accepted_headers(raw, snapshot.version, attempt),
        group=verdict.envelope.group,
    )


def _quarantined(verdict: Quarantined, snapshot: Snapshot, attempt: int) -> Delivery:
    raw = verdict.raw
    return Delivery(
        topic=topics.quarantine(verdict.agency),
        partition=raw.partition,
        key=raw.key,
        value=raw.value,
        headers=quarantine_headers(verdict, snapshot.version, attempt),
    )


def _shown(accepted: Sequence[tuple[Accepted, Headers]], projection: Projection) -> list[Delivery]:
    """Cut what one view shows of a batch; shown members of a group are a group anew.

    Why: a consumer of the view waits for as many members as the header names.
    """
    cut = [_project(verdict, projection, headers) for verdict, headers in accepted]
    groups = [verdict.envelope.group for verdict, _ in accepted]
    if any(groups):
        place = 0
        for unit in units(cut, groups):
            _regroup([one for one in unit if one is not None], groups[place])
            place += len(unit)
    return [delivery for delivery in cut if delivery is not None]


def _regroup(members: Sequence[Delivery], group: Group | None) -> None:
    """Make what is shown of a group a group of its own, or a single record."""
    if group is None:
        return
    size = len(members)
    for index, delivery in enumerate(members):
        delivery.group = replace(group, index=index, size=size) if size > 1 else None
        delivery.headers = with_group(delivery.headers, delivery.group)


def project(verdict: Accepted, projection: Projection, catalogue: int) -> Delivery | None:
    """Cut what one view shows of an accepted record; None where the view doesn't show it."""
    return _project(verdict, projection, accepted_headers(verdict.raw, catalogue))


def _project(verdict: Accepted, projection: Projection, headers: Headers) -> Delivery | None:
    """Cut it, given the headers that it has in the accepted topic."""
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
        value=cut.value(raw.value or b"", verdict.examined.spans),
        headers=view_headers(headers, cut.schema_id),
    )
