"""Trying what a principal may do, with ordinary clients."""

from __future__ import annotations

import time
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from bus.kafka.cluster import Cluster

TIMEOUT_S = 10.0


def write(cluster: Cluster, topic: str, value: bytes = b"value") -> int | None:
    """Produce one record.

    Returns: The code of the broker's refusal, or None when it took the record.
    """
    refusals: list[KafkaError] = []

    def told(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refusals.append(error)

    producer = Producer(
        _quiet(cluster, {"enable.idempotence": "true", "message.timeout.ms": 8_000})
    )
    producer.produce(topic, value, on_delivery=told)
    assert producer.flush(TIMEOUT_S) == 0
    return refusals[0].code() if refusals else None


def read(cluster: Cluster, topic: str) -> int | None:
    """Fetch one record in a new group under the principal's own name; refusals as in `write`."""
    return read_in_group(cluster, topic, f"{cluster.principal}.{uuid4()}")


def read_in_group(cluster: Cluster, topic: str, group: str) -> int | None:
    """Fetch one record as a member of a group; refusals as in `write`."""
    consumer = Consumer(_quiet(cluster, {"group.id": group, "auto.offset.reset": "earliest"}))
    consumer.subscribe([topic])
    return _first_answer(consumer)


def begin_transactions(cluster: Cluster, transactional_id: str) -> int | None:
    """Take a transactional id; refusals as in `write`."""
    producer = Producer(_quiet(cluster, {"transactional.id": transactional_id}))
    try:
        producer.init_transactions(TIMEOUT_S)
    except KafkaException as refusal:
        code: int = refusal.args[0].code()
        return code
    return None


def log_in(cluster: Cluster) -> bool:
    """Tell whether the cluster lets a principal in."""
    consumer = Consumer(_quiet(cluster, {"group.id": f"{cluster.principal}.unused"}))
    try:
        consumer.list_topics(timeout=3)
    except KafkaException:
        return False
    finally:
        consumer.close()
    return True


def _first_answer(consumer: Consumer) -> int | None:
    deadline = time.monotonic() + TIMEOUT_S
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                return None
            code: int = error.code()
            if code != KafkaError._TRANSPORT:
                return code
        raise AssertionError(f"neither a record nor a refusal within {TIMEOUT_S} s")
    finally:
        consumer.close()


def _quiet(cluster: Cluster, more: dict[str, str | int]) -> dict[str, object]:
    return {**cluster.confluent_options(), **more, "log_level": 0, "error_cb": lambda _: None}
