"""The product's own parts without signatures, headers, ids, views and catalogue.

Composed of: `bus.agents.transport.BatchApp` (Faust, one event per partition batch, contiguous),
`CompiledSchema.examine` (frame, strict Avro, every rule with its violations), `Delivery` and
`bus.kafka.producer.BatchProducer` (idempotent, one Kafka batch per output partition), and
`BatchConsumer.settle` in order, when all outputs of a batch are durable. What is not the product's
own is the body of the agent below: the product's judges signed records alone.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faust

from bus.agents.consumer_thread import Reading
from bus.agents.enforce import IN_FLIGHT_BATCHES_MAX
from bus.agents.pace import PROMPT
from bus.agents.transport import BatchApp, PartitionBatch
from bus.catalogue.documents import read_documents
from bus.catalogue.region import parse_region
from bus.catalogue.snapshot import build_snapshot
from bus.contracts.compile import Examine
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.model.verdict import Examined
from bus.wire.delivery import Delivery
from tests.bench.resident_documents import REGION, SCHEMA_ID
from tests.bench.variants.job import Job, read_job, tell_done, tell_first
from tests.factories import approved


async def run(job: Job, *, is_judging: bool = True) -> None:
    """Work the job off, or only take and settle every batch."""
    snapshot = build_snapshot(parse_region(approved(read_documents(REGION, None))), 1)
    examine = snapshot.schemas[SCHEMA_ID].compiled.examine
    cluster = Cluster(
        bootstrap=job.bootstrap,
        ca_file=Path(job.ca_file),
        principal=job.user,
        password=job.password,
    )
    with tempfile.TemporaryDirectory(prefix="faust-") as folder:
        app = BatchApp(
            Reading(
                group=job.group,
                instance=job.group,
                pattern=f"^{job.source}$",
                cluster=cluster,
                folder=Path(folder),
                positions=None,
                pace=PROMPT,
            )
        )
        async with BatchProducer(cluster, client_id=job.group) as producer:
            judged = partial(_deliveries, job, examine) if is_judging else _nothing
            _register(app, job, producer, judged)
            await app.start()
            await app._crashed.wait()
            sys.exit(f"Faust crashed: {app.crash_reason!r}")


def _register(
    app: BatchApp,
    job: Job,
    producer: BatchProducer,
    judged: Callable[[PartitionBatch], list[Delivery]],
) -> None:
    on_their_way: deque[tuple[PartitionBatch, asyncio.Future[list[object]]]] = deque()

    async def settle_until(left: int) -> None:
        while len(on_their_way) > left:
            batch, outputs = on_their_way.popleft()
            await outputs
            app.batch_consumer.settle(batch)

    @app.agent(app.batches, name="enforce")
    async def enforce(stream: faust.StreamT[PartitionBatch]) -> None:
        seen = 0
        async for batch in stream:
            if not seen:
                tell_first()
            outputs = await producer.send(judged(batch))
            on_their_way.append((batch, asyncio.gather(*outputs)))
            seen += len(batch.records)
            await settle_until(IN_FLIGHT_BATCHES_MAX if seen < job.records else 0)
            if seen >= job.records:
                await app.batch_consumer.force_commit()
                tell_done()


def _nothing(_: PartitionBatch) -> list[Delivery]:
    return []


def _deliveries(job: Job, examine: Examine, batch: PartitionBatch) -> list[Delivery]:
    deliveries = []
    for record in batch.records:
        assert record.value is not None
        found = examine(record.value, record.timestamp)
        is_good = isinstance(found, Examined) and not found.violations
        deliveries.append(
            Delivery(
                topic=job.out if is_good else job.dlq,
                partition=record.partition,
                key=record.key,
                value=record.value,
                headers=[],
            )
        )
    return deliveries


if __name__ == "__main__":
    asyncio.run(run(read_job()))
