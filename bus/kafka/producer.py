"""Producing in batches per topic-partition, acknowledged by all in-sync replicas."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Self

from aiokafka import AIOKafkaProducer

from bus.kafka.cluster import Cluster
from bus.route.delivery import Delivery

_LINGER_MS: Final = 5
_BATCH_BYTES: Final = 256 * 1024
_REQUEST_BYTES_MAX: Final = 1_572_864
_STOP_S: Final = 10.0


class BatchProducer:
    """An idempotent producer that sends many records at once and tells when all are durable."""

    def __init__(
        self, cluster: Cluster, client_id: str, *, batch_bytes: int = _BATCH_BYTES
    ) -> None:
        """Prepare a producer; `start` connects it.

        Args:
            cluster: Reached as the principal that produces.
            client_id: For the broker's log and metrics.
            batch_bytes: Of one Kafka batch at most; the topics must take it.
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
            max_batch_size=self._batch_bytes,
            max_request_size=_REQUEST_BYTES_MAX,
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
        stopping = asyncio.ensure_future(producer.stop())
        done, _ = await asyncio.wait({stopping}, timeout=_STOP_S)
        if not done:
            # Why: an idempotent producer tries for ever, and its own stop waits for it.
            await producer.client.close()
            producer._sender.sender_task.cancel()  # noqa: SLF001 - there is no public way
        await stopping

    async def send(self, deliveries: Sequence[Delivery]) -> list[asyncio.Future[object]]:
        """Hand deliveries over, in order within each topic-partition.

        Returns: One future per batch, done when all in-sync replicas have it. Awaiting the call
            itself only waits for room in the producer's buffers.
        """
        assert self._producer is not None, "start() comes first"
        by_target: dict[tuple[str, int], list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            by_target[delivery.topic, delivery.partition].append(delivery)
        acknowledgements = []
        for (topic, partition), waiting in by_target.items():
            batch = self._producer.create_batch()
            for delivery in waiting:
                if self._append(batch, delivery) is None:
                    acknowledgements.append(
                        await self._producer.send_batch(batch, topic, partition=partition)
                    )
                    batch = self._producer.create_batch()
                    if self._append(batch, delivery) is None:
                        # Larger than a whole batch: aiokafka sends such a record alone.
                        acknowledgements.append(await self._send_alone(delivery))
            if batch.record_count():
                batch.close()  # Why: an open batch would linger for records that never come.
                acknowledgements.append(
                    await self._producer.send_batch(batch, topic, partition=partition)
                )
        return acknowledgements

    async def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Send and wait until every record is durable.

        Raises:
            KafkaError: At least one was not acknowledged; the others may be.
        """
        await asyncio.gather(*await self.send(deliveries))

    @staticmethod
    def _append(batch: object, delivery: Delivery) -> object | None:
        appended: object | None = batch.append(  # type: ignore[attr-defined]
            key=delivery.key, value=delivery.value, timestamp=None, headers=delivery.headers
        )
        return appended

    async def _send_alone(self, delivery: Delivery) -> asyncio.Future[object]:
        assert self._producer is not None
        future: asyncio.Future[object] = await self._producer.send(
            delivery.topic,
            key=delivery.key,
            value=delivery.value,
            headers=delivery.headers,
            partition=delivery.partition,
        )
        return future
