"""Whether a group's assignment covers every topic that its members follow.

A static member that comes back after a topic was added gets the assignment that it had: Kafka does
not ask what it follows now. Were it the only one, nobody would ever read the new topic. So every
assignment says which topics it covers, and a member that sees others asks for a new one.
Source: KIP-345; `tests/flow/test_new_datasets.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

_DIGEST_BYTES: Final = 16
SEEN_FOR_S: Final = 1.0
"""So long a difference must last: while topics are added, members learn of them one by one."""
ASK_AGAIN_S: Final = 5.0
ASK_AGAIN_MAX_S: Final = 60.0


class CoveringAssignor:
    """Round robin over members, whose assignments say which topics they cover.

    One for each consumer; aiokafka calls it as it calls the classes of its own.
    """

    name: Final = RoundRobinPartitionAssignor.name

    def __init__(self) -> None:
        self.covered: bytes | None = None
        """Of the assignment in force; None before the first; of nothing where another program, or
        an earlier bus, made it."""
        self._asked = 0

    def ask_anew(self) -> None:
        """Say something new with the next join: Kafka answers the same with what it has."""
        self._asked += 1

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Tell the group what this member follows."""
        plain = RoundRobinPartitionAssignor.metadata(topics)
        asked = str(self._asked).encode()
        return ConsumerProtocolMemberMetadata(plain.version, plain.subscription, asked)

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Assign partitions to members, as the leader of the group."""
        plain = RoundRobinPartitionAssignor.assign(cluster, members)
        topics = {topic for member in members.values() for topic in member.subscription}
        covered = coverage(cluster, topics)
        return {
            member: ConsumerProtocolMemberAssignment(one.version, one.assignment, covered)
            for member, one in plain.items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Note what the assignment covers."""
        self.covered = assignment.user_data


def coverage(cluster: ClusterMetadata, topics: Iterable[str]) -> bytes:
    """Digest topics and their numbers of partitions, as a member sees them."""
    lines = [f"{topic}:{len(cluster.partitions_for_topic(topic) or ())}" for topic in topics]
    return sha256("\n".join(sorted(lines)).encode()).digest()[:_DIGEST_BYTES]


class Patience:
    """Decides when a difference is asked about: not at once, and less and less often."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._wait_s = SEEN_FOR_S

    def is_over(self, now_s: float, *, differs: bool) -> bool:
        """Take in one look; tell whether to ask now.

        Args:
            now_s: On a clock that never goes back.
            differs: Whether the assignment covers other topics than those followed.
        """
        if not differs:
            self._since_s, self._wait_s = None, SEEN_FOR_S
            return False
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s < self._wait_s:
            return False
        self._since_s = now_s
        self._wait_s = min(max(ASK_AGAIN_S, 2 * self._wait_s), ASK_AGAIN_MAX_S)
        return True
