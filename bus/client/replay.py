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

FIRST_UNORDERED: Final = "8" + "0" * 15
"""An event below it is a number that rises through the source's own log, for each entry."""


class Said:
    """Events that were told, each with the entry and the content that it was told of."""

    def __init__(self, told: Iterable[tuple[str, str, bytes]] = ()) -> None:
        """Take event, key and fingerprint of each."""
        self._told = frozenset(told)
        self._keys = frozenset(key for _, key, _ in self._told)
        self._up_to: dict[str, str] = {}
        for event, key, _ in self._told:
            if event < FIRST_UNORDERED:
                self._up_to[key] = max(event, self._up_to.get(key, ""))

    def holds(self, event: str, key: str, fingerprint: bytes) -> bool:
        """Tell whether an event was told with this content, or lies before one that was.

        Why before: one that changed nothing when it was read first left no record. Behind a later
        one it would seem to be a change.
        """
        if event < FIRST_UNORDERED and event <= self._up_to.get(key, ""):
            return True
        return (event, key, fingerprint) in self._told

    def tells_of(self, key: str) -> bool:
        """Tell whether any event of an entry was told."""
        return key in self._keys

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
