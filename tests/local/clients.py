"""Real clients of the engines, as another process would build them from `Engines`."""

from collections.abc import Mapping
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from bus.local import Engines

TIMEOUT_S = 10


def login(engines: Engines, user: str = "", password: str = "") -> dict[str, str]:
    return {
        "bootstrap.servers": engines.kafka_bootstrap,
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(engines.kafka_ca_file),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user or engines.kafka_admin_user,
        "sasl.password": password or engines.kafka_admin_password_file.read_text(),
        "log_level": "0",
    }


def admin(engines: Engines) -> AdminClient:
    return AdminClient(quiet(login(engines)))


def quiet(settings: Mapping[str, str]) -> dict[str, Any]:
    return {**settings, "error_cb": lambda _: None}


def create_topic(engines: Engines, topic: str) -> None:
    client = admin(engines)
    for future in client.create_topics([NewTopic(topic, 1, 1)]).values():
        future.result(TIMEOUT_S)


def create_user(engines: Engines, user: str, password: str) -> None:
    credential = UserScramCredentialUpsertion(
        user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), password.encode()
    )
    client = admin(engines)
    for future in client.alter_user_scram_credentials([credential]).values():
        future.result(TIMEOUT_S)


def produce(settings: Mapping[str, str], topic: str, values: list[bytes]) -> list[KafkaError]:
    """Send values and return the broker's refusals."""
    refusals: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refusals.append(error)

    producer = Producer(
        quiet({**settings, "acks": "all", "message.timeout.ms": str(TIMEOUT_S * 1000)})
    )
    for value in values:
        producer.produce(topic, value, on_delivery=delivered)
    assert producer.flush(TIMEOUT_S + 1) == 0
    return refusals


def read_all(engines: Engines, topic: str) -> list[bytes]:
    consumer = Consumer(
        quiet({**login(engines), "group.id": "unused", "enable.auto.commit": "false"})
    )
    try:
        partition = TopicPartition(topic, 0, 0)
        _, end = consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)
        consumer.assign([partition])
        messages = consumer.consume(end, timeout=TIMEOUT_S)
        assert all(m.error() is None for m in messages)
        return [m.value() or b"" for m in messages]
    finally:
        consumer.close()


def sql(engines: Engines, statement: str) -> list[tuple[object, ...]]:
    password = engines.postgres_password_file.read_text()
    with psycopg.connect(
        engines.postgres_dsn, password=password, autocommit=True, connect_timeout=TIMEOUT_S
    ) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
