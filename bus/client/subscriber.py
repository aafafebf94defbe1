"""Reading one dataset as one system: `async for record in subscriber`.

What is guaranteed. Every record that the agreements in force grant is delivered at least once,
those of one registry entry in the order in which the bus accepted them, and none whose signature
does not prove it. With a group, a record counts as taken when the next one is asked for; after a
crash those taken within the last second come again. The bus itself may write a record twice, near
each other: such a repeat is dropped, across restarts too, for the ids before the group's position
are read back first; but a correction group of which any member is new comes whole. A consumer that
keeps a copy should apply records to a `bus.client.RegistryCopy`, or by its rules, and is then
exact.

With a gateway, a first load comes before: all that the data fund has for this system, then the
topics from where the load ends, with no gap and no repeat between them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Self, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from bus.catalogue.snapshot import Snapshot
from bus.client.assignment import Assignment
from bus.client.delivered import DeliveredBatch, DeliveredRecord, Kept, in_units
from bus.client.faults import translated
from bus.client.feeds import Feeds
from bus.client.first_load import LoadedPage, Start, starting
from bus.client.gateway import Gateway
from bus.client.group_positions import set_positions
from bus.client.load_memory import memory_text
from bus.client.lookout import Lookout
from bus.client.proof import claimed_catalogue, prove, prove_standing
from bus.errors import DocumentError, Unavailable
from bus.fund.columns import Column
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.closing import stop_consumer
from bus.kafka.cluster import Cluster
from bus.model.identifiers import DatasetCode, SystemCode
from bus.model.record import RawRecord, RegistryRecord, StandingRow
from bus.texts import message
from bus.tracing.exporting import UNKEPT, Spans
from bus.tracing.work import RecordsInWork
from bus.wire.groups import units
from bus.wire.signature import SignatureChecker
from bus.wire.topics import Position

logger = logging.getLogger(__name__)

_FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
_BATCH_RECORDS: Final = 2_000
_POLL_MS: Final = 500
_TAKING_MS_MAX: Final = 60 * 60 * 1000
"""How long a consumer may work on one batch before its group gives the partitions away."""
_COMMIT_S: Final = 1.0
_COMMIT_MAX_S: Final = 60.0
_Found: TypeAlias = RegistryRecord | StandingRow
_Unit: TypeAlias = tuple[TopicPartition, Sequence[tuple[int, _Found]]]
"""A record that stands alone, or the members of a group, each with its offset."""


class Subscriber:
    """An iterator over the records that one system may read of one dataset."""

    def __init__(
        self,
        cluster: Cluster,
        consumer: AIOKafkaConsumer,
        feeds: Feeds,
        *,
        group: str | None,
        kept: Kept | None,
        follow: bool,
        from_end: bool,
        start: Start,
        spans: Spans,
    ) -> None:
        """Take what is connected; `open` is the way in."""
        self._cluster = cluster
        self._consumer = consumer
        self._feeds = feeds
        self._group = group
        self._is_kept = kept is not None
        self._follow = follow
        self._from_end = from_end
        self._first_load = start.first_load
        self._loading = None if start.first_load is None else start.first_load.pages()
        self._loaded: deque[DeliveredRecord] = deque()
        """What is left of the page that is being handed out."""
        self._passed = start.passed
        self._assignment = Assignment(consumer, group, kept=kept, otherwise=start.live)
        self._checker = SignatureChecker()
        self._ready: deque[_Unit] = deque()
        self._rest: deque[tuple[TopicPartition, int, _Found]] = deque()
        """What is left of the group, or record, that is being handed out."""
        self._handed: dict[TopicPartition, int] = {}
        """From where to go on behind what was handed out last; taken when more is asked for."""
        self._taken: dict[TopicPartition, int] = {}
        self._lookout = Lookout(consumer, feeds.topics, feeds.doing, follow=follow)
        self._committed_at = asyncio.get_running_loop().time()
        self._work = RecordsInWork(group, spans)

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
        from_end: bool = False,
        follow: bool = True,
        gateway: Gateway | None = None,
        memory: Path | None = None,
        reader: str | None = None,
        kept: Kept | None = None,
        spans: Spans = UNKEPT,
    ) -> AsyncIterator[Self]:
        """Connect and find the topics that the system's agreements open.

        Args:
            cluster: Reached as the system.
            system: The reader.
            dataset: What to read.
            clock: Gives the present, aware UTC; agreements are held against its day.
            from_beginning: Read all that the topics hold, and leave the group's position alone;
                otherwise go on where group `<system>.<dataset>` stopped.
            from_end: Read what comes from now on, and keep no position: there is no group then.
            follow: Wait for more at the end; otherwise stop where the end was at first.
            gateway: Load through it first what the data fund has, or go on with that load, or
                where it was done long ago, go on behind it.
            memory: File that says how far the first load is; needed with a gateway, and good to
                have without one after a load of a view, whose topic repeats a few records of it.
            reader: Name of this one where several of the system read the dataset, each all of it;
                the group is then `<system>.<dataset>.<reader>`.
            kept: Tells what the consumer keeps itself, in one transaction with what it makes of a
                batch (`batches`). Neither the group's positions nor `memory` count then.
            spans: Told how long the consumer worked on traced records.

        Raises:
            DocumentError: No agreement in force, a right is missing, or a load is unfinished.
            Unavailable: Kafka or the gateway does not answer, or no catalogue was applied.
        """
        named = f"{system}.{dataset}" if reader is None else f"{system}.{dataset}.{reader}"
        group = None if from_beginning or from_end else named
        assert gateway is None or (group and (memory or kept)), "a load has a group and a memory"
        async with AsyncExitStack() as stack:
            catalogue = CatalogueFollower(cluster)
            with translated(message("doing.client.catalogue", system=system)):
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
            state = None if kept is None else await kept()
            start = await stack.enter_async_context(starting(feeds, gateway, memory, state, clock))
            subscriber = cls(
                cluster,
                consumer,
                feeds,
                group=group,
                kept=kept,
                follow=follow,
                from_end=from_end,
                start=start,
                spans=spans,
            )
            if start.first_load is None:
                await subscriber._start()
            try:
                yield subscriber
                subscriber._work.end()
                await subscriber._commit()
            finally:
                if subscriber._loading is not None:
                    await subscriber._loading.aclose()

    async def _start(self) -> None:
        self._lookout.note_news()
        with translated(self._feeds.doing):
            await self._consumer.start()
            await self._lookout.check_rights()
            topics = self._feeds.topics
            if self._group is None:
                await self._assignment.read_all(topics, from_end=self._from_end)
            else:
                self._consumer.subscribe(topics, listener=self._assignment)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a table would hold the fields in: of the newest schema that may be read now."""
        return self._feeds.columns

    @property
    def topics(self) -> tuple[str, ...]:
        """Names of the topics that serve the system, ascending."""
        return self._feeds.topics

    async def _page(self) -> LoadedPage | None:
        """Give the next page of the first load; None behind it."""
        if self._loading is None:
            return None
        self._feeds.refresh()
        return await anext(self._loading, None)

    async def _go_live(self) -> None:
        """Let the topics go on behind the first load."""
        if self._first_load is None:
            return
        if not self._is_kept:
            assert self._group is not None, "a load has a group"
            live = {TopicPartition(*at): to for at, to in self._first_load.memory.live.items()}
            with translated(self._feeds.doing):
                await set_positions(self._cluster, self._group, live)
        self._first_load.note_live()
        self._first_load = None
        await self._start()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DeliveredRecord:
        """Give the next record; the one before counts as taken.

        Raises:
            DocumentError: The right to read has ended.
            Unavailable: Kafka has not answered for a minute; or the agreements changed.
            InvariantBroken: A record is not genuine.
        """
        while self._first_load is not None and not self._loaded:
            page = await self._page()
            if page is None:
                await self._go_live()
            else:
                self._loaded.extend(page.records)
        if self._loaded:
            return self._loaded.popleft()
        if not await self._wait_for_news():
            raise StopAsyncIteration
        return self._hand_out()

    async def _wait_for_news(self, *, repeats_too: bool = False) -> bool:
        """Wait for a record to hand out; what was handed out is taken. False: the end is here.

        Args:
            repeats_too: End as well where nothing but repeats came, whose positions are news.
        """
        self._taken |= self._handed
        self._handed.clear()
        self._work.end()
        if asyncio.get_running_loop().time() - self._committed_at > _COMMIT_S:
            await self._commit()
        while not self._rest and not self._turn_to_news():
            if repeats_too and self._handed:
                return True
            if not self._follow and await self._assignment.is_at_end():
                await self._commit()
                return False
            await self._fetch()
        return True

    def _hand_out(self) -> DeliveredRecord:
        place, offset, record = self._rest.popleft()
        position = Position(topic=place.topic, partition=place.partition, offset=offset)
        delivered = (
            self._feeds.decode_row(place.topic, position, record)
            if isinstance(record, StandingRow)
            else self._feeds.decode(place.topic, position, record)
        )
        if not self._rest:  # no position is kept inside a group
            self._handed[place] = offset + 1
        self._work.begin(delivered.traceparent, position, delivered.record_id, delivered.dataset)
        return delivered

    def _turn_to_news(self) -> bool:
        """Turn to the next record or group that was not delivered before; False: none is here."""
        while self._ready:
            place, unit = self._ready.popleft()
            recent = self._assignment.reading(place).recent
            if not recent.are_known([one for _, one in unit], self._passed.get(place.topic, ())):
                self._rest.extend((place, offset, record) for offset, record in unit)
                return True
            # Why not taken at once: a consumer that keeps positions learns of it by a batch.
            passed = self._handed if self._is_kept else self._taken
            passed[place] = unit[-1][0] + 1
        return False

    async def groups(self) -> AsyncGenerator[Sequence[DeliveredRecord], None]:
        """Give the members of a group together, and every other record alone.

        What is given counts as taken when the next is asked for, whole. A consumer that writes each
        of them in one transaction shows nobody half a correction.

        Raises: as `__anext__`.
        """
        unit: list[DeliveredRecord] = []
        async for record in self:
            unit.append(record)
            if record.ends_unit:
                yield unit
                unit = []

    async def batches(self) -> AsyncGenerator[DeliveredBatch, None]:
        """Give what is at hand, many records at a time; taken when the next batch is asked for.

        A consumer that writes a batch and its positions in one transaction, and tells them as
        `kept` when it opens a subscription again, takes every record exactly once.

        Raises: as `__anext__`.
        """
        while self._first_load is not None:
            page = await self._page()
            if page is not None:
                told = memory_text(page.behind)
                yield DeliveredBatch(units=in_units(page.records), behind={}, load=told)
                continue
            told = memory_text(self._first_load.gone_live)
            yield DeliveredBatch(units=(), behind=self._first_load.memory.live, load=told)
            await self._go_live()
        while await self._wait_for_news(repeats_too=self._is_kept):
            records: list[DeliveredRecord] = []
            while self._rest or (len(records) < _BATCH_RECORDS and self._turn_to_news()):
                records.append(self._hand_out())
            yield DeliveredBatch(units=in_units(records), behind=dict(self._handed))

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
                await self._lookout.look()
                return
        self._lookout.note_news()
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
        whole = reading.whole(news)
        if not whole:
            return
        newest = max(map(claimed_catalogue, whole))
        snapshot = await self._feeds.snapshot_for(newest, f"{place.topic}/{place.partition}")
        self._ready.extend((place, unit) for unit in self._proved(place.topic, whole, snapshot))

    def _proved(
        self, topic: str, records: Sequence[RawRecord], snapshot: Snapshot
    ) -> list[Sequence[tuple[int, _Found]]]:
        """Prove records of one partition, and put together what is taken together."""
        view, dataset = self._feeds.feed(topic).view, self._feeds.dataset
        offsets = [raw.offset for raw in records]
        if view is not None and view.is_standing:
            rows = prove_standing(
                records,
                dataset=dataset,
                view=view.code,
                snapshot=snapshot,
                checker=self._checker,
            )
            return [[placed] for placed in zip(offsets, rows, strict=True)]
        proved = prove(
            records,
            dataset=dataset,
            is_view=view is not None,
            snapshot=snapshot,
            checker=self._checker,
        )
        placed = list(zip(offsets, proved, strict=True))
        return list(units(placed, [record.group for record in proved]))

    async def _commit(self) -> None:
        self._committed_at = asyncio.get_running_loop().time()
        assigned = self._consumer.assignment()
        taken = {place: offset for place, offset in self._taken.items() if place in assigned}
        self._taken.clear()
        if self._group is None or self._is_kept or not taken:
            return
        try:
            # Why a limit: without a broker aiokafka tries to commit for ever.
            with translated(self._feeds.doing):
                async with asyncio.timeout(_COMMIT_MAX_S):
                    await self._consumer.commit(taken)
        except DocumentError:
            raise
        except Unavailable as problem:
            if not isinstance(problem.__cause__, (CommitFailedError, IllegalStateError)):
                raise
            # Why go on: another member has the partitions now and delivers these records again.
            logger.info("subscriber.partitions_moved group=%s", self._group)
