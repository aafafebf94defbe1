"""The law of releases: each record sent in again has an outcome that names its attempt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiokafka import TopicPartition

from bus.kafka.cluster import Cluster
from bus.kafka.scan import read_between
from bus.model.record import RawRecord
from bus.verify.law import ReleaseLaw
from bus.wire.release import unwrap

Release: TypeAlias = tuple[str, int, int, int]
"""Origin of a released record (topic, partition, offset), and the attempt."""
_ATTEMPT: Final = "bus_attempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What releases came to."""

    accepted: Set[Release]
    quarantined: Set[Release]


def attempt_of(record: RawRecord) -> int:
    """Tell how often an accepted or quarantined record had been released; 0: never."""
    name, value = record.headers[-1]
    return int(value) if name == _ATTEMPT else 0


async def read_releases(
    cluster: Cluster,
    committed: Mapping[TopicPartition, int],
    bounds: Mapping[TopicPartition, tuple[int, int]],
) -> Mapping[TopicPartition, Set[Release]]:
    """Read what was released, up to where enforcement has come."""
    spans = {
        place: (begin, min(committed.get(place, 0), end)) for place, (begin, end) in bounds.items()
    }
    found: dict[TopicPartition, set[Release]] = defaultdict(set)
    async for raw in read_between(cluster, spans):
        one = unwrap(raw)
        found[TopicPartition(raw.topic, raw.partition)].add(
            (one.topic, one.partition, one.offset, one.attempt)
        )
    return found


def release_laws(
    released: Mapping[TopicPartition, Set[Release]],
    outcomes: Outcomes,
    committed: Mapping[TopicPartition, int],
    bounds: Mapping[TopicPartition, tuple[int, int]],
) -> tuple[ReleaseLaw, ...]:
    """Draw up the account of every release partition."""
    laws = []
    for place, (_, end) in sorted(bounds.items()):
        found = released.get(place, frozenset())
        laws.append(
            ReleaseLaw(
                topic=place.topic,
                partition=place.partition,
                committed=committed.get(place, 0),
                releases=len(found),
                accepted=len(found & outcomes.accepted),
                lost=len(found - outcomes.accepted - outcomes.quarantined),
                lag=max(0, end - committed.get(place, 0)),
            )
        )
    return tuple(laws)
