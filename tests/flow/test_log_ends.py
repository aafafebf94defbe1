"""What the watch learns of logs: ends, the age of what waits, and that markers are no records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from bus.errors import Unavailable
from bus.kafka.administration import connect_admin
from bus.kafka.cluster import Cluster
from bus.observe.log_ends import LogEnds
from bus.settings import Settings
from bus.wire import topics
from bus.wiring import Installation

TOPIC = "control.log-ends"


@pytest.fixture
def cluster(home: Path) -> Cluster:
    cluster = Installation(Settings(home=home)).cluster_as_admin()
    client = connect_admin(cluster).client
    if TOPIC not in client.list_topics(timeout=20).topics:
        config = {"message.timestamp.type": "LogAppendTime"}
        made = client.create_topics([NewTopic(TOPIC, 3, 1, config=config)])
        made[TOPIC].result(20)
    return cluster


@pytest.fixture
def log_ends(cluster: Cluster) -> Iterator[LogEnds]:
    found = LogEnds(cluster, topics.ENFORCE_GROUP)
    yield found
    found.close()


async def test_ages_are_those_of_records_and_markers_alone_are_nothing(
    cluster: Cluster, log_ends: LogEnds
) -> None:
    """Partition 0 gets records, 1 a committed and an aborted transaction, 2 nothing."""
    places = [(TOPIC, number) for number in range(3)]
    begins = await known_ends(log_ends, places)
    started_ms = int(time.time() * 1000)
    producer = AIOKafkaProducer(transactional_id="log-ends", **cluster.aiokafka_options())
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(TOPIC, b"first", partition=0)
            await producer.send_and_wait(TOPIC, b"second", partition=0)
            await producer.send_and_wait(TOPIC, b"seen", partition=1)
        await producer.begin_transaction()
        await producer.send_and_wait(TOPIC, b"never seen", partition=1)
        await producer.abort_transaction()
    finally:
        await producer.stop()
    moved = [0, 0, 0]
    async with asyncio.timeout(60):
        # Kafka writes a transaction's markers some time after it has acknowledged the end of it.
        while moved != [3, 4, 0]:
            ends = await known_ends(log_ends, places)
            moved = [ends[place] - begins[place] for place in places]
    waiting = {places[0]: begins[places[0]], places[1]: begins[places[1]] + 1}
    found: dict[tuple[str, int], int | None] = {}
    async with asyncio.timeout(60):
        while len(found) < len(waiting):
            found |= await asyncio.to_thread(log_ends.oldest_ms, waiting)
    assert found[places[1]] is None
    appended_ms = found[places[0]]
    assert appended_ms is not None
    assert started_ms - 1_000 <= appended_ms <= int(time.time() * 1000) + 1_000


async def known_ends(
    log_ends: LogEnds, places: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """Ask until every log has a leader, which a topic made a moment ago may lack."""
    async with asyncio.timeout(60):
        while True:
            found = await asyncio.to_thread(log_ends.ends, places)
            if len(found) == len(places):
                return found


async def test_a_topic_that_is_gone_has_no_end_and_the_others_have(log_ends: LogEnds) -> None:
    await known_ends(log_ends, [(TOPIC, 0)])
    asked = [(TOPIC, 0), ("control.no-such-topic", 0)]
    assert set(await asyncio.to_thread(log_ends.ends, asked)) == {(TOPIC, 0)}


async def test_a_silent_kafka_is_told_as_unavailable(cluster: Cluster) -> None:
    nobody = Cluster(
        bootstrap="127.0.0.1:9",
        ca_file=cluster.ca_file,
        principal=cluster.principal,
        password=cluster.password,
    )
    silent = LogEnds(nobody, topics.ENFORCE_GROUP)
    try:
        with pytest.raises(Unavailable):
            await asyncio.to_thread(silent.ends, [(TOPIC, 0)])
    finally:
        silent.close()
