"""What the gate refused, in topic `control.gate`: one record for each contract at each attempt.

The topic only grows and the administrator alone writes it, so a refusal is there for whoever
checks later that no un-optimised process was automated. When it was refused says the broker.
Source: ADR-0010.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict

from bus.errors import Unavailable
from bus.kafka.administration import connect_admin, count_brokers
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, read_whole, topic_partitions
from bus.provision.contract_publish import GateRefusal
from bus.provision.topic_apply import apply_topics
from bus.provision.topic_plan import control_log, replication_factor_for
from bus.texts import message
from bus.wire import topics

_MS_PER_S: Final = 1000


@unique
class Attempt(StrEnum):
    """By which command a contract was to come into force."""

    PUBLISH = "contract publish"
    APPLY = "catalogue apply"


class _Entry(BaseModel):
    """The record's value."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    attempt: Attempt
    dataset: str
    contract_version: str
    process: str
    reason: str
    found: str
    expected: str
    remedy: str
    agency: str
    post: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRefusal:
    """One refusal as it was recorded."""

    number: int
    """Offset in the topic."""
    refused_at: datetime
    """Append time of the broker; aware, UTC."""
    attempt: Attempt
    dataset: str
    contract_version: str
    process: str
    reason: str
    """A code of `bus.contracts.gate.RefusalReason` as it was then."""
    found: str
    expected: str
    remedy: str
    agency: str
    """That had to act."""
    post: str
    """Who in the agency."""


async def record_refusals(
    cluster: Cluster, refusals: Sequence[GateRefusal], attempt: Attempt
) -> None:
    """Write refusals down; the topic is made if this is the first time.

    Args:
        cluster: Reached as the administrator, the topic's only writer.
        refusals: Of one attempt.
        attempt: What was tried.

    Raises:
        Unavailable: Kafka does not answer: nothing or not everything is recorded.
    """
    await asyncio.to_thread(_make_topic, cluster)
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **cluster.aiokafka_options())
    try:
        await producer.start()
        for refused in refusals:
            value = _entry(refused, attempt).model_dump_json().encode()
            await producer.send_and_wait(
                topics.GATE, key=refused.dataset.encode(), value=value, partition=0
            )
    except KafkaError as problem:
        raise Unavailable(
            message("error.provision.gate_unwritten", topic=topics.GATE, problem=repr(problem))
        ) from problem
    finally:
        await producer.stop()


async def read_refusals(cluster: Cluster) -> tuple[RecordedRefusal, ...]:
    """Read every refusal on record, oldest first.

    Raises:
        Unavailable: Kafka does not answer.
    """
    try:
        partitions = [
            place
            for place in await topic_partitions(cluster, [topics.GATE])
            if place.topic == topics.GATE
        ]
        ends = {place: end for place, (_, end) in (await offsets(cluster, partitions)).items()}
        return tuple(
            [
                _recorded(record.offset, record.timestamp, record.value or b"")
                async for record in read_whole(cluster, ends)
            ]
        )
    except KafkaError as problem:
        raise Unavailable(
            message("error.provision.topic_unread", topic=topics.GATE, problem=repr(problem))
        ) from problem


def _make_topic(cluster: Cluster) -> None:
    admin = connect_admin(cluster)
    factor = replication_factor_for(count_brokers(admin))
    apply_topics(admin, {topics.GATE: control_log(factor)})


def _entry(refused: GateRefusal, attempt: Attempt) -> _Entry:
    return _Entry(
        attempt=attempt,
        dataset=refused.dataset,
        contract_version=refused.contract_version,
        process=refused.process,
        reason=refused.refusal.reason,
        found=str(refused.refusal.found),
        expected=str(refused.refusal.expected),
        remedy=str(refused.refusal.remedy),
        agency=refused.agency,
        post=refused.post,
    )


def _recorded(offset: int, timestamp_ms: int, value: bytes) -> RecordedRefusal:
    entry = _Entry.model_validate(json.loads(value))
    return RecordedRefusal(
        number=offset,
        refused_at=datetime.fromtimestamp(timestamp_ms / _MS_PER_S, UTC),
        **entry.model_dump(),
    )
