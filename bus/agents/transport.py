"""A Faust transport that hands an agent one event per partition batch, and never loses its place.

Why not Faust's own: on a real broker a plain agent reaches 4,400 records/s, and its bookkeeping
skips records in three ways (an exception in an agent acknowledges the event; a gap in
acknowledgements is passed over; records fetched for a paused partition are dropped while the
position moves). Here Faust starts the agents, joins the group, rebalances and commits on a timer;
which offset is safe is ours to say, and comes from one rule:

    a batch begins where the one before it ended; a position moves when its outputs are durable.

Nor does a batch end inside a correction group, so that its members are judged and written together.

This touches private methods of Faust: the version is pinned, and `tests/flow/` runs on real
Kafka. Source: ADR-0002.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import aiokafka
import faust
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from bus.agents.begun_groups import BegunGroups
from bus.agents.handed import Handed
from bus.agents.pace import Flow, Pace
from bus.kafka.cluster import Cluster
from bus.kafka.reading import is_fetching
from bus.model.record import RawRecord
from bus.observe.health import Progress

BATCH_RECORDS_MAX: Final = 2_048
"""A multiple of the leaves of a signed tree, so that a full batch seldom cuts one: a tree that is
whole is checked at a third of the cost of its records one by one (ADR-0006)."""
CHANNEL_BATCHES_MAX: Final = 8
FETCH_BYTES_MAX: Final = 8 * 1024 * 1024
PARTITION_FETCH_BYTES_MAX: Final = 2 * 1024 * 1024
FETCH_BYTES_MIN: Final = 64 * 1024
IDLE_FETCH_WAIT_MAX_MS: Final = 100
"""For the first byte, while few or none flow: a worker at rest asks 10 times a second, not 66. Why
not more seldom: asking again for a gap waits behind such a fetch."""
DRAIN_TIMEOUT_S: Final = 1.0
COMMIT_INTERVAL_S: Final = 0.1
SESSION_TIMEOUT_S: Final = 6.0
HEARTBEAT_INTERVAL_S: Final = 0.5
METADATA_AGE_MAX_MS: Final = 2_000
"""How soon a new topic is noticed: topics are followed by pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionBatch:
    """Records of one topic-partition, in offset order, without a hole behind the batch before."""

    topic: str
    partition: int
    start: int
    """Offset at which the batch before ended; the first record may lie behind it (markers)."""
    end: int
    """Offset at which the next batch begins."""
    records: Sequence[RawRecord]
    epoch: int
    """Counts assignments; a batch of an earlier one may not move the position."""
    batches: int = 1
    """How many fetched batches it was joined from."""

    def joined_with(self, following: PartitionBatch) -> PartitionBatch:
        """Join the batch that follows this one in its partition."""
        assert (self.end, self.epoch) == (following.start, following.epoch), "not contiguous"
        return replace(
            self,
            end=following.end,
            records=[*self.records, *following.records],
            batches=self.batches + following.batches,
        )


PositionSource = Callable[[Iterable[TP]], Awaitable[Mapping[TP, int]]]
"""Where reading begins, asked after every rebalance, in the consumer's own thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a worker reads, as whom, and where it begins."""

    group: str
    instance: str
    """Static member id: a restarted worker comes back to its partitions without a rebalance."""
    pattern: str
    """Regular expression of topic names."""
    cluster: Cluster
    folder: Path
    """Where Faust makes the folders that it wants; nothing is kept in them."""
    positions: PositionSource | None
    """None: Kafka's committed offsets, and the log's beginning where there are none."""
    pace: Pace


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Owns the aiokafka consumer, in Faust's consumer thread."""

    def _create_consumer(
        self,
        loop: asyncio.AbstractEventLoop,  # noqa: ARG002 - Faust's signature
    ) -> aiokafka.AIOKafkaConsumer:
        reading = self._reading
        self._assignor = RoundRobinPartitionAssignor
        return aiokafka.AIOKafkaConsumer(
            group_id=reading.group,
            group_instance_id=reading.instance,
            client_id=reading.instance,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            # Why none: a position outside the log means lost records; the worker must stop.
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_poll_records=BATCH_RECORDS_MAX,
            fetch_max_bytes=FETCH_BYTES_MAX,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
            fetch_min_bytes=FETCH_BYTES_MIN,
            fetch_max_wait_ms=reading.pace.wait_ms,
            metadata_max_age_ms=METADATA_AGE_MAX_MS,
            session_timeout_ms=int(SESSION_TIMEOUT_S * 1000),
            heartbeat_interval_ms=int(HEARTBEAT_INTERVAL_S * 1000),
            **reading.cluster.aiokafka_options(),
        )

    @property
    def _reading(self) -> Reading:
        return cast("BatchApp", self.app).reading

    async def subscribe(self, topics: Iterable[str]) -> None:  # noqa: ARG002 - Faust's signature
        """Follow every topic of the pattern, those of later catalogues too."""
        await self.call_thread(
            self._ensure_consumer().subscribe,
            pattern=self._reading.pattern,
            listener=self._rebalance_listener,
        )

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every assigned partition to where reading begins."""
        return await self.call_thread(self._seek_to_start)  # type: ignore[no-any-return]

    async def _seek_to_start(self) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        if self._reading.positions is not None:
            positions = dict(await self._reading.positions(assigned))
        else:
            positions = await self._committed_or_beginning(consumer, assigned)
        # Why seek even to 0: aiokafka's own seek_to_committed leaves such a partition where it is.
        for partition, offset in positions.items():
            consumer.seek(TopicPartition(*partition), offset)
        return {TP(*partition): offset for partition, offset in positions.items()}

    @staticmethod
    async def _committed_or_beginning(
        consumer: aiokafka.AIOKafkaConsumer, assigned: set[TopicPartition]
    ) -> dict[TopicPartition, int]:
        partitions = list(assigned)
        committed = await asyncio.gather(*(consumer.committed(tp) for tp in partitions))
        positions = dict(zip(partitions, committed, strict=True))
        missing = [tp for tp, offset in positions.items() if offset is None]
        beginnings = await consumer.beginning_offsets(missing) if missing else {}
        return {**positions, **beginnings}

    @property
    def is_fetching(self) -> bool:
        """Whether records can still come."""
        return self._consumer is None or is_fetching(self._consumer)

    def pace_fetching(self, *, is_dense: bool) -> None:
        """Let the next fetches wait for many records, or for the first."""
        if self._consumer is not None:
            fetcher = self._consumer._fetcher  # noqa: SLF001 - aiokafka reads them at each fetch
            fetcher._fetch_min_bytes = FETCH_BYTES_MIN if is_dense else 1  # noqa: SLF001
            fetcher._fetch_max_wait_ms = (  # noqa: SLF001
                self._reading.pace.wait_ms if is_dense else IDLE_FETCH_WAIT_MAX_MS
            )

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust's stall detector reads its own bookkeeping, which is not in use."""


class BatchConsumer(driver.Consumer):
    """Cuts what is fetched into contiguous partition batches and commits what is durable."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Faust's signature
        super().__init__(*args, **kwargs)
        self._next: dict[TP, int] = {}
        self._done: dict[TP, int] = {}
        self._committed: dict[TP, int] = {}
        self._untold: set[TP] = set()
        self._asked_again: dict[TP, tuple[int, int]] = {}
        self._handed = Handed()
        self._begun = BegunGroups()
        self._flow = Flow(cast("BatchApp", self.app).reading.pace)
        self.epoch = 0
        self._in_flight = 0  # batches handed out in this epoch and not yet settled
        self._idle = asyncio.Event()
        self._idle.set()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Begin anew after a rebalance: every position is asked for, nothing is remembered."""
        self._begin_epoch()
        positions = await self.seek_to_committed()
        self._next = dict(positions)
        # Why told anew: Kafka may know less than is kept elsewhere, which displays of lag go by, or
        # nothing at all of a partition, and then a rebalance ends in NoOffsetForPartition.
        self._done = dict(positions)
        self._committed = dict(positions)
        self._untold = set(positions)

    async def _drain_messages(self, fetcher: Any) -> None:  # noqa: ANN401 - Faust's signature
        """Fetch and hand over, one batch at a time; a full channel holds the fetching back."""
        channel: Any = cast("BatchApp", self.app).batches  # holds batches, not Faust's events
        try:
            while not (self.should_stop or fetcher.should_stop):
                records, active = await self._wait_next_records(timeout=1.0)
                fetch = {TP(*tp): fetched for tp, fetched in (records or {}).items()}
                count = sum(map(len, fetch.values()))
                is_dense = self._flow.is_dense(count, time.monotonic())
                cast("BatchConsumerThread", self._thread).pace_fetching(is_dense=is_dense)
                is_cut = count >= BATCH_RECORDS_MAX
                fetch |= {tp: [] for tp in self._begun.overdue(fetch)}
                for tp, fetched in fetch.items():
                    batch = self._next_batch(tp, fetched, active, is_cut=is_cut and bool(fetched))
                    if batch is None:
                        continue
                    self._in_flight += 1
                    self._idle.clear()
                    self._handed.add(tp, batch.end, batch.records[0].timestamp)
                    # Where a rebalance comes first the batch is dropped with its epoch: the seek
                    # that follows brings it back.
                    await self.wait_first(channel.put(batch), self.suspend_flow.wait())
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    def _next_batch(
        self, tp: TP, fetched: Sequence[RawRecord], active: set[TP] | None, *, is_cut: bool
    ) -> PartitionBatch | None:
        """Cut the batch that follows the one before, or seek back where that is not possible.

        Args:
            tp: The partition.
            fetched: What came of it; empty where its begun group is given up.
            active: Partitions that may be read now; None: all.
            is_cut: Whether the rest of a group begun at the end may come with the next fetch.
        """
        want = self._next.get(tp)
        if want is None or not self.flow_active or (active is not None and tp not in active):
            self._begun.drop(tp)
            if want is not None and tp in self.assignment():
                self._thread.seek(tp, want)
            return None
        records = self._begun.joined(tp, fetched)
        is_passed_over = bool(fetched) and records[-1].offset < fetched[0].offset
        if records and records[0].offset < want:
            records = [record for record in records if record.offset >= want]
        if not records:
            return None
        first, last = records[0].offset, records[-1].offset
        if first > want and self._asked_again.get(tp) != (want, first):
            # Offsets are missing: transaction markers, or records skipped on the way. Asked for
            # a second time the answer is the same only in the first case.
            self._asked_again[tp] = (want, first)
            self._thread.seek(tp, want)
            return None
        if is_cut and not is_passed_over:
            records = self._begun.whole(tp, records)
            if not records:
                return None
            last = records[-1].offset
        self._next[tp] = last + 1
        if is_passed_over:
            self._thread.seek(tp, last + 1)
        return PartitionBatch(
            topic=tp.topic,
            partition=tp.partition,
            start=want,
            end=last + 1,
            records=records,
            epoch=self.epoch,
        )

    @property
    def is_fetching(self) -> bool:
        """Whether records can still come; where not, the process has to be started again."""
        return cast("BatchConsumerThread", self._thread).is_fetching

    def settle(self, batch: PartitionBatch) -> None:
        """Say that everything a batch demands is durable; its end may be committed."""
        if batch.epoch != self.epoch:
            return
        place = TP(batch.topic, batch.partition)
        self._done[place] = batch.end
        self._handed.settled(place, batch.end)
        self._in_flight -= batch.batches
        if not self._in_flight:
            self._idle.set()

    def progress(self) -> Mapping[tuple[str, int], Progress]:
        """Tell how far each owned partition has come; may be called from any thread."""
        committed = dict(self._committed)
        return {
            place: Progress(position=committed[place], handed_ms=self._handed.oldest_ms(place))
            for place in list(self._next)
            if place in committed
        }

    async def force_commit(
        self,
        topics: Any = None,  # noqa: ANN401, ARG002 - Faust's signature
        start_new_transaction: bool = True,  # noqa: ARG002, FBT001, FBT002 - Faust's signature
    ) -> bool:
        """Commit what is done and not yet committed."""
        # Why assigned ones: while topics are added aiokafka owns none for a moment, and Faust ends
        # the process at a commit of what is not owned.
        assigned = self.assignment() if self._done else frozenset()
        moved = {
            tp: end
            for tp, end in self._done.items()
            if tp in assigned and (tp in self._untold or end != self._committed.get(tp))
        }
        if not moved:
            return False
        epoch = self.epoch
        committed = await self._commit(moved)
        if committed and epoch == self.epoch:
            self._committed.update(moved)
            self._untold.difference_update(moved)
        return committed

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is in the agent's hands, commit it, then give the partitions away."""
        self.stop_flow()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), DRAIN_TIMEOUT_S)
        await self.commit()
        self._begin_epoch()
        await super().on_partitions_revoked(revoked)

    def _begin_epoch(self) -> None:
        """Forget what was handed out: it may be settled no more."""
        self.epoch += 1
        self._in_flight = 0
        self._idle.set()
        self._next.clear()
        self._begun.clear()
        self._done.clear()
        self._handed.clear()
        self._asked_again.clear()


class _NoProducer(driver.Producer):
    """Faust's producer, never connected: outputs go through `bus.kafka.producer`."""

    async def on_start(self) -> None:
        """Stay unconnected."""

    async def on_stop(self) -> None:
        """Have nothing to close."""

    async def flush(self) -> None:
        """Have nothing to send."""


class _NoTables(TableManager):
    """Faust's keeper of tables, of which there are none."""

    async def on_start(self) -> None:
        """Begin at once: Faust waits a second here for tables to be declared."""
        await self._update_channels()
        await self.recovery.start()


class BatchTransport(driver.Transport):
    """The transport's parts, by Faust's names for them."""

    Consumer = BatchConsumer
    Producer = _NoProducer


class BatchApp(faust.App):
    """A Faust application whose agents read partition batches from the channel `batches`."""

    def __init__(self, reading: Reading) -> None:
        """Configure Faust so that it owns no state, no topic, no web server and no offset."""
        self.reading = reading
        super().__init__(
            reading.group,
            broker=f"kafka://{reading.cluster.bootstrap.split(',')[0]}",
            broker_commit_interval=COMMIT_INTERVAL_S,
            broker_session_timeout=SESSION_TIMEOUT_S,
            broker_heartbeat_interval=HEARTBEAT_INTERVAL_S,
            web_enabled=False,
            web_in_thread=False,
            store="memory://",
            TableManager=_NoTables,
            datadir=reading.folder,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            autodiscover=False,
        )
        self.batches = self.channel(maxsize=CHANNEL_BATCHES_MAX)

    @property
    def batch_consumer(self) -> BatchConsumer:
        """The consumer, by its own type; agents settle batches with it."""
        return cast("BatchConsumer", self.consumer)

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_producer, self)
