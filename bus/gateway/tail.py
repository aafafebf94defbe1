"""Reading pages of topics for many systems with a few consumers, and knowing where topics end.

A page is read by one of a few consumers that is told its place anew each time. Who waits for news
costs no consumer: the ends of the topics that are waited for are asked for together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from bus.gateway.problems import Problem
from bus.kafka.closing import stop_consumer
from bus.kafka.cluster import Cluster
from bus.kafka.reading import SHORT_WAIT_MS, is_fetching, learn_topics
from bus.model.record import RawRecord

READERS_MAX: Final = 4
ENDS_S: Final = 0.2
"""How old what is known of a topic's end may be."""
_READ_MS: Final = 1_000
_READER_S_MAX: Final = 10.0
"""How long a request waits for a consumer."""
_PARTITION_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was read of one partition."""

    records: Sequence[RawRecord]
    """In offset order."""
    next_offset: int
    """Where to go on, when all of them were taken."""


class Tail:
    """The consumers of the gateway's feeds."""

    def __init__(self, cluster: Cluster) -> None:
        """Prepare; the first request connects.

        Args:
            cluster: Reached as the bus.
        """
        self._cluster = cluster
        self._places = asyncio.Semaphore(READERS_MAX)
        self._idle: list[AIOKafkaConsumer] = []
        self._asking = asyncio.Lock()
        self._ends: dict[TopicPartition, tuple[float, int]] = {}

    async def stop(self) -> None:
        """Disconnect those that are idle; the others end with their requests."""
        while self._idle:
            await stop_consumer(self._idle.pop())

    async def beginnings(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Tell where partitions begin.

        Raises:
            KafkaError: Kafka does not answer.
        """
        wanted = list(places)
        async with self._reader() as consumer:
            await learn_topics(consumer, {place.topic for place in wanted})
            found: Mapping[TopicPartition, int] = await consumer.beginning_offsets(wanted)
        return found

    async def ends(
        self, places: Iterable[TopicPartition], age_s: float = ENDS_S
    ) -> Mapping[TopicPartition, int]:
        """Tell where partitions end.

        Args:
            places: Partitions.
            age_s: How old the answer may be; 0: asked now.

        Raises:
            KafkaError: Kafka does not answer.
        """
        wanted, loop = list(places), asyncio.get_running_loop()
        async with self._asking:
            oldest_s = loop.time() - age_s
            stale = [place for place in wanted if self._ends.get(place, (0.0, 0))[0] <= oldest_s]
            if stale:
                asked_s = loop.time()
                async with self._reader() as consumer:
                    await learn_topics(consumer, {place.topic for place in stale})
                    found = await consumer.end_offsets(stale)
                self._ends.update((place, (asked_s, end)) for place, end in found.items())
            return {place: self._ends[place][1] for place in wanted}

    async def read(
        self, positions: Mapping[TopicPartition, int], records_max: int
    ) -> Mapping[TopicPartition, Fetched]:
        """Read on in partitions, up to a number of records of all of them.

        Args:
            positions: Next offset by partition; there is a record at one of them at least.
            records_max: To read.

        Raises:
            Problem: A position is before the log's beginning, or behind its end.
            KafkaError: Kafka does not answer.
        """
        async with self._reader() as consumer:
            await learn_topics(consumer, {place.topic for place in positions})
            consumer.assign(list(positions))
            for place, offset in positions.items():
                consumer.seek(place, offset)
            try:
                found = await consumer.getmany(timeout_ms=_READ_MS, max_records=records_max)
            except OffsetOutOfRangeError as problem:
                raise Problem(410, "positions_gone") from problem
            return {
                place: Fetched(records=records, next_offset=await consumer.position(place))
                for place, records in found.items()
            }

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Lend a consumer; one that met a fault is not lent again."""
        try:
            async with asyncio.timeout(_READER_S_MAX):
                await self._places.acquire()
        except TimeoutError:
            raise Problem(503, "busy", loads=READERS_MAX) from None
        consumer: AIOKafkaConsumer | None = None
        is_sound = False
        try:
            consumer = self._idle.pop() if self._idle else await self._connected()
            yield consumer
            # Why: it would go on fetching what nobody waits for. A new assignment is not paused.
            consumer.pause(*consumer.assignment())
            is_sound = is_fetching(consumer)
        finally:
            self._places.release()
            if consumer is not None:
                if is_sound:
                    self._idle.append(consumer)
                else:
                    await stop_consumer(consumer)

    async def _connected(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            client_id="bus-gateway.feeds",
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=SHORT_WAIT_MS,
            max_partition_fetch_bytes=_PARTITION_BYTES_MAX,
            **self._cluster.aiokafka_options(),
        )
        try:
            await consumer.start()
        except BaseException:
            await stop_consumer(consumer)
            raise
        return consumer
