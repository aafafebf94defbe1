"""FastStream with batches: a list of records in, one published batch per topic out."""

from __future__ import annotations

import asyncio

from faststream import AckPolicy  # type: ignore[import-not-found]
from faststream.kafka import (  # type: ignore[import-not-found]
    KafkaBroker,
    KafkaMessage,
    KafkaPublishMessage,
)
from faststream.security import SASLScram512  # type: ignore[import-not-found]

from tests.bench.variants.job import Job, read_job, tell_done, tell_first
from tests.bench.variants.resident_rules import judge_with


async def run(job: Job) -> None:
    """Work the job off."""
    is_good = judge_with(job.schema)
    broker = KafkaBroker(
        job.bootstrap,
        security=SASLScram512(job.user, job.password, ssl_context=job.ssl_context(), use_ssl=True),
        acks="all",
        linger_ms=0,
        max_batch_size=1024 * 1024,
        logger=None,
    )
    seen = 0
    ended = asyncio.Event()

    @broker.subscriber(  # type: ignore[untyped-decorator]  # not installed beside the product
        job.source,
        group_id=job.group,
        batch=True,
        max_records=2_000,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def enforce(message: KafkaMessage) -> None:
        """Send a batch on; it is committed when this returns."""
        nonlocal seen
        records = message.raw_message
        if not seen:
            tell_first()
        sent: dict[str, list[KafkaPublishMessage]] = {job.out: [], job.dlq: []}
        for record in records:
            topic = job.out if is_good(record.value) else job.dlq
            sent[topic].append(KafkaPublishMessage(record.value, key=record.key))
        for topic, messages in sent.items():
            if messages:
                await broker.publish_batch(*messages, topic=topic)
        seen += len(records)
        if seen == job.records:
            ended.set()

    await broker.start()
    await ended.wait()
    await broker.stop()
    tell_done()


if __name__ == "__main__":
    asyncio.run(run(read_job()))
