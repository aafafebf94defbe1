"""How far a connector is in its source, kept beside its records and fenced.

One record for each connector in `positions.<agency>`, compacted, so that the latest word counts. It
is written in a transaction of the connector's own transactional id, for that alone fences: who
opens the same connector later makes every further word of the one before fail. The rows themselves
go outside of it; why the two can't come apart all the same stands in ADR-0028.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeAlias

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced

from bus.client.faults import translated
from bus.client.region import read_region
from bus.client.sending import source_of
from bus.errors import DocumentError, Fenced
from bus.kafka.closing import stop_producer
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, read_whole
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.texts import message
from bus.wire import topics

Json: TypeAlias = Any
"""What JSON can write."""
POSITION_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPosition:
    """Where a source is read on from, and what of it had been told by then."""

    position: Json
    """The source's own; None: from its beginning."""
    barrier: Mapping[int, int]
    """Partition → end of the in-topic when all rows up to the position were durable, and none
    behind it was sent."""
    kept_at: str
    """RFC 3339, UTC."""
    by: str
    """What the connector's own version was, for people."""


class PositionKeeper:
    """The position of one connector; the latest one that was opened is the one that keeps it."""

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, name: str, kept: KeptPosition | None
    ) -> None:
        """Take what is connected; `open` is the way in."""
        self._producer = producer
        self._topic = topic
        self._name = name
        self.kept = kept
        """The latest; None: the connector never ran."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, cluster: Cluster, *, system: SystemCode, dataset: DatasetCode, connector: str
    ) -> AsyncIterator[Self]:
        """Become the one that keeps a connector's position, and read it.

        Args:
            cluster: Reached as the system.
            system: For which the connector publishes.
            dataset: What it publishes.
            connector: Its name.

        Raises:
            DocumentError: The system may not, or does not provide the dataset.
            Unavailable: Kafka does not answer.
        """
        agency = source_of(await read_region(cluster), system, dataset).agency
        name = position_name(system, connector)
        topic = topics.positions(agency)
        producer = AIOKafkaProducer(
            client_id=name, transactional_id=name, **cluster.aiokafka_options()
        )
        try:
            with translated(message("doing.client.position", connector=connector)):
                # Why before reading: whoever kept it until now writes no more behind our back.
                await producer.start()
                kept = (await read_positions(cluster, agency)).get(name)
            yield cls(producer, topic, name, kept)
        finally:
            await stop_producer(producer)

    async def keep(
        self, position: Json, barrier: Mapping[int, int], *, at: datetime, by: str
    ) -> KeptPosition:
        """Keep a position, and return when all in-sync replicas have it.

        Args:
            position: What JSON can write, at most 64 KiB of it.
            barrier: See `KeptPosition`.
            at: Aware.
            by: The connector's own version.

        Raises:
            DocumentError: It is too large.
            Fenced: The connector was opened anew elsewhere; this one has to end.
            Unavailable: Kafka does not answer; whether it was kept is not known, and need not be.
        """
        content = {
            "position": position,
            "barrier": {str(partition): end for partition, end in barrier.items()},
            "kept_at": at.astimezone(UTC).isoformat(timespec="milliseconds"),
            "by": by,
        }
        value = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        if len(value) > POSITION_BYTES_MAX:
            told = {"connector": self._name, "size": len(value), "size_max": POSITION_BYTES_MAX}
            raise DocumentError(message("error.client.position_too_large", **told))
        with translated(message("doing.client.position", connector=self._name)):
            try:
                async with self._producer.transaction():
                    await self._producer.send_and_wait(
                        self._topic, value, key=self._name.encode(), partition=0
                    )
            except (ProducerFenced, InvalidProducerEpoch) as problem:
                raise Fenced(
                    message("error.client.position_fenced", connector=self._name)
                ) from problem
        self.kept = _parsed(value)
        return self.kept


async def read_own_positions(
    cluster: Cluster, system: SystemCode, dataset: DatasetCode
) -> Mapping[str, KeptPosition]:
    """Read how far all connectors of a system's agency are; see `read_positions`.

    Raises:
        DocumentError: The system does not provide the dataset.
        Unavailable: Kafka does not answer.
    """
    agency = source_of(await read_region(cluster), system, dataset).agency
    return await read_positions(cluster, agency)


def position_name(system: SystemCode, connector: str) -> str:
    """Name a connector's position: its key in the topic, and its transactional id."""
    return f"{system}.connector.{connector}"


async def read_positions(cluster: Cluster, agency: AgencyCode) -> Mapping[str, KeptPosition]:
    """Read how far all connectors of an agency are: `<system>.connector.<name>` → position.

    Raises:
        DocumentError: The principal may not read it.
        Unavailable: Kafka does not answer.
    """
    topic = topics.positions(agency)
    with translated(message("doing.client.position", connector=topic)):
        ends = await offsets(cluster, [TopicPartition(topic, 0)])
        spans = {place: end for place, (_, end) in ends.items()}
        found: dict[str, KeptPosition] = {}
        async for raw in read_whole(cluster, spans):
            name = (raw.key or b"").decode()
            if raw.value is None:
                found.pop(name, None)
            else:
                found[name] = _parsed(raw.value)
    return found


def _parsed(value: bytes) -> KeptPosition:
    content = json.loads(value)
    return KeptPosition(
        position=content["position"],
        barrier={int(partition): end for partition, end in content["barrier"].items()},
        kept_at=content["kept_at"],
        by=content["by"],
    )
