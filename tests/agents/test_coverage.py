from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.protocol.metadata import MetadataResponse_v0
from hypothesis import given
from hypothesis import strategies as st

from bus.agents.consumer_thread import BatchConsumerThread
from bus.agents.coverage import (
    ASK_AGAIN_MAX_S,
    ASK_AGAIN_S,
    SEEN_FOR_S,
    CoveringAssignor,
    Patience,
    coverage,
)


def _cluster(topics: dict[str, int]) -> ClusterMetadata:
    cluster = ClusterMetadata()
    found = [
        (0, topic, [(0, partition, 1, [1], [1]) for partition in range(count)])
        for topic, count in topics.items()
    ]
    cluster.update_metadata(MetadataResponse_v0([(1, "127.0.0.1", 9092)], found))
    return cluster


def _member(assignor: CoveringAssignor, topics: list[str]) -> ConsumerProtocolMemberMetadata:
    return ConsumerProtocolMemberMetadata.decode(assignor.metadata(topics).encode())


def test_an_assignment_tells_every_member_what_it_covers() -> None:
    cluster, topics = _cluster({"in.a": 4, "in.b": 3}), ["in.b", "in.a"]
    leader, other = CoveringAssignor(), CoveringAssignor()
    assigned = leader.assign(
        cluster, {"leader": _member(leader, topics), "other": _member(other, topics)}
    )
    counts = {name: len(one.partitions()) for name, one in assigned.items()}
    assert counts == {"leader": 4, "other": 3}
    other.on_assignment(assigned["other"])
    assert other.covered == coverage(cluster, topics)
    assert other.covered != coverage(_cluster({"in.a": 4, "in.b": 4}), topics)
    assert other.covered != coverage(cluster, ["in.a"])


def test_a_member_that_asks_anew_does_not_join_with_what_it_said_before() -> None:
    assignor = CoveringAssignor()
    first = assignor.metadata(["in.a"]).encode()
    assert assignor.metadata(["in.a"]).encode() == first
    assignor.ask_anew()
    assert assignor.metadata(["in.a"]).encode() != first


def test_a_difference_is_asked_about_when_it_lasts_and_more_and_more_seldom() -> None:
    patience = Patience()
    looks = [number / 2 for number in range(600)]
    asked = [now_s for now_s in looks if patience.is_over(now_s, differs=True)]
    waits = [later - earlier for earlier, later in pairwise(asked)]
    assert asked[0] == SEEN_FOR_S
    assert waits[0] == ASK_AGAIN_S
    assert waits == sorted(waits)
    assert waits[-1] == ASK_AGAIN_MAX_S


@given(st.lists(st.booleans(), max_size=200))
def test_what_passes_within_a_second_is_not_asked_about(differs: list[bool]) -> None:
    patience, since = Patience(), None
    for number, now in enumerate(differs):
        at_s = number * 0.4
        since = None if not now else at_s if since is None else since
        if patience.is_over(at_s, differs=now):
            assert since is not None
            assert at_s - since >= SEEN_FOR_S


class _Consumer:
    """What a thread asks of aiokafka's consumer."""

    def __init__(self, cluster: ClusterMetadata) -> None:
        self._client = self._coordinator = self
        self.cluster = cluster
        self.rejoins = 0

    def subscription(self) -> set[str]:
        return set(self.cluster.topics())

    def request_rejoin(self) -> None:
        self.rejoins += 1


@pytest.mark.parametrize(
    ("covered", "rejoins"), [("all", 0), ("fewer", 1), ("says nothing", 1), ("none yet", 0)]
)
async def test_a_thread_asks_for_a_new_assignment_where_topics_are_not_covered(
    covered: str, rejoins: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.agents.coverage.SEEN_FOR_S", 0.0)
    consumer = _Consumer(_cluster({"in.a": 4, "in.b": 4}))
    thread: Any = BatchConsumerThread.__new__(BatchConsumerThread)
    thread._ensure_consumer = lambda: consumer
    thread.app = SimpleNamespace(reading=SimpleNamespace(group="g"))
    thread._covering = CoveringAssignor()
    thread._covering.covered = {
        "all": coverage(consumer.cluster, ["in.a", "in.b"]),
        "fewer": coverage(consumer.cluster, ["in.a"]),
        "says nothing": b"",
        "none yet": None,
    }[covered]
    before = thread._covering.metadata(["in.a"]).encode()
    await thread._look_for_topics(Patience())
    assert consumer.rejoins == rejoins
    assert (thread._covering.metadata(["in.a"]).encode() != before) is bool(rejoins)
