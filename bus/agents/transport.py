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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import faust
from aiokafka.errors import NoOffsetForPartitionError
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from bus.agents.begun_groups import BegunGroups
from bus.agents.consumer_thread import (
    BATCH_RECORDS_MAX,
    HEARTBEAT_INTERVAL_S,
    SESSION_TIMEOUT_S,
    BatchConsumerThread,
    Reading,
)
from bus.agents.coverage import Patience
from bus.agents.handed import Handed
from bus.agents.pace import Flow
from bus.model.record import RawRecord
from bus.observe.health import Progress

CHANNEL_BATCHES_MAX: Final = 8
DRAIN_TIMEOUT_S: Final = 1.0
COMMIT_INTERVAL_S: Final = 0.1
LOOK_FOR_TOPICS_S: Final = 0.5


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
        self._patience = Patience()
        self._looked_s = 0.0
        self.epoch = 0
        self.assignments = 0
        """How often partitions were given to this worker."""
        self._in_flight = 0  # batches handed out in this epoch and not yet settled
        self._idle = asyncio.Event()
        self._idle.set()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Begin anew after a rebalance: every position is asked for, nothing is remembered."""
        self._begin_epoch()
        self.assignments += 1
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
                records, active = await self._fetched()
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
                    putting = asyncio.ensure_future(channel.put(batch))
                    await self.wait_first(putting, self.suspend_flow.wait())
                    if not putting.done():
                        self._put_down(batch)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _fetched(self) -> tuple[Any, set[TP] | None]:
        """Wait for records, a second at most, and look whether all topics are read."""
        epoch = self.epoch
        if self.flow_active and time.monotonic() - self._looked_s >= LOOK_FOR_TOPICS_S:
            self._looked_s = time.monotonic()
            await cast("BatchConsumerThread", self._thread).look_for_topics(self._patience)
        try:
            return await self._wait_next_records(timeout=1.0)
        except NoOffsetForPartitionError:
            # A fetch that waits while partitions are assigned may hear of one whose position has
            # not been sought yet; afterwards all have one.
            if self.flow_active and epoch == self.epoch:
                raise
            return None, None

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

    def _put_down(self, batch: PartitionBatch) -> None:
        """Count a batch as handed out no more; whoever waits for all of them needn't for it."""
        if batch.epoch == self.epoch:
            self._in_flight -= batch.batches
            if not self._in_flight:
                self._idle.set()

    def settle(self, batch: PartitionBatch) -> None:
        """Say that everything a batch demands is durable; its end may be committed."""
        if batch.epoch != self.epoch:
            return
        place = TP(batch.topic, batch.partition)
        self._done[place] = batch.end
        self._handed.settled(place, batch.end)
        self._put_down(batch)

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
