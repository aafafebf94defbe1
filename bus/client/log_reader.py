"""Reading the publisher's own log into its memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from bus.client.faults import translated
from bus.client.ledger import Ledger, LoggedRefusal, LoggedRelease, LoggedVersion
from bus.client.log_identity import topic_id
from bus.client.own_log import (
    Place,
    Source,
    own_version,
    receipt_of,
    refusal_of,
    starting_offsets,
)
from bus.errors import DocumentError, Unavailable
from bus.kafka.closing import stop_consumer
from bus.kafka.cluster import Cluster
from bus.kafka.reading import SHORT_WAIT_MS, learn_topics
from bus.model.record import RawRecord
from bus.texts import message

_SILENCE_S: Final = 30.0
"""How long a log that has not been read to its end may give nothing."""
_FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
_BATCH_RECORDS: Final = 2_000


class LogReader:
    """Reads the in-topic of one publisher, and what became of its records, from where it stopped.

    What became of them stands in the topics of quarantine and receipts.
    """

    def __init__(self, cluster: Cluster, source: Source, ledger: Ledger, memory: Path) -> None:
        """Prepare; entering it connects and finds where to read on."""
        self._cluster = cluster
        self._source = source
        self._ledger = ledger
        self._memory = memory
        self._consumer: AIOKafkaConsumer | None = None
        self._inbound: list[TopicPartition] = []
        self._outcomes: list[TopicPartition] = []

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            DocumentError: The memory does not fit the log; or a right to read is missing.
            Unavailable: The cluster does not answer.
        """
        self._consumer = consumer = AIOKafkaConsumer(
            client_id=f"{self._source.system}.publisher",
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_bytes=_FETCH_BYTES_MAX,
            max_poll_records=_BATCH_RECORDS,
            fetch_max_wait_ms=SHORT_WAIT_MS,
            **self._cluster.aiokafka_options(),
        )
        try:
            with translated(message("doing.client.log", source=self._source)):
                await consumer.start()
                source = self._source
                outcomes = (source.quarantine, source.receipts)
                await learn_topics(consumer, (source.inbound, *outcomes))
                self._inbound = await self._partitions(source.inbound)
                for topic in outcomes:
                    self._outcomes += await self._partitions(topic)
                await self._bind()
                await self._assign()
        except BaseException:
            await stop_consumer(consumer)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._consumer is not None:
            await stop_consumer(self._consumer)

    @property
    def partitions(self) -> tuple[int, ...]:
        """Partitions of the in-topic, ascending."""
        return tuple(place.partition for place in self._inbound)

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        assert self._consumer is not None
        readable = await self._consumer.topics()
        if topic not in readable:
            system = self._source.system
            raise Unavailable(message("error.client.topic_unseen", topic=topic, system=system))
        # Why: the client knows the partitions of a topic only when it was asked something of it.
        await self._consumer.end_offsets([TopicPartition(topic, 0)])
        numbers = self._consumer.partitions_for_topic(topic) or ()
        return [TopicPartition(topic, number) for number in sorted(numbers)]

    async def _bind(self) -> None:
        """Make sure that the memory is of these topics, and not of others of their names."""
        for topic in (self._source.inbound, self._source.quarantine, self._source.receipts):
            if not self._ledger.bind(topic, await topic_id(self._cluster, topic)):
                raise DocumentError(
                    message("error.client.topic_anew", memory=self._memory, topic=topic)
                )

    async def _assign(self) -> None:
        assert self._consumer is not None
        places = [*self._inbound, *self._outcomes]
        beginnings = _plain(await self._consumer.beginning_offsets(places))
        ends = _plain(await self._consumer.end_offsets(places))
        starts = starting_offsets(
            self._ledger.positions(),
            beginnings,
            ends,
            memory=str(self._memory),
            # What became of other systems' records, and of other datasets', lies there too.
            may_be_cut=(self._source.quarantine, self._source.receipts),
        )
        self._consumer.assign(places)
        # Why: a fetch that waits for news would hold up each question on the same connection.
        self._consumer.pause(*places)
        for (topic, partition), offset in starts.items():
            self._consumer.seek(TopicPartition(topic, partition), offset)

    async def read_to_end(self) -> Mapping[int, int]:
        """Take in all that the topics hold now.

        Returns: The end of each partition of the in-topic, up to which it was read.

        Raises:
            Unavailable: The log could not be read to its end.
        """
        assert self._consumer is not None, "entered first"
        with translated(message("doing.client.log", source=self._source)):
            # Why this order: every record that a refusal names is then read before the refusal.
            outcome_ends = await self._consumer.end_offsets(self._outcomes)
            inbound_ends = await self._consumer.end_offsets(self._inbound)
            await self._read(inbound_ends)
            await self._read(outcome_ends)
        return {place.partition: end for place, end in inbound_ends.items()}

    async def _read(self, ends: Mapping[TopicPartition, int]) -> None:
        assert self._consumer is not None
        clock = asyncio.get_running_loop().time
        last_news = clock()
        while True:
            behind = [
                place for place, end in ends.items() if await self._consumer.position(place) < end
            ]
            if not behind:
                return
            self._consumer.resume(*behind)
            fetched = await self._consumer.getmany(*behind, timeout_ms=500)
            self._consumer.pause(*behind)
            positions = {
                (place.topic, place.partition): await self._consumer.position(place)
                for place in behind
            }
            self._take([raw for records in fetched.values() for raw in records], positions)
            if fetched:
                last_news = clock()
            elif clock() - last_news > _SILENCE_S:
                place, end = "/".join(map(str, behind[0])), ends[behind[0]]
                raise Unavailable(
                    message("error.client.log_silent", place=place, wait_s=_SILENCE_S, end=end)
                )

    def _take(self, records: Sequence[RawRecord], positions: Mapping[Place, int]) -> None:
        source = self._source
        readers = {
            source.inbound: own_version,
            source.quarantine: refusal_of,
            source.receipts: receipt_of,
        }
        found = [readers[raw.topic](raw, source) for raw in records]
        self._ledger.take(
            sent=[one for one in found if isinstance(one, LoggedVersion)],
            refused=[one for one in found if isinstance(one, LoggedRefusal)],
            released=[one for one in found if isinstance(one, LoggedRelease)],
            positions=positions,
        )


def _plain(offsets: Mapping[TopicPartition, int]) -> dict[Place, int]:
    return {(place.topic, place.partition): offset for place, offset in offsets.items()}
