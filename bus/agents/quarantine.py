"""The quarantine agent: records that were set aside become rows that people can decide on."""

from __future__ import annotations

from dataclasses import dataclass

import faust

from bus.agents.fault import stopping_on_fault
from bus.agents.transport import BatchApp, PartitionBatch
from bus.agents.waiting import waiting_batches
from bus.observe.meter import Meter
from bus.observe.series import Work
from bus.quarantine.reading import parse_entry
from bus.quarantine.store import QuarantineBatch, QuarantineStore

PATTERN = r"^quarantine\..+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """What the agent works with."""

    store: QuarantineStore
    meter: Meter


def register(app: BatchApp, custody: Custody) -> None:
    """Attach the agent; the topic is durable first, so a row can always be made again."""

    @app.agent(app.batches, name="quarantine")
    async def quarantine(stream: faust.StreamT[PartitionBatch]) -> None:
        consumer = app.batch_consumer
        async for first in stream:
            with stopping_on_fault("quarantine", first):
                group = waiting_batches(stream, first, consumer.epoch)
                if not group:
                    continue
                batches = [
                    QuarantineBatch(
                        topic=batch.topic,
                        partition=batch.partition,
                        start=batch.start,
                        end=batch.end,
                        entries=[parse_entry(raw) for raw in batch.records],
                    )
                    for batch in group
                ]
                with custody.meter.timing(Work.QUARANTINE):
                    await custody.store.apply(batches)
                for batch in group:
                    consumer.settle(batch)
