"""Sending for systems: the gateway's own Kafka user, and the keys that systems delegated to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.partitioner import DefaultPartitioner

from bus.access.credentials import delegated_key_file, load_signing_key
from bus.catalogue.snapshot import Snapshot
from bus.errors import DocumentError, Unavailable
from bus.gateway.problems import Problem
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.model.identifiers import KeyId, SystemCode
from bus.wire.delivery import Delivery
from bus.wire.signature import BatchSigner

logger = logging.getLogger(__name__)

DURABLE_S_MAX: Final = 15.0
"""How long the cluster may take to make a request's records durable."""


class Carrier:
    """Sends what it is given, and says where it lies once all in-sync replicas have it."""

    def __init__(self, home: Path, cluster: Callable[[], Cluster]) -> None:
        """Prepare; the first record connects.

        Args:
            home: Where delegated keys lie.
            cluster: Gives the cluster as the gateway reaches it; raises DocumentError where no
                system ever delegated a key here.
        """
        self._home = home
        self._cluster = cluster
        self._producer: BatchProducer | None = None
        self._starting = asyncio.Lock()
        self._signers: dict[KeyId, BatchSigner] = {}
        self._partition_of = DefaultPartitioner()
        self._ending: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            self._give_up(self._producer)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def signer(self, snapshot: Snapshot, system: SystemCode, now_ms: int) -> BatchSigner:
        """Give what signs with a system's delegated key.

        Args:
            snapshot: The catalogue in force.
            system: Who publishes.
            now_ms: Milliseconds since 1970 UTC.

        Raises:
            Problem: It delegated none that is valid now and lies here.
        """
        for key_id, key in snapshot.keys.items():
            is_valid = key.valid_from_ms <= now_ms < key.valid_until_ms
            if key.system == system and key.is_delegated and is_valid:
                signer = self._signer(key_id)
                if signer is not None:
                    return signer
        raise Problem(403, "not_delegated", system=system)

    def _signer(self, key_id: KeyId) -> BatchSigner | None:
        if key_id not in self._signers:
            try:
                key = load_signing_key(delegated_key_file(self._home, key_id))
            except DocumentError as problem:
                logger.warning("gateway.no_delegated_key key=%s problem=%s", key_id, problem)
                return None
            self._signers[key_id] = BatchSigner(key_id, key.private_bytes_raw())
        return self._signers[key_id]

    def partition_of(self, key: bytes, partitions: int) -> int:
        """Choose the partition that Kafka's Java client chooses for a key."""
        numbers = list(range(partitions))
        partition: int = self._partition_of(key, numbers, numbers)
        return partition

    async def send(self, deliveries: Sequence[Delivery]) -> list[int | None]:
        """Make signed records durable.

        Returns: Their offsets, in order; None where Kafka does not tell one.

        Raises:
            Problem: They are not durable in time; some may be there all the same.
            Unavailable: Kafka does not answer.
        """
        producer = await self._connected()
        sending = asyncio.ensure_future(producer.deliver_placed(deliveries))
        try:
            async with asyncio.timeout(DURABLE_S_MAX):
                return await asyncio.shield(sending)
        except (TimeoutError, KafkaError) as problem:
            sending.cancel()
            # Why: an idempotent producer that missed a batch refuses those behind it.
            self._give_up(producer)
            if isinstance(problem, TopicAuthorizationFailedError):
                raise Problem(503, "not_permitted_yet") from problem
            raise Problem(503, "not_durable", seconds=DURABLE_S_MAX) from problem
        except asyncio.CancelledError:
            sending.add_done_callback(_look_at)
            raise

    async def _connected(self) -> BatchProducer:
        async with self._starting:
            if self._producer is None:
                try:
                    cluster = self._cluster()
                except DocumentError as problem:
                    raise Unavailable(problem.message) from problem
                producer = BatchProducer(cluster, client_id="bus-gateway")
                await producer.start()
                self._producer = producer
            return self._producer

    def _give_up(self, producer: BatchProducer) -> None:
        if self._producer is producer:
            self._producer = None
            task = asyncio.create_task(producer.stop())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def _look_at(sent: asyncio.Future[list[int | None]]) -> None:
    """Take a result that nobody waits for any more."""
    if not sent.cancelled() and sent.exception() is not None:
        logger.info("gateway.unwatched problem=%s", type(sent.exception()).__name__)
