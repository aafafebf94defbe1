"""What the fund does by the clock: refuse what was held too long, tell refusals, close entries."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Final

from bus.agents.fault import stopping_on_fault
from bus.fund.batch import Refusal
from bus.fund.layout import layouts_of
from bus.fund.store import FundStore
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.producer import BatchProducer
from bus.quarantine.store import QuarantineStore
from bus.route.delivery import Delivery
from bus.wire import topics

EVERY_S: Final = 10.0
HELD_DAYS_MAX: Final = 7
"""Age at which a record whose predecessor never came is refused as `unknown_predecessor`."""
_REFUSALS_AT_ONCE: Final = 500


async def keep_house(dsn: str, catalogue: CatalogueFollower, producer: BatchProducer) -> None:
    """Do all three every ten seconds, on sessions of its own, for as long as the process lives."""
    with stopping_on_fault("housekeeping"):
        while True:
            await asyncio.sleep(EVERY_S)
            region = catalogue.snapshot.region
            store = await FundStore.open(dsn, layouts_of(region.contracts.values(), region.lock))
            try:
                oldest = datetime.now(UTC) - timedelta(days=HELD_DAYS_MAX)  # noqa: TID251 - a hand
                await store.refuse_held(oldest)
                await _tell_refusals(store, producer)
            finally:
                await store.close()
            quarantine = await QuarantineStore.open(dsn)
            try:
                for dataset in region.contracts:
                    await quarantine.close_superseded(dataset)
            finally:
                await quarantine.close()


async def _tell_refusals(store: FundStore, producer: BatchProducer) -> None:
    """Write refusals to `control.refusals`, durable before they are noted as told."""
    refusals = await store.refusals(_REFUSALS_AT_ONCE)
    await producer.deliver([_delivery(refusal) for refusal in refusals])
    if refusals:
        await store.refusals_told([refusal.number for refusal in refusals])


def _delivery(refusal: Refusal) -> Delivery:
    content = {
        "quarantine_id": refusal.quarantine_id,
        "agency": refusal.agency,
        "dataset": refusal.dataset,
        "reason": refusal.reason.value,
        "record_id": refusal.record_id,
        "catalogue": refusal.catalogue,
    }
    return Delivery(
        topic=topics.REFUSALS,
        partition=0,
        key=refusal.agency.encode(),
        value=json.dumps(content).encode(),
        headers=[("content-type", b"application/json")],
    )
