"""Up to which moment the fund is complete: everything accepted before it has been taken in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import TopicPartition

from bus.fund.past import PastReader
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, read_between, topic_partitions
from bus.model.identifiers import DatasetCode
from bus.wire import topics

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def low_watermark(
    cluster: Cluster, reader: PastReader, dataset: DatasetCode, asked_at: datetime
) -> datetime:
    """Tell the moment before which the fund has everything that was accepted of a dataset.

    The least over the partitions of the accepted topic: where the fund has read all that the log
    held after the question was asked, that moment itself; else the append time of the first record
    that it has not read. Append times are by the brokers' clock, the question by its asker's.

    Args:
        cluster: Reached as a principal that may read the accepted topic.
        reader: Of the fund.
        dataset: Whose records.
        asked_at: Now, aware.

    Raises:
        Unavailable: Kafka or PostgreSQL does not answer.
    """
    topic = topics.accepted(dataset)
    partitions = [
        place for place in await topic_partitions(cluster, [topic]) if place.topic == topic
    ]
    logs = await offsets(cluster, partitions)
    read = await reader.positions(topic)  # after the ends: what they hold is in the fund by then
    behind = {
        place: (max(beginning, read.get(place.partition, beginning)), end)
        for place, (beginning, end) in logs.items()
        if read.get(place.partition, beginning) < end
    }
    firsts: dict[TopicPartition, datetime] = {}
    for place, span in behind.items():
        async for record in read_between(cluster, {place: span}):
            firsts[place] = _EPOCH + timedelta(milliseconds=record.timestamp)
            break
    return min([asked_at, *firsts.values()])
