"""Reading topics whole, from the log's beginning to where it ended when asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError

from bus.errors import Unavailable
from bus.kafka.closing import stop_consumer
from bus.kafka.cluster import Cluster
from bus.kafka.reading import SHORT_WAIT_MS, learn_topics
from bus.model.record import RawRecord
from bus.texts import message

STALLED_AFTER_S: Final = 20.0
_COORDINATOR_AGAIN_S: Final = 0.2


async def topic_partitions(cluster: Cluster, prefixes: Sequence[str]) -> list[TopicPartition]:
    """List the partitions of all topics whose names begin with one of `prefixes`."""
    async with _admin(cluster) as admin:
        described = await admin.describe_topics()
    return sorted(
        TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        if topic["topic"].startswith(tuple(prefixes))
        for partition in topic["partitions"]
    )


async def offsets(
    cluster: Cluster, partitions: Iterable[TopicPartition]
) -> Mapping[TopicPartition, tuple[int, int]]:
    """Tell the log's beginning and end (of committed transactions) for each partition."""
    wanted = list(partitions)
    if not wanted:
        return {}
    async with _consumer(cluster) as consumer:
        await learn_topics(consumer, (place.topic for place in wanted))
        begins = await consumer.beginning_offsets(wanted)
        ends = await consumer.end_offsets(wanted)
        return {partition: (begins[partition], ends[partition]) for partition in wanted}


async def committed_offsets(cluster: Cluster, group: str) -> Mapping[TopicPartition, int]:
    """Read the offsets that a consumer group has committed.

    Raises:
        Unavailable: Kafka named no coordinator of the group in time.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STALLED_AFTER_S
    async with _admin(cluster) as admin:
        while True:
            try:
                committed = await admin.list_consumer_group_offsets(group)
            except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError) as problem:
                # A new cluster makes its offsets topic when it is first asked for a coordinator.
                if loop.time() > deadline:
                    raise Unavailable(
                        message("error.kafka.no_coordinator", group=group)
                    ) from problem
                await asyncio.sleep(_COORDINATOR_AGAIN_S)
            else:
                return {partition: found.offset for partition, found in committed.items()}


async def offsets_at(
    cluster: Cluster, partitions: Iterable[TopicPartition], moment_ms: int
) -> Mapping[TopicPartition, int]:
    """Tell the first offset of each partition that was appended at a moment or later.

    Args:
        cluster: Reached as a principal that may read the topics.
        partitions: To look into.
        moment_ms: Milliseconds since 1970 UTC.

    Returns: The log's end where nothing was appended since.
    """
    wanted = dict.fromkeys(partitions, max(0, moment_ms))
    if not wanted:
        return {}
    async with _consumer(cluster) as consumer:
        await learn_topics(consumer, (place.topic for place in wanted))
        # Why first: what is appended in between lies behind the end that is answered.
        ends = await consumer.end_offsets(list(wanted))
        found = await consumer.offsets_for_times(wanted)
        return {place: ends[place] if at is None else at.offset for place, at in found.items()}


async def read_whole(
    cluster: Cluster, partitions: Mapping[TopicPartition, int]
) -> AsyncIterator[RawRecord]:
    """Read every committed record below an offset of each partition.

    Args:
        cluster: Reached as a principal that may read the topics.
        partitions: Partition → offset at which to end, excluded.

    Raises:
        Unavailable: Nothing came for 20 s although the end was not reached.
    """
    spans = {partition: (0, end) for partition, end in partitions.items()}
    async for record in read_between(cluster, spans):
        yield record


async def read_between(
    cluster: Cluster, spans: Mapping[TopicPartition, tuple[int, int]]
) -> AsyncIterator[RawRecord]:
    """Read every committed record of some spans.

    Args:
        cluster: Reached as a principal that may read the topics.
        spans: Partition → first offset, 0 for the log's beginning, and where to end, excluded.

    Raises:
        Unavailable: Nothing came for 20 s although the end was not reached.
    """
    open_ones = {place: end for place, (start, end) in spans.items() if end > start}
    if not open_ones:
        return
    loop = asyncio.get_running_loop()
    async with _consumer(cluster) as consumer:
        await _assign(consumer, {place: spans[place][0] for place in open_ones})
        moved_at = loop.time()
        while open_ones:
            fetched = await consumer.getmany(timeout_ms=500, max_records=5_000)
            for partition, records in fetched.items():
                for record in records:
                    if record.offset < spans[partition][1]:
                        yield record
            reached = [
                partition
                for partition, end in open_ones.items()
                if await consumer.position(partition) >= end
            ]
            for partition in reached:
                del open_ones[partition]
                consumer.pause(partition)
            if fetched or reached:
                moved_at = loop.time()
            elif loop.time() - moved_at > STALLED_AFTER_S:
                partition, end = next(iter(open_ones.items()))
                raise Unavailable(
                    message(
                        "error.kafka.offset_not_reached",
                        topic=partition.topic,
                        partition=partition.partition,
                        end=end,
                    )
                )


async def _assign(consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int]) -> None:
    """Read each partition from an offset, or from the log's beginning where that is later."""
    consumer.assign(list(starts))
    await consumer.seek_to_beginning(*starts)
    for place, start in starts.items():
        if start > await consumer.position(place):
            consumer.seek(place, start)


@asynccontextmanager
async def _admin(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**cluster.aiokafka_options())
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _consumer(cluster: Cluster) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=SHORT_WAIT_MS,
        **cluster.aiokafka_options(),
    )
    try:
        # Why in here: a caller who gives up while it connects leaves no connection behind.
        await consumer.start()
        yield consumer
    finally:
        await stop_consumer(consumer)
