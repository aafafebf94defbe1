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
from bus.kafka.cluster import Cluster
from bus.model.record import RawRecord

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
                        f"group {group} has no coordinator; look at the broker's log, try again"
                    ) from problem
                await asyncio.sleep(_COORDINATOR_AGAIN_S)
            else:
                return {partition: found.offset for partition, found in committed.items()}


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
    open_ones = {partition: end for partition, end in partitions.items() if end > 0}
    if not open_ones:
        return
    loop = asyncio.get_running_loop()
    async with _consumer(cluster) as consumer:
        consumer.assign(list(open_ones))
        await consumer.seek_to_beginning(*open_ones)
        moved_at = loop.time()
        while open_ones:
            fetched = await consumer.getmany(timeout_ms=500, max_records=5_000)
            for partition, records in fetched.items():
                for record in records:
                    if record.offset < partitions[partition]:
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
                    f"{partition.topic}/{partition.partition} could not be read to offset {end}; "
                    "look at the broker's log, then try again"
                )


@asynccontextmanager
async def _admin(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**cluster.aiokafka_options())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


def _consumer(cluster: Cluster) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=100,
        **cluster.aiokafka_options(),
    )
