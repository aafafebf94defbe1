"""The enforce agent: inbound records become accepted, projected or quarantined ones."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import faust

from bus.agents.fault import stopping_on_fault
from bus.agents.transport import BatchApp, PartitionBatch
from bus.enforce.judge import judge
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.producer import BatchProducer
from bus.route.plan import plan
from bus.wire import topics
from bus.wire.signature import BatchSigner, SignatureChecker

IN_FLIGHT_BATCHES_MAX = 8
PATTERN = r"^in\..+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """What the agent works with."""

    catalogue: CatalogueFollower
    producer: BatchProducer
    signer: BatchSigner
    checker: SignatureChecker


def register(app: BatchApp, enforcement: Enforcement) -> None:
    """Attach the agent; it judges one batch while the outputs of those before are on their way.

    A position moves only when all in-sync replicas have every output of the batch: a fault before
    that ends the process, and the next one reads the same records again. Repeats carry equal ids.
    """
    settler = _Settler(app)

    @app.agent(app.batches, name="enforce")
    async def enforce(stream: faust.StreamT[PartitionBatch]) -> None:
        async for batch in stream:
            if batch.epoch != app.batch_consumer.epoch:
                continue  # of an assignment that ended: whoever has the partition now reads it
            with stopping_on_fault("enforce", batch):
                snapshot = enforcement.catalogue.snapshot
                verdicts = judge(
                    batch.records,
                    source=topics.parse_inbound(batch.topic),
                    snapshot=snapshot,
                    checker=enforcement.checker,
                )
                deliveries = plan(verdicts, snapshot=snapshot, signer=enforcement.signer)
                await settler.add(batch, await enforcement.producer.send(deliveries))

    app.task(settler.run)


class _Settler:
    """Settles batches in the order in which they were sent, when their outputs are durable."""

    def __init__(self, app: BatchApp) -> None:
        self._app = app
        self._waiting: deque[tuple[PartitionBatch, list[asyncio.Future[object]]]] = deque()
        self._room = asyncio.Semaphore(IN_FLIGHT_BATCHES_MAX)
        self._added = asyncio.Event()

    async def add(self, batch: PartitionBatch, outputs: list[asyncio.Future[object]]) -> None:
        """Queue a batch; waits while too many are on their way."""
        await self._room.acquire()
        self._waiting.append((batch, outputs))
        self._added.set()

    async def run(self) -> None:
        """Settle for as long as the process lives."""
        consumer = self._app.batch_consumer
        while True:
            await self._added.wait()
            self._added.clear()
            while self._waiting:
                batch, outputs = self._waiting.popleft()
                with stopping_on_fault("settle", batch):
                    await _durable(outputs)
                    consumer.settle(batch)
                self._room.release()


async def _durable(outputs: list[asyncio.Future[object]]) -> None:
    """Wait for every output; one that was given up is a fault like any other.

    Raises:
        Unavailable: The producer gave an output up.
        Exception: What Kafka answered to an output.
    """
    if outputs:
        await asyncio.wait(outputs)
    for output in outputs:
        if output.cancelled():
            raise Unavailable("the producer gave up an output; look at the broker's log")
        output.result()
