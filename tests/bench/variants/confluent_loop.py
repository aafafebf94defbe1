"""A hand-written confluent-kafka loop, tuned: short queue back-off, a commit per 20,000 records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from tests.bench.variants.job import Job, read_job, tell_done, tell_first
from tests.bench.variants.resident_rules import judge_with

POLL_RECORDS = 2_000
COMMIT_RECORDS = 20_000
BATCH_BYTES = 1024 * 1024


def run(job: Job, *, judge: Callable[[bytes], bool] | None, commit_records: int) -> None:
    """Work the job off.

    Args:
        job: What to do.
        judge: Tells good values from bad ones; None: nothing is looked at, all is good.
        commit_records: How many records are sent on between two commits.
    """
    refused: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(error)

    consumer, producer = _clients(job, on_delivery)
    consumer.assign(
        [TopicPartition(job.source, number, start) for number, start in enumerate(job.starts)]
    )
    ends: dict[int, Any] = dict(enumerate(job.starts))
    out, dlq, produce = job.out, job.dlq, producer.produce
    seen = behind = 0
    while seen < job.records:
        messages = consumer.consume(POLL_RECORDS, timeout=1.0)
        if messages and not seen:
            tell_first()
        for message in messages:
            assert message.error() is None, message.error()
            value: Any = message.value()
            topic = out if judge is None or judge(value) else dlq
            partition: Any = message.partition()
            produce(topic, value, message.key(), partition)
            ends[partition] = message.offset()
        producer.poll(0)
        seen += len(messages)
        behind += len(messages)
        if behind >= commit_records or seen >= job.records:
            behind = 0
            assert producer.flush(60) == 0, "not all was sent in a minute"
            assert not refused, refused[0]
            consumer.commit(
                offsets=[TopicPartition(job.source, at, end + 1) for at, end in ends.items()],
                asynchronous=False,
            )
    tell_done()


def _clients(job: Job, on_delivery: Callable[..., None]) -> tuple[Consumer, Producer]:
    consumer = Consumer(
        {
            **job.confluent_options(),
            "group.id": job.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_uncommitted",
            "session.timeout.ms": 10_000,
            "fetch.queue.backoff.ms": 10,
        }
    )
    producer = Producer(
        {
            **job.confluent_options(),
            "acks": "all",
            "linger.ms": 5,
            "batch.size": BATCH_BYTES,
            "batch.num.messages": 10_000,
            "queue.buffering.max.messages": 1_000_000,
            # Why: a failure must not pass, and a report of each success costs more than sending.
            "delivery.report.only.error": True,
            "on_delivery": on_delivery,
        }
    )
    return consumer, producer


if __name__ == "__main__":
    given = read_job()
    run(given, judge=judge_with(given.schema), commit_records=COMMIT_RECORDS)
