"""Signed batches on their way to the in-topic, in order and in bounded number."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from aiokafka.partitioner import DefaultPartitioner

from bus.client.faults import translated
from bus.errors import DocumentError, Unavailable, Words
from bus.kafka.producer import BatchProducer
from bus.texts import message
from bus.tracing.exporting import UNKEPT, Spans
from bus.tracing.sent import sent_spans
from bus.wire.delivery import Delivery, sign
from bus.wire.groups import GROUP_BYTES_MAX
from bus.wire.headers import headers_bytes
from bus.wire.signature import BATCH_LEAVES_MAX, BatchSigner

_T = TypeVar("_T")

LINGER_S: Final = 0.005
"""How long the first record of a batch waits for others; longer only while the batch before it
is on its way, which it would have to wait for anyway."""
BATCH_BYTES_MAX: Final = 900_000
"""Of one batch with signatures; the in-topic takes 1 MiB."""
RECORD_BYTES_MAX: Final = BATCH_BYTES_MAX
IN_FLIGHT_BATCHES_MAX: Final = 32
ACKNOWLEDGEMENT_S: Final = 60.0
"""How long the cluster may take to make one batch durable, a change of leader included."""
_SIGNATURE_BYTES: Final = 512
"""Of header `bus_sig` and Kafka's own fields, at most: 64 and 8 hashes and names."""
_HINT: Final = message("error.client.publish_again")


def size_bytes_of(delivery: Delivery) -> int:
    """Tell what a record takes in a batch, at most, its signature included."""
    content = len(delivery.key or b"") + len(delivery.value or b"")
    return content + headers_bytes(delivery.headers) + _SIGNATURE_BYTES


@dataclass(slots=True, kw_only=True)
class _Batch:
    """Records of one partition that wait for others."""

    deliveries: list[Delivery] = field(default_factory=list)
    size_bytes: int = 0
    due_s: float = 0.0
    """On the loop's clock."""


class Outlet:
    """Gathers records by partition, signs each batch once and sends it as one Kafka batch."""

    def __init__(
        self,
        producer: BatchProducer,
        signer: BatchSigner,
        partitions: Sequence[int],
        doing: Words,
        spans: Spans = UNKEPT,
    ) -> None:
        """Begin empty.

        Args:
            producer: Connected, with `batch_bytes` of at least `BATCH_BYTES_MAX`.
            signer: Of the publishing system.
            partitions: Of the in-topic, ascending.
            doing: What is going on, for messages.
            spans: Told when traced records are durable.
        """
        self._producer = producer
        self._signer = signer
        self._partitions = list(partitions)
        self._partition_of = DefaultPartitioner()
        self._waiting = {partition: _Batch() for partition in partitions}
        self._in_flight: deque[asyncio.Future[object]] = deque()
        self._before: dict[int, asyncio.Future[object]] = {}
        self._doing = doing
        self._spans = spans

    def partition_of(self, key: bytes) -> int:
        """Choose the partition that Kafka's Java client chooses for a key."""
        partition: int = self._partition_of(key, self._partitions, self._partitions)
        return partition

    async def add(self, delivery: Delivery) -> None:
        """Take a record; sends its batch when that is full.

        Raises:
            Unavailable: The cluster does not take what was sent before.
        """
        size_bytes = size_bytes_of(delivery)
        batch = self._waiting[delivery.partition]
        if batch.deliveries and batch.size_bytes + size_bytes > BATCH_BYTES_MAX:
            await self._send(delivery.partition)
            batch = self._waiting[delivery.partition]
        if not batch.deliveries:
            batch.due_s = asyncio.get_running_loop().time() + LINGER_S
        batch.deliveries.append(delivery)
        batch.size_bytes += size_bytes
        if len(batch.deliveries) == BATCH_LEAVES_MAX:
            await self._send(delivery.partition)

    async def add_together(self, deliveries: Sequence[Delivery]) -> None:
        """Take the members of a group, which lie in one partition, into one batch.

        Raises:
            DocumentError: They are larger than the bus takes together; none is sent.
            Unavailable: As in `add`.
        """
        size_bytes = sum(map(size_bytes_of, deliveries))
        if size_bytes > GROUP_BYTES_MAX:
            raise DocumentError(
                message(
                    "error.client.group_too_large",
                    doing=self._doing,
                    size_bytes=size_bytes,
                    size_bytes_max=GROUP_BYTES_MAX,
                )
            )
        partition = deliveries[0].partition
        batch = self._waiting[partition]
        is_full = batch.size_bytes + size_bytes > BATCH_BYTES_MAX
        if is_full or len(batch.deliveries) + len(deliveries) > BATCH_LEAVES_MAX:
            await self._send(partition)
        for delivery in deliveries:
            await self.add(delivery)

    async def wait_due(self, coming: asyncio.Future[_T]) -> None:
        """Wait until a batch is due, or until what is coming has come."""
        due_s = None
        waited_for: set[asyncio.Future[Any]] = {coming}
        for partition, batch in self._waiting.items():
            if not batch.deliveries:
                continue
            before = self._before.get(partition)
            if before is not None and not before.done():
                waited_for.add(before)
            elif due_s is None or batch.due_s < due_s:
                due_s = batch.due_s
        now = asyncio.get_running_loop().time()
        timeout = None if due_s is None else max(0.0, due_s - now)
        await asyncio.wait(waited_for, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

    async def send_due(self) -> None:
        """Send what waits as soon as the first record of a batch has waited long enough.

        Why all and not that batch: they travel in one request, and each request costs the
        publisher and the broker something whatever it carries.
        """
        now = asyncio.get_running_loop().time()
        ready = [
            partition
            for partition, batch in self._waiting.items()
            if batch.deliveries and self._is_free(partition)
        ]
        if any(self._waiting[partition].due_s <= now for partition in ready):
            for partition in ready:
                await self._send(partition)

    def _is_free(self, partition: int) -> bool:
        before = self._before.get(partition)
        return before is None or before.done()

    async def settle(self) -> None:
        """Send what waits, and return when all in-sync replicas have everything.

        Raises:
            Unavailable: They did not confirm it in time; it may be in the topic all the same.
        """
        for partition, batch in self._waiting.items():
            if batch.deliveries:
                await self._send(partition)
        while self._in_flight:
            await self._await_oldest()

    async def _send(self, partition: int) -> None:
        deliveries = self._waiting[partition].deliveries
        self._waiting[partition] = _Batch()
        sign(deliveries, self._signer)
        begun_ns = time.time_ns()
        with translated(self._doing, _HINT):
            async with asyncio.timeout(ACKNOWLEDGEMENT_S):
                acknowledgements = await self._producer.send(deliveries)
        self._in_flight.extend(acknowledgements)
        self._before[partition] = acknowledgements[-1]
        if self._spans.are_kept:
            acknowledgements[-1].add_done_callback(partial(self._trace, deliveries, begun_ns))
        while len(self._in_flight) > IN_FLIGHT_BATCHES_MAX or self._oldest_is_done():
            await self._await_oldest()

    def _trace(
        self, deliveries: Sequence[Delivery], begun_ns: int, acknowledged: asyncio.Future[object]
    ) -> None:
        if not acknowledged.cancelled() and acknowledged.exception() is None:
            self._spans.tell(sent_spans(deliveries, begun_ns=begun_ns, ended_ns=time.time_ns()))

    def _oldest_is_done(self) -> bool:
        return bool(self._in_flight) and self._in_flight[0].done()

    async def _await_oldest(self) -> None:
        acknowledgement = self._in_flight.popleft()
        with translated(self._doing, _HINT):
            # Why not always: waiting lets others run even when there is nothing to wait for, and
            # the producer would send what it has, without what else goes with it.
            if not acknowledgement.done():
                await asyncio.wait({acknowledgement}, timeout=ACKNOWLEDGEMENT_S)
            if not acknowledgement.done():
                # Why here: an idempotent producer tries for ever, and nobody would be told.
                raise Unavailable(
                    message(
                        "error.client.unconfirmed",
                        doing=self._doing,
                        wait_s=ACKNOWLEDGEMENT_S,
                        hint=_HINT,
                    )
                )
            acknowledgement.result()
