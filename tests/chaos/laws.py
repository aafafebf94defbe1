"""The conservation law as balances: as the product draws it up, and by a count of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, topic_partitions
from bus.verify.law import Verification
from tests.chaos.evidence import LawBalance, LogRecord, QuarantineRow


def balances(law: Verification) -> Iterator[LawBalance]:
    """Say the conservation law as what is missing and what is too much, place by place.

    What still waits counts as missing: the run has come to rest.
    """
    for one in law.inbound:
        place = f"{one.topic}/{one.partition}"
        missing = one.lost + one.removed + one.lag
        yield LawBalance(place=place, missing=missing, surplus=one.invented)
    for two in law.accepted:
        accounted = two.history + two.repeats + two.refused + two.held
        yield LawBalance(
            place=f"{two.topic}/{two.partition}",
            missing=two.lag + max(0, max(two.records, two.kept_records) - accounted),
            surplus=max(0, max(two.kept_records, accounted) - two.records),
        )
    for three in law.quarantine:
        yield LawBalance(place=three.topic, missing=three.missing + three.lag, surplus=0)
    for four in law.releases:
        place = f"{four.topic}/{four.partition}"
        yield LawBalance(place=place, missing=four.lost + four.lag, surplus=0)
    yield LawBalance(place="fund", missing=law.lost_in_fund, surplus=law.doubled_in_fund)
    yield LawBalance(place="the whole law", missing=int(not law.holds), surplus=0)


async def inbound_ends(cluster: Cluster) -> dict[tuple[str, int], int]:
    """Tell the end of each inbound partition."""
    places = await topic_partitions(cluster, ["in."])
    ends = await offsets(cluster, places)
    return {(place.topic, place.partition): end for place, (_, end) in ends.items()}


def outcomes(
    ends: Mapping[tuple[str, int], int],
    accepted: Sequence[LogRecord],
    quarantine: Sequence[QuarantineRow],
) -> Iterator[LawBalance]:
    """Hold every inbound offset against what names it: a law apart from the product's own."""
    named: dict[tuple[str, int], set[int]] = defaultdict(set)
    for inbound in chain((one.inbound for one in accepted), (row.inbound for row in quarantine)):
        if inbound is not None:
            named[inbound.topic, inbound.partition].add(inbound.offset)
    for place, end in ends.items():
        offsets_named = named.pop(place, set())
        missing = end - len([offset for offset in offsets_named if offset < end])
        yield LawBalance(
            place=f"outcomes of {place[0]}/{place[1]}",
            missing=missing,
            surplus=len([offset for offset in offsets_named if offset >= end]),
        )
    for place, strangers in named.items():
        yield LawBalance(
            place=f"outcomes of {place[0]}/{place[1]}", missing=0, surplus=len(strangers)
        )
