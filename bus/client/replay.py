"""What a connector told behind the position that it reads on from: not sent again when read again.

A version is given by the publisher where the source has none, so a row that is read twice, with a
later one of its entry in between, would come back as a new version. Each record of a connector
therefore names the event of the source that it tells (header `bus_event`), and what lies in the log
behind a position's own barrier has been told already (ADR-0028).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Self

from aiokafka import TopicPartition

from bus.client.faults import translated
from bus.client.ledger import Ledger
from bus.client.own_log import Source, own_version
from bus.kafka.cluster import Cluster
from bus.kafka.scan import read_between
from bus.texts import message
from bus.wire.header_names import EVENT


class Said:
    """Events that were told, each with the entry and the content that it was told of."""

    def __init__(self, told: Iterable[tuple[str, str, bytes]] = ()) -> None:
        """Take event, key and fingerprint of each."""
        self._told = frozenset(told)

    def holds(self, event: str, key: str, fingerprint: bytes) -> bool:
        """Tell whether an event was told with this content."""
        return (event, key, fingerprint) in self._told

    def __len__(self) -> int:
        return len(self._told)

    @classmethod
    async def since(
        cls,
        cluster: Cluster,
        source: Source,
        ledger: Ledger,
        *,
        barrier: Mapping[int, int],
        ends: Mapping[int, int],
    ) -> Self:
        """Read what lies in the own log between a position's barrier and the log's end.

        A record whose version another publisher took with other content is left out: it comes to
        nothing, so its row is sent once more.

        Args:
            cluster: Reached as the system.
            source: Whose log.
            ledger: Has read the log up to `ends`.
            barrier: Partition → the log's end when the position was kept.
            ends: Partition → the log's end now.

        Raises:
            Unavailable: Kafka does not answer.
        """
        spans = {
            TopicPartition(source.inbound, partition): (barrier.get(partition, 0), end)
            for partition, end in ends.items()
        }
        told = set()
        with translated(message("doing.client.log", source=source)):
            async for raw in read_between(cluster, spans):
                event = dict(raw.headers).get(EVENT)
                sent = own_version(raw, source)
                if event and sent and ledger.holds(sent.key, sent.version, sent.fingerprint):
                    told.add((event.decode(errors="replace"), sent.key, sent.fingerprint))
        return cls(told)


NOTHING_SAID: Final = Said()
