"""From which inbound record on a view shows anything: the first of its first day, by partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from aiokafka import TopicPartition

from bus.gateway.fund_versions import FundVersion
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, offsets_at

IsOpen: TypeAlias = Callable[[FundVersion], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    """Where one inbound partition passes a moment."""

    first: int
    """Offset of the first record of then or later."""
    log_begin: int


class Openings:
    """Finds the edges in Kafka and remembers them: a moment that has passed stays where it is.

    Why not the append time that the fund keeps: that is of the accepted record, which may have
    been judged after midnight though its inbound record came before.
    """

    def __init__(self, cluster: Cluster, partitions: int) -> None:
        """Begin with none.

        Args:
            cluster: Reached as the bus.
            partitions: Of every data topic.
        """
        self._cluster = cluster
        self._partitions = partitions
        self._known: dict[tuple[str, int], Mapping[int, _Edge]] = {}

    async def of(self, inbound_topics: Iterable[str], opens_ms: int, now_ms: int) -> IsOpen:
        """Give what tells whether a version's inbound record came at a moment or later.

        Args:
            inbound_topics: Of the versions that will be asked about.
            opens_ms: Milliseconds since 1970 UTC.
            now_ms: The present.

        Raises:
            KafkaError: Kafka does not answer.
        """
        edges = {topic: await self._edges(topic, opens_ms, now_ms) for topic in inbound_topics}

        def is_open(version: FundVersion) -> bool:
            edge = edges[version.inbound.topic][version.inbound.partition]
            if version.inbound.offset < edge.log_begin:
                # Its record has left the log; the time of the accepted one is the best there is.
                return version.appended_ms >= opens_ms
            return version.inbound.offset >= edge.first

        return is_open

    async def _edges(self, topic: str, opens_ms: int, now_ms: int) -> Mapping[int, _Edge]:
        known = self._known.get((topic, opens_ms))
        if known is not None:
            return known
        places = [TopicPartition(topic, number) for number in range(self._partitions)]
        firsts = await offsets_at(self._cluster, places, opens_ms)
        bounds = await offsets(self._cluster, places)
        edges = {
            place.partition: _Edge(first=firsts[place], log_begin=bounds[place][0])
            for place in places
        }
        if opens_ms <= now_ms:
            self._known[topic, opens_ms] = edges
        return edges
