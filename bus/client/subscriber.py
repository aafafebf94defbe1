"""Reading one dataset as one system: `async for record in subscriber`.

What is guaranteed. Every record that the agreements in force grant is delivered at least once,
those of one registry entry in the order in which the bus accepted them, and none whose signature
does not prove it. With a group, a record counts as taken when the next one is asked for; after a
crash those taken within the last second come again. The bus itself may write a record twice, near
each other: such a repeat is dropped, across restarts too, for the ids before the group's position
are read back first. A consumer that keeps a copy should apply records by `record_id` and
`version`, or with `bus.merge`, and is then exact.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from bus.client.assignment import Assignment
from bus.client.delivered import DeliveredRecord
from bus.client.faults import translated
from bus.client.feeds import Feeds
from bus.client.proof import claimed_catalogue, prove
from bus.errors import DocumentError, Unavailable
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.closing import stop_consumer
from bus.kafka.cluster import Cluster
from bus.model.identifiers import DatasetCode, SystemCode
from bus.model.record import RawRecord, RegistryRecord
from bus.wire.signature import SignatureChecker
from bus.wire.topics import Position

logger = logging.getLogger(__name__)

_FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
_BATCH_RECORDS: Final = 2_000
_POLL_MS: Final = 500
_TAKING_MS_MAX: Final = 60 * 60 * 1000
"""How long a consumer may work on one batch before its group gives the partitions away."""
_COMMIT_S: Final = 1.0
_RIGHTS_CHECK_S: Final = 2.0
"""How often to look, while nothing comes, whether the topics may still be read: Kafka's client is
told nothing when it was cut off and may not come back."""
_OUTAGE_S: Final = 60.0


class Subscriber:
    """An iterator over the records that one system may read of one dataset."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        feeds: Feeds,
        *,
        group: str | None,
        follow: bool,
    ) -> None:
        """Take what is connected; `open` is the way in."""
        self._consumer = consumer
        self._feeds = feeds
        self._group = group
        self._follow = follow
        self._assignment = Assignment(consumer)
        self._checker = SignatureChecker()
        self._ready: deque[tuple[TopicPartition, int, RegistryRecord]] = deque()
        self._handed: tuple[TopicPartition, int] | None = None
        self._taken: dict[TopicPartition, int] = {}
        now = asyncio.get_running_loop().time()
        self._committed_at = self._news_at = self._checked_at = now

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        cluster: Cluster,
        *,
        system: SystemCode,
        dataset: DatasetCode,
        clock: Callable[[], datetime],
        from_beginning: bool = False,
        follow: bool = True,
    ) -> AsyncIterator[Self]:
        """Connect and find the topics that the system's agreements open.

        Args:
            cluster: Reached as the system.
            system: The reader.
            dataset: What to read.
            clock: Gives the present, aware UTC; agreements are held against its day.
            from_beginning: Read all that the topics hold, and leave the group's position alone;
                otherwise go on where group `<system>.<dataset>` stopped.
            follow: Wait for more at the end; otherwise stop where the end was at first.

        Raises:
            DocumentError: No agreement in force, or a right is missing.
            Unavailable: Kafka does not answer, or no catalogue was applied.
        """
        group = None if from_beginning else f"{system}.{dataset}"
        async with AsyncExitStack() as stack:
            catalogue = CatalogueFollower(cluster)
            with translated(f"reading the catalogue as system {system}"):
                await catalogue.start()
            stack.push_async_callback(catalogue.stop)
            feeds = Feeds(catalogue, system, dataset, clock)
            consumer = AIOKafkaConsumer(
                client_id=f"{system}.subscriber",
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                fetch_max_bytes=_FETCH_BYTES_MAX,
                max_poll_records=_BATCH_RECORDS,
                max_poll_interval_ms=_TAKING_MS_MAX,
                **cluster.aiokafka_options(),
            )
            stack.push_async_callback(stop_consumer, consumer)
            subscriber = cls(consumer, feeds, group=group, follow=follow)
            await subscriber._start()
            yield subscriber
            await subscriber._commit()

    async def _start(self) -> None:
        with translated(self._feeds.doing):
            await self._consumer.start()
            await self._check_rights()
            topics = self._feeds.topics
            if self._group is None:
                await self._assignment.read_all(topics)
            else:
                self._consumer.subscribe(topics, listener=self._assignment)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DeliveredRecord:
        """Give the next record; the one before counts as taken.

        Raises:
            DocumentError: The right to read has ended.
            Unavailable: Kafka has not answered for a minute; or the agreements changed.
            InvariantBroken: A record is not genuine.
        """
        if self._handed is not None:
            place, offset = self._handed
            self._taken[place] = offset + 1
            self._handed = None
        if asyncio.get_running_loop().time() - self._committed_at > _COMMIT_S:
            await self._commit()
        while True:
            while self._ready:
                place, offset, record = self._ready.popleft()
                if self._assignment.reading(place).recent.is_repeat(record.record_id):
                    self._taken[place] = offset + 1
                    continue
                delivered = self._feeds.decode(_position(place, offset), record)
                self._handed = (place, offset)
                return delivered
            if not self._follow and await self._assignment.is_at_end():
                await self._commit()
                raise StopAsyncIteration
            await self._fetch()

    async def _fetch(self) -> None:
        self._feeds.refresh()
        with translated(self._feeds.doing):
            self._assignment.check()
            found: Mapping[TopicPartition, Sequence[RawRecord]] = await self._consumer.getmany(
                timeout_ms=_POLL_MS
            )
            fetched = {
                place: records
                for place, records in found.items()
                if self._assignment.reading(place).is_ready
            }
            if not fetched:
                await self._commit()
                await self._look_around()
                return
        self._news_at = asyncio.get_running_loop().time()
        for place, records in fetched.items():
            await self._receive(place, records)

    async def _receive(self, place: TopicPartition, records: Sequence[RawRecord]) -> None:
        reading = self._assignment.reading(place)
        news = []
        for raw in records:
            if raw.offset >= reading.deliver_from:
                news.append(raw)
            else:
                reading.recent.remember(raw)
        if not news:
            return
        newest = max(map(claimed_catalogue, news))
        snapshot = await self._feeds.snapshot_for(newest, f"{place.topic}/{place.partition}")
        proved = prove(
            news,
            dataset=self._feeds.dataset,
            is_view=self._feeds.feed(place.topic).view is not None,
            snapshot=snapshot,
            checker=self._checker,
        )
        self._ready.extend(
            (place, raw.offset, record) for raw, record in zip(news, proved, strict=True)
        )

    async def _commit(self) -> None:
        self._committed_at = asyncio.get_running_loop().time()
        assigned = self._consumer.assignment()
        taken = {place: offset for place, offset in self._taken.items() if place in assigned}
        self._taken.clear()
        if self._group is None or not taken:
            return
        try:
            with translated(self._feeds.doing):
                await self._consumer.commit(taken)
        except DocumentError:
            raise
        except Unavailable as problem:
            if not isinstance(problem.__cause__, (CommitFailedError, IllegalStateError)):
                raise
            # Why go on: another member has the partitions now and delivers these records again.
            logger.info("subscriber.partitions_moved group=%s", self._group)

    async def _look_around(self) -> None:
        """Find out why nothing comes: nothing is there, no right, or no cluster."""
        now = asyncio.get_running_loop().time()
        if now - self._checked_at < _RIGHTS_CHECK_S:
            return
        self._checked_at = now
        try:
            await self._check_rights()
        except (KafkaError, OSError) as problem:
            if now - self._news_at < _OUTAGE_S:
                logger.warning("subscriber.no_answer problem=%s", type(problem).__name__)
                return
            raise
        if self._follow:
            self._news_at = now
        elif now - self._news_at > _OUTAGE_S:
            raise Unavailable(
                f"{self._feeds.doing}: nothing came for {_OUTAGE_S:.0f} s before the end; look "
                "at the broker's log, then start again"
            )

    async def _check_rights(self) -> None:
        readable = await self._consumer.topics()
        for topic in self._feeds.topics:
            if topic not in readable:
                raise DocumentError(
                    f"{self._feeds.doing}: topic {topic} may not be read, or not any more; look "
                    "at the agreement's validity, then ask the bus's operator for "
                    "`bus catalogue apply`"
                )


def _position(place: TopicPartition, offset: int) -> Position:
    return Position(topic=place.topic, partition=place.partition, offset=offset)
