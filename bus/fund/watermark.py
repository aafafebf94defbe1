"""Up to which moment the fund is complete: everything accepted before it has been taken in."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import TopicPartition

from bus.fund.past import PastReader
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, read_between, topic_partitions
from bus.model.identifiers import DatasetCode
from bus.wire import topics

_ACCEPTED: Final = "accepted."
_TAKEN_IN_S: Final = 1.0
"""A worker that keeps up has by then taken in what a busy topic held."""
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


async def note_watermarks(cluster: Cluster, reader: PastReader) -> None:
    """Note of every dataset that the fund has taken in what was accepted up to now, where it has.

    Readers by SQL can't ask the log. What is kept of a dataset that is behind stays as it was.

    Args:
        cluster: Reached as a principal that may read the accepted topics.
        reader: Of the fund.

    Raises:
        Unavailable: Kafka or PostgreSQL does not answer.
    """
    asked_at = await reader.now()
    logs = await offsets(cluster, await topic_partitions(cluster, [_ACCEPTED]))
    await asyncio.sleep(_TAKEN_IN_S)
    read = await reader.all_positions()
    behind = {
        place.topic for place, (start, end) in logs.items() if max(start, read.get(place, 0)) < end
    }
    complete = {place.topic for place in logs} - behind
    if complete:
        await reader.note_complete({*map(topics.dataset_of_accepted, complete)}, asked_at)
