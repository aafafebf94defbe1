"""Waiting until the bus has judged what was sent: its group has committed past it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
)

from bus.client.faults import translated
from bus.client.ledger import Ledger
from bus.client.log_reader import LogReader
from bus.client.own_log import Source
from bus.client.report import Outcome
from bus.kafka.cluster import Cluster
from bus.model.verdict import Reason
from bus.texts import message
from bus.wire import topics

_POLL_S: Final = 0.2
_NOT_YET = (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
)


async def await_judged(
    cluster: Cluster, topic: str, ends: Mapping[int, int], *, timeout_s: float
) -> Mapping[int, int]:
    """Wait until enforcement has committed past the ends of some partitions.

    It commits when all outputs are durable, so what it set aside can be read by then.

    Args:
        cluster: Reached as a principal that may describe enforcement's group and read the topic.
        topic: The in-topic.
        ends: Partition → one more than the last offset to be judged.
        timeout_s: How long to wait.

    Returns: Up to which offset each partition is judged; less than its end where the time was
        over first.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout_s
    with translated(message("doing.client.judged", topic=topic)):
        admin = AIOKafkaAdminClient(**cluster.aiokafka_options())
        try:
            await admin.start()
            while True:
                judged = await _judged(admin, topic, ends)
                if all(judged[partition] >= end for partition, end in ends.items()):
                    return judged
                if clock() + _POLL_S > deadline:
                    return judged
                await asyncio.sleep(_POLL_S)
        finally:
            await admin.close()


async def _judged(
    admin: AIOKafkaAdminClient, topic: str, ends: Mapping[int, int]
) -> dict[int, int]:
    judged = dict.fromkeys(ends, 0)
    places = [TopicPartition(topic, partition) for partition in ends]
    if not places:
        return judged
    try:
        committed = await admin.list_consumer_group_offsets(topics.ENFORCE_GROUP, partitions=places)
    except _NOT_YET:
        return judged
    # Why max: a partition without a commit is answered with -1.
    return judged | {place.partition: max(0, committed[place].offset) for place in committed}


async def outcome_of(
    cluster: Cluster,
    source: Source,
    ledger: Ledger,
    log: LogReader,
    starts: Mapping[int, int],
    *,
    timeout_s: float,
) -> Outcome:
    """Wait until the bus has judged what a publisher sent, and count what it made of it.

    Args:
        cluster: Reached as the publishing system.
        source: Who publishes what.
        ledger: The publisher's memory, which knows all that was sent.
        log: Reads refusals into it.
        starts: Partition → offset behind which records count.
        timeout_s: How long to wait; what is not judged then is pending.
    """
    sent = {partition: ledger.tally(partition, start) for partition, start in starts.items()}
    ends = {partition: tally.end for partition, tally in sent.items() if tally.records}
    judged = await await_judged(cluster, source.inbound, ends, timeout_s=timeout_s)
    await log.read_to_end()
    accepted = 0
    quarantined: Counter[Reason] = Counter()
    for partition, start in starts.items():
        quarantined.update(ledger.tally(partition, start).refused)
        passed = ledger.tally(partition, start, judged.get(partition, 0))
        accepted += passed.records - sum(passed.refused.values())
    count = sum(tally.records for tally in sent.values())
    return Outcome(
        sent=count,
        accepted=accepted,
        quarantined=dict(quarantined),
        pending=count - accepted - quarantined.total(),
    )
