"""A hand-written aiokafka loop: fetch, judge, one batch per output partition, wait, commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.bench.variants.job import Job, read_job, tell_done, tell_first
from tests.bench.variants.resident_rules import judge_with

POLL_RECORDS = 2_000
BATCH_BYTES = 1024 * 1024


async def run(job: Job, *, with_headers: bool = False) -> None:
    """Work the job off.

    Args:
        job: What to do.
        with_headers: Carry the records' headers too, and read committed records alone.
    """
    is_good = judge_with(job.schema)
    consumer = AIOKafkaConsumer(
        group_id=job.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed" if with_headers else "read_uncommitted",
        max_poll_records=POLL_RECORDS,
        session_timeout_ms=10_000,
        heartbeat_interval_ms=500,
        **job.aiokafka_options(),
    )
    producer = AIOKafkaProducer(
        acks="all",
        linger_ms=5,
        max_batch_size=BATCH_BYTES,
        max_request_size=2 * BATCH_BYTES,
        **job.aiokafka_options(),
    )
    places = [TopicPartition(job.source, number) for number in range(len(job.starts))]
    await producer.start()
    await consumer.start()
    consumer.assign(places)
    for place, start in zip(places, job.starts, strict=True):
        consumer.seek(place, start)
    seen = 0
    while seen < job.records:
        fetched = await consumer.getmany(timeout_ms=1_000, max_records=POLL_RECORDS)
        if fetched and not seen:
            tell_first()
        futures = []
        ends = {}
        for place, records in fetched.items():
            futures += await _forward(
                producer, job, place.partition, records, is_good, with_headers=with_headers
            )
            ends[place] = records[-1].offset + 1
            seen += len(records)
        await asyncio.gather(*futures)
        if ends:
            await consumer.commit(ends)
    tell_done()


async def _forward(
    producer: Any,  # noqa: ANN401 - aiokafka has no types
    job: Job,
    partition: int,
    records: Iterable[Any],
    is_good: Callable[[bytes], bool],
    *,
    with_headers: bool,
) -> list[Any]:
    """Send records of one partition on; give a future for each batch."""
    batches: dict[str, Any] = {}
    futures = []
    for record in records:
        topic = job.out if is_good(record.value) else job.dlq
        batch = batches.get(topic)
        if batch is None:
            batch = batches[topic] = producer.create_batch()
        headers = [*record.headers] if with_headers else []
        sent = {"key": record.key, "value": record.value, "timestamp": None, "headers": headers}
        if batch.append(**sent) is None:
            futures.append(await producer.send_batch(batch, topic, partition=partition))
            batch = batches[topic] = producer.create_batch()
            assert batch.append(**sent) is not None, "larger than a batch"
    for topic, batch in batches.items():
        futures.append(await producer.send_batch(batch, topic, partition=partition))
    return futures


if __name__ == "__main__":
    asyncio.run(run(read_job()))
