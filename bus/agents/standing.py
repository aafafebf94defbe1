"""Standing views beside the fund agent: what its transactions left in the outbox is sent.

Sending must not hold the fund up, nor end its worker: the outbox is durable, and what can't be sent
now is told, counted and tried again, by whichever worker comes first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bus.agents.awaited import catalogue_of
from bus.catalogue.snapshot import Snapshot
from bus.errors import BusError
from bus.fund.outbox import StandingOutbox, Waiting
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.observe import series
from bus.observe.happenings import RowsTold
from bus.observe.meter import Meter
from bus.observe.series import Duty
from bus.wire.delivery import Delivery, sign
from bus.wire.signature import BatchSigner
from bus.wire.standing import standing_delivery

logger = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""Without news of this worker's own; others leave records too."""
AGAIN_S: Final = 5.0
SEND_MAX_S: Final = 15.0
"""Of one page: less than PostgreSQL lets the transaction idle that keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingViews:
    """Sends records of standing views for as long as the process lives."""

    dsn: str = field(repr=False)
    catalogue: CatalogueFollower
    cluster: Cluster
    client_id: str
    signer: BatchSigner
    """With the bus's own key. Records are signed when they are sent: together, and by a key that
    is in force then."""
    meter: Meter
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by who has committed something to be sent."""

    async def run(self) -> None:
        """Send what waits, at first what was left behind; without such views, look at nothing."""
        while True:
            if self._is_needed:
                try:
                    await self._send_all()
                except Exception as problem:  # noqa: BLE001 - told, counted and tried again
                    self._tell(problem)
                    await asyncio.sleep(AGAIN_S)
            await self._next_look()

    @property
    def _is_needed(self) -> bool:
        return bool(self.catalogue.snapshot.standing)

    async def _next_look(self) -> None:
        try:
            await asyncio.wait_for(self.news.wait(), LOOK_S)
        except TimeoutError:
            return
        self.news.clear()

    async def _send_all(self) -> None:
        """Send for as long as there are such views and nothing fails.

        What has failed once is opened anew: a producer may never send again.
        """
        outbox = await StandingOutbox.open(self.dsn)
        try:
            async with BatchProducer(self.cluster, client_id=self.client_id) as producer:

                async def send(page: Sequence[Waiting]) -> None:
                    async with asyncio.timeout(SEND_MAX_S):
                        await self._send(page, producer)

                while self._is_needed:
                    while await outbox.send_page(send):
                        pass
                    await self._next_look()
        finally:
            await outbox.close()

    async def _send(self, page: Sequence[Waiting], producer: BatchProducer) -> None:
        needed = max(waiting.record.catalogue for waiting in page)
        snapshot = await catalogue_of(self.catalogue, needed)
        deliveries = signed_deliveries(page, snapshot, self.signer)
        await producer.deliver(deliveries)
        told = RowsTold(written=Counter(delivery.topic for delivery in deliveries))
        told.tell(self.meter.board, self.meter.readers, int(time.time() * 1000))

    def _tell(self, problem: Exception) -> None:
        self.meter.board.add(series.HOUSEKEEPING_FAILURES, (Duty.SEND_STANDING,))
        logger.error(
            "standing.not_sent again_in_s=%.0f problem=%s",
            AGAIN_S,
            str(problem) or repr(problem),
            exc_info=None if isinstance(problem, BusError) else problem,
        )


def signed_deliveries(
    page: Sequence[Waiting], snapshot: Snapshot, signer: BatchSigner
) -> list[Delivery]:
    """Write and sign a page of records, in its order; those of views that are no more fall away.

    Args:
        page: As the outbox gives it.
        snapshot: At least as new as the catalogues that the records were told under. A view that it
            lacks has no reader, and may have no topic any more.
        signer: The bus's own key.
    """
    known = {view.view.code for views in snapshot.standing.values() for view in views}
    together: dict[tuple[str, int], list[Delivery]] = defaultdict(list)
    for waiting in page:
        if waiting.record.view in known:
            delivery = standing_delivery(waiting.record, waiting.partition)
            together[delivery.topic, delivery.partition].append(delivery)
    for batch in together.values():
        sign(batch, signer)
    return [delivery for batch in together.values() for delivery in batch]
