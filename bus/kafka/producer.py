"""Producing in batches per topic-partition, acknowledged by all in-sync replicas."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, Self, cast

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from bus.errors import InvariantBroken
from bus.kafka.closing import stop_producer
from bus.kafka.cluster import Cluster
from bus.wire.delivery import Delivery
from bus.wire.groups import units
from bus.wire.headers import headers_bytes

_LINGER_MS: Final = 5
_BATCH_BYTES: Final = 256 * 1024
_GROUP_BATCH_BYTES: Final = 480 * 1024
"""Of a batch that holds a group: `bus.wire.groups.GROUP_BYTES_MAX` and what the bus adds, under
the 512 KiB that accepted topics take."""
_RECORD_BYTES: Final = 32
"""Of Kafka's own fields in a record, at most."""
_UNCOMPRESSED: Final = 0
REQUEST_BYTES_MAX: Final = 1_572_864


class BatchProducer:
    """An idempotent producer that sends many records at once and tells when all are durable."""

    def __init__(
        self, cluster: Cluster, client_id: str, *, batch_bytes: int = _BATCH_BYTES
    ) -> None:
        """Prepare a producer; `start` connects it.

        Args:
            cluster: Reached as the principal that produces.
            client_id: For the broker's log and metrics.
            batch_bytes: Of one Kafka batch at most, but for one that holds a group or a single
                large record; the topics must take it.
        """
        self._cluster = cluster
        self._client_id = client_id
        self._batch_bytes = batch_bytes
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=_LINGER_MS,
            max_batch_size=max(self._batch_bytes, _GROUP_BATCH_BYTES),
            max_request_size=REQUEST_BYTES_MAX,
            **self._cluster.aiokafka_options(),
        )
        try:
            await self._producer.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Send what waits and disconnect; what can't be sent in time is given up."""
        if self._producer is None:
            return
        producer, self._producer = self._producer, None
        await stop_producer(producer)

    async def send(self, deliveries: Sequence[Delivery]) -> list[asyncio.Future[object]]:
        """Hand deliveries over, in order within each topic-partition.

        Members of a group go into one batch, which the broker appends whole or not at all.

        Returns: One future per batch, done when all in-sync replicas have it. Awaiting the call
            itself only waits for room in the producer's buffers.
        """
        return [acknowledgement for _, acknowledgement in await self._hand_over(deliveries)]

    async def _hand_over(
        self, deliveries: Sequence[Delivery]
    ) -> list[tuple[Sequence[Delivery], asyncio.Future[object]]]:
        """Hand deliveries over; gives the members of each batch with its acknowledgement."""
        assert self._producer is not None, "start() comes first"
        by_target: dict[tuple[str, int], list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            by_target[delivery.topic, delivery.partition].append(delivery)
        handed: list[tuple[Sequence[Delivery], asyncio.Future[object]]] = []
        for (topic, partition), waiting in by_target.items():
            start = 0
            for batch in self._batches(waiting):
                members = waiting[start : start + batch.record_count()]
                start += len(members)
                batch.close()  # Why: an open batch would linger for records that never come.
                acknowledgement = await self._producer.send_batch(batch, topic, partition=partition)
                handed.append((members, acknowledgement))
        return handed

    async def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Send and wait until every record is durable.

        Raises:
            KafkaError: At least one was not acknowledged; the others may be.
        """
        await asyncio.gather(*await self.send(deliveries))

    async def deliver_placed(self, deliveries: Sequence[Delivery]) -> list[int | None]:
        """Send, wait until every record is durable, and tell where each lies.

        Returns: Offsets in the order of the deliveries; None where the broker knew a batch from
            an attempt before and does not tell its place.

        Raises:
            KafkaError: At least one was not acknowledged; the others may be.
        """
        handed = await self._hand_over(deliveries)
        metadata = await asyncio.gather(*[acknowledgement for _, acknowledgement in handed])
        offsets: dict[int, int | None] = {}
        for (members, _), placed in zip(handed, metadata, strict=True):
            first = cast("RecordMetadata", placed).offset
            for place, member in enumerate(members):
                offsets[id(member)] = None if first < 0 else first + place
        return [offsets[id(delivery)] for delivery in deliveries]

    def _batches(self, waiting: Sequence[Delivery]) -> Iterator[BatchBuilder]:
        """Build batches of what goes to one topic-partition, each as full as it may be.

        Raises:
            InvariantBroken: A group does not fit: whoever planned it let it grow too large.
        """
        groups = [delivery.group for delivery in waiting]
        if not any(groups):
            yield from self._full_batches(waiting)
            return
        assert self._producer is not None
        batch = self._producer.create_batch()
        for unit in units(waiting, groups):
            size_bytes = sum(map(_size_bytes, unit))
            if batch.record_count() and batch.size() + size_bytes > self._batch_bytes:
                yield batch
                batch = self._producer.create_batch()
            for delivery in unit:
                if not _append(batch, delivery):
                    raise InvariantBroken(
                        f"{delivery.topic}/{delivery.partition}: group {delivery.group} is larger "
                        "than one Kafka batch; nothing of it is sent. Compare GROUP_BYTES_MAX of "
                        "bus/wire/groups.py with the limits of bus/kafka/producer.py."
                    )
        yield batch

    def _full_batches(self, waiting: Sequence[Delivery]) -> Iterator[BatchBuilder]:
        """Build batches of records without groups: the builder itself tells when it is full.

        It takes the first record whatever its size.
        """
        batch = BatchBuilder(self._batch_bytes, _UNCOMPRESSED)
        for delivery in waiting:
            if not _append(batch, delivery):
                yield batch
                batch = BatchBuilder(self._batch_bytes, _UNCOMPRESSED)
                _append(batch, delivery)
        yield batch


def _append(batch: BatchBuilder, delivery: Delivery) -> bool:
    """Put a record into a batch; False where it is full, which closes it."""
    added = batch.append(
        key=delivery.key, value=delivery.value, timestamp=None, headers=delivery.headers
    )
    return added is not None


def _size_bytes(delivery: Delivery) -> int:
    """Tell what a record takes in a batch, at most."""
    content = len(delivery.key or b"") + len(delivery.value or b"")
    return content + headers_bytes(delivery.headers) + _RECORD_BYTES + 4 * len(delivery.headers)
