"""Setting from where a consumer group reads, while nobody reads as it."""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, UnknownMemberIdError

from bus.errors import DocumentError
from bus.kafka.closing import stop_consumer
from bus.kafka.cluster import Cluster
from bus.texts import message

_SOMEBODY_READS = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError)


async def set_positions(
    cluster: Cluster, group: str, positions: Mapping[TopicPartition, int]
) -> None:
    """Let a group read on from some offsets.

    Args:
        cluster: Reached as the system that owns the group.
        group: Its name.
        positions: Partition → offset of the next record to read.

    Raises:
        DocumentError: Somebody reads as this group.
        KafkaError: Kafka does not answer or refuses it.
    """
    consumer = AIOKafkaConsumer(
        client_id=f"{group}.positions",
        group_id=group,
        enable_auto_commit=False,
        **cluster.aiokafka_options(),
    )
    try:
        await consumer.start()
        consumer.assign(list(positions))
        await consumer.commit(dict(positions))
    except _SOMEBODY_READS as problem:
        raise DocumentError(message("error.client.group_taken", group=group)) from problem
    finally:
        await stop_consumer(consumer)
