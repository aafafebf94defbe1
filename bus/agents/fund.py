"""The fund agent: accepted records become history and current state, exactly once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import faust

from bus.agents.awaited import catalogue_of
from bus.agents.fault import stopping_on_fault
from bus.agents.standing import StandingViews
from bus.agents.transport import BatchApp, PartitionBatch
from bus.agents.waiting import waiting_batches
from bus.fund.batch import FundBatch, FundRecord
from bus.fund.layout import layouts_of
from bus.fund.store import FundStore
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.observe.happenings import group_funded
from bus.observe.meter import Meter
from bus.observe.traced import spans_of
from bus.wire import topics
from bus.wire.headers import parse_delivered

PATTERN = r"^accepted\..+"


@dataclass(slots=True, kw_only=True)
class Funding:
    """What the agent works with."""

    catalogue: CatalogueFollower
    store: FundStore
    adopted: int
    """Catalogue version whose tables the store writes."""
    meter: Meter
    standing: StandingViews
    """Sends what the store's transactions leave in the outbox."""


def register(app: BatchApp, funding: Funding) -> None:
    """Attach the agent; one transaction takes all batches that wait, rows and positions together.

    A worker that was replaced finds its position moved and ends (`Fenced`). Kafka's committed
    offsets are for lag displays only.
    """

    @app.agent(app.batches, name="fund")
    async def fund(stream: faust.StreamT[PartitionBatch]) -> None:
        consumer = app.batch_consumer
        async for first in stream:
            with stopping_on_fault("fund", first):
                group = waiting_batches(stream, first, consumer.epoch)
                if not group:
                    continue
                batches = [fund_batch(batch) for batch in group]
                await _adopt(funding, batches)
                started_s, begun_ns = time.perf_counter(), time.time_ns()
                outcomes = await funding.store.apply(batches)
                funding.standing.news.set()
                for batch in group:
                    consumer.settle(batch)
                happening = group_funded(batches, outcomes, time.perf_counter() - started_s)
                now_ns = time.time_ns()
                happening.tell(funding.meter.board, now_ns // 1_000_000)
                funding.meter.spans.tell(spans_of(happening.traced, begun_ns, now_ns))

    app.task(funding.standing.run)


async def _adopt(funding: Funding, batches: Sequence[FundBatch]) -> None:
    """Wait for the catalogue that judged these records, and write its tables."""
    needed = max((item.record.catalogue for batch in batches for item in batch.records), default=0)
    snapshot = await catalogue_of(funding.catalogue, needed)
    if snapshot.version != funding.adopted:
        region = snapshot.region
        funding.store.adopt(layouts_of(region.contracts.values(), region.lock))
        funding.store.serve(snapshot)
        funding.adopted = snapshot.version


def fund_batch(batch: PartitionBatch) -> FundBatch:
    """Read the bus's own headers of accepted records."""
    dataset = topics.dataset_of_accepted(batch.topic)
    return FundBatch(
        topic=batch.topic,
        partition=batch.partition,
        start=batch.start,
        end=batch.end,
        records=[
            FundRecord(offset=raw.offset, record=parse_delivered(raw, dataset), headers=raw.headers)
            for raw in batch.records
        ],
    )
