"""Judging and routing what lies in an inbound topic, once, by the bus's own functions."""

from __future__ import annotations

from collections import defaultdict

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from bus.catalogue.parties import BUS
from bus.enforce.judge import judge
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.producer import BatchProducer
from bus.route.plan import plan
from bus.wire import topics
from bus.wire.signature import SignatureChecker
from tests.client.conftest import Installation

PARTITIONS = 4


async def read_topic(
    installation: Installation, topic: str, *, group: str | None = None
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """Read what a topic holds from a group's position on; without a group, everything."""
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    found: dict[TopicPartition, list[ConsumerRecord]] = defaultdict(list)
    async with _consumer(installation, group) as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                found[place] += records
    return found


async def route(installation: Installation, topic: str, *, again: bool = False) -> None:
    """Judge and route the records of an inbound topic, and commit.

    Args:
        topic: The inbound topic.
        again: Route what was routed before a second time, as after a crash before the commit.
    """
    cluster = installation.cluster(BUS)
    async with CatalogueReader(cluster) as reader:
        await reader.read_to_end()
        snapshot = reader.snapshot()
    assert snapshot is not None
    inbound = await read_topic(installation, topic, group=None if again else topics.ENFORCE_GROUP)
    async with BatchProducer(cluster, client_id="bus.routing") as producer:
        for records in inbound.values():
            verdicts = judge(
                records,
                source=topics.parse_inbound(topic),
                snapshot=snapshot,
                checker=SignatureChecker(),
            )
            await producer.deliver(
                plan(verdicts, snapshot=snapshot, signer=installation.signer(BUS))
            )
    async with _consumer(installation, topics.ENFORCE_GROUP) as consumer:
        consumer.assign(list(inbound))
        await consumer.commit(
            {place: records[-1].offset + 1 for place, records in inbound.items() if records}
        )


def _consumer(installation: Installation, group: str | None) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        **installation.cluster(BUS).aiokafka_options(),
    )
