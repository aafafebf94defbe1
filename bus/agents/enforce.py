"""The enforce agent: inbound records become accepted, projected or quarantined ones."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import faust

from bus.agents.awaited import catalogue_of
from bus.agents.fault import stopping_on_fault
from bus.agents.transport import BatchApp, PartitionBatch
from bus.audit.leaf import BatchLeaf, outcomes, outcomes_root
from bus.catalogue.snapshot import Snapshot
from bus.enforce.judge import judge
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.producer import BatchProducer
from bus.model.verdict import Verdict
from bus.observe import series
from bus.observe.happenings import BatchEnforced, batch_enforced
from bus.observe.meter import Meter
from bus.observe.series import Work
from bus.observe.traced import spans_of
from bus.route.plan import plan
from bus.texts import message
from bus.wire import topics
from bus.wire.delivery import Delivery
from bus.wire.release import Run, runs_of
from bus.wire.signature import BatchSigner, SignatureChecker

IN_FLIGHT_BATCHES_MAX = 8
PATTERN = r"^(in|release)\..+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """What the agent works with."""

    catalogue: CatalogueFollower
    producer: BatchProducer
    signer: BatchSigner
    checker: SignatureChecker
    meter: Meter
    writer: str
    """Names this worker in the audit log."""
    audit_key: bytes = field(repr=False)


def register(app: BatchApp, enforcement: Enforcement) -> None:
    """Attach the agent; it judges one batch while the outputs of those before are on their way.

    A position moves only when all in-sync replicas have every output of the batch: a fault before
    that ends the process, and the next one reads the same records again. Repeats carry equal ids.
    """
    settler = _Settler(app, enforcement.meter)

    @app.agent(app.batches, name="enforce")
    async def enforce(stream: faust.StreamT[PartitionBatch]) -> None:
        async for batch in stream:
            if batch.epoch != app.batch_consumer.epoch:
                continue  # of an assignment that ended: whoever has the partition now reads it
            with stopping_on_fault("enforce", batch):
                runs = runs_of(batch.topic, batch.records)
                needed = max((run.catalogue for run in runs), default=0)
                snapshot = await catalogue_of(enforcement.catalogue, needed)
                begun_ns = time.time_ns()
                deliveries, enforced = _deliveries(batch, runs, snapshot, enforcement)
                outputs = await enforcement.producer.send(deliveries)
                await settler.add(
                    _Sent(batch=batch, outputs=outputs, enforced=enforced, begun_ns=begun_ns)
                )

    app.task(settler.run)


def _deliveries(
    batch: PartitionBatch, runs: Sequence[Run], snapshot: Snapshot, enforcement: Enforcement
) -> tuple[list[Delivery], BatchEnforced]:
    """Judge a batch under one catalogue and plan what it demands; tally what it came to.

    Released records are judged as what they once were, run by run of one inbound partition.
    """
    meter = enforcement.meter
    meter.know(snapshot)
    deliveries: list[Delivery] = []
    all_verdicts: list[Verdict] = []
    told: list[bytes] = []
    for run in runs:
        with meter.timing(Work.JUDGE):
            verdicts = judge(
                run.records,
                source=topics.parse_inbound(run.topic),
                snapshot=snapshot,
                checker=enforcement.checker,
            )
        with meter.timing(Work.PLAN):
            deliveries += plan(
                verdicts,
                snapshot=snapshot,
                signer=enforcement.signer,
                attempt=run.attempt,
                released_ms=run.released_ms,
            )
            told += outcomes(run.topic, run.records[0].partition, verdicts)
        all_verdicts += verdicts
    written = Counter(delivery.topic for delivery in deliveries)
    is_release = topics.is_release(batch.topic)
    enforced = batch_enforced(all_verdicts, written, snapshot=snapshot, is_release=is_release)
    deliveries.append(_leaf(batch, told, enforced, snapshot.version, enforcement))
    return deliveries, enforced


def _leaf(
    batch: PartitionBatch,
    told: Sequence[bytes],
    enforced: BatchEnforced,
    catalogue: int,
    enforcement: Enforcement,
) -> Delivery:
    """Put the batch on record: one more output, durable like the others before its end is done."""
    place = f"{batch.topic}/{batch.partition}/{batch.start}"
    leaf = BatchLeaf(
        writer=enforcement.writer,
        topic=batch.topic,
        partition=batch.partition,
        start=batch.start,
        end=batch.end,
        accepted=sum(enforced.accepted.values()),
        refused=sum(enforced.quarantined.values()),
        catalogue=catalogue,
        root=outcomes_root(enforcement.audit_key, place, told),
    )
    return Delivery(
        topic=topics.AUDIT,
        partition=batch.partition % topics.AUDIT_PARTITIONS,
        key=None,
        value=leaf.content,
        headers=[],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A batch whose outputs are on their way."""

    batch: PartitionBatch
    outputs: list[asyncio.Future[object]]
    enforced: BatchEnforced
    begun_ns: int
    """When it was taken in hand, since 1970 UTC."""
    sent_s: float = field(default_factory=time.perf_counter)


class _Settler:
    """Settles batches in the order in which they were sent, when their outputs are durable."""

    def __init__(self, app: BatchApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter
        self._waiting: deque[_Sent] = deque()
        self._room = asyncio.Semaphore(IN_FLIGHT_BATCHES_MAX)
        self._added = asyncio.Event()

    async def add(self, sent: _Sent) -> None:
        """Queue a batch; waits while too many are on their way."""
        await self._room.acquire()
        self._waiting.append(sent)
        self._added.set()

    async def run(self) -> None:
        """Settle for as long as the process lives."""
        consumer = self._app.batch_consumer
        while True:
            await self._added.wait()
            self._added.clear()
            while self._waiting:
                sent = self._waiting.popleft()
                with stopping_on_fault("settle", sent.batch):
                    await _durable(sent.outputs)
                    consumer.settle(sent.batch)
                    self._tell(sent)
                self._room.release()

    def _tell(self, sent: _Sent) -> None:
        meter = self._meter
        took_s = time.perf_counter() - sent.sent_s
        meter.board.observe(series.BATCH_DURATION, (Work.DELIVER,), took_s)
        now_ns = time.time_ns()
        sent.enforced.tell(meter.board, meter.readers, now_ns // 1_000_000)
        meter.spans.tell(spans_of(sent.enforced.traced, sent.begun_ns, now_ns))


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
            raise Unavailable(message("error.agents.output_given_up"))
        output.result()
