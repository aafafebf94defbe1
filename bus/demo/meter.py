"""Looking at the bus from outside: what is on its way, what has arrived."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
)

from bus.client.faults import translated
from bus.demo.flow import Reading
from bus.errors import Unavailable
from bus.fund.layout import Layouts
from bus.fund.reader import FundReader
from bus.kafka.cluster import Cluster
from bus.kafka.scan import topic_partitions
from bus.model.verdict import Reason
from bus.quarantine.store import Cause, QuarantineFilter, QuarantineStore
from bus.texts import message
from bus.wire import topics

SETTLE_S: Final = 60.0
"""How long an act may take to drain."""
_LOOK_AGAIN_S: Final = 0.1
_EVERYTHING: Final = QuarantineFilter(state=None)
_NOT_YET: Final = (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
)


class Meter:
    """Keeps its connections, so that looking often costs little."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        admin: AIOKafkaAdminClient,
        fund: FundReader,
        quarantine: QuarantineStore,
        places: Iterable[TopicPartition],
    ) -> None:
        """Take what is connected; `open` is the way in."""
        self._consumer = consumer
        self._admin = admin
        self._fund = fund
        self._quarantine = quarantine
        self._places = tuple(places)
        self._turn = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, cluster: Cluster, dsn: str, layouts: Layouts) -> AsyncIterator[Self]:
        """Connect.

        Args:
            cluster: Reached as the administrator.
            dsn: Of the data fund.
            layouts: Of the catalogue in force.

        Raises:
            Unavailable: An engine does not answer.
        """
        async with AsyncExitStack() as stack:
            with translated(message("doing.demo.flow")):
                places = await topic_partitions(
                    cluster, ["in.", "release.", "accepted.", "quarantine."]
                )
                options = cluster.aiokafka_options()
                consumer = AIOKafkaConsumer(enable_auto_commit=False, **options)
                stack.push_async_callback(consumer.stop)
                await consumer.start()
                admin = AIOKafkaAdminClient(**options)
                stack.push_async_callback(admin.close)
                await admin.start()
            fund = await FundReader.open(dsn, layouts)
            stack.push_async_callback(fund.close)
            quarantine = await QuarantineStore.open(dsn)
            stack.push_async_callback(quarantine.close)
            yield cls(consumer, admin, fund, quarantine, places)

    async def read(self) -> Reading:
        """Look once.

        Every end is read before it is asked who has come to it, and inbound before what follows
        from it: so a lag of zero everywhere means that what was published before has arrived.

        Raises:
            Unavailable: An engine does not answer.
        """
        async with self._turn:
            with translated(message("doing.demo.flow")):
                inbound = await self._ends("in.", "release.")
                judged = await self._committed(topics.ENFORCE_GROUP)
                accepted = await self._ends("accepted.")
                set_aside = await self._ends("quarantine.")
                kept = await self._committed(topics.QUARANTINE_GROUP)
            counters = await self._fund.counters()
            causes = await self._quarantine.causes(_EVERYTHING)
        taken = {TopicPartition(one.topic, one.partition): one.next_offset for one in counters}
        return Reading(
            enforce_lag=_lag(inbound, judged),
            fund_lag=_lag(accepted, taken),
            quarantine_lag=_lag(set_aside, kept),
            fund_rows=sum(one.history for one in counters),
            quarantined=_by_reason(causes),
            example=next((c.example for c in causes if c.reason is Reason.RULE_VIOLATED), None),
        )

    async def settled(self) -> Reading:
        """Wait until nothing is on its way.

        Raises:
            Unavailable: Something still is after `SETTLE_S`, or an engine does not answer.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + SETTLE_S
        while not (reading := await self.read()).is_settled:
            if clock() > deadline:
                raise Unavailable(
                    message(
                        "error.demo.not_settled",
                        wait_s=SETTLE_S,
                        enforce=reading.enforce_lag,
                        fund=reading.fund_lag,
                        quarantine=reading.quarantine_lag,
                    )
                )
            await asyncio.sleep(_LOOK_AGAIN_S)
        return reading

    async def _ends(self, *prefixes: str) -> Mapping[TopicPartition, int]:
        wanted = [place for place in self._places if place.topic.startswith(prefixes)]
        ends: Mapping[TopicPartition, int] = await self._consumer.end_offsets(wanted)
        return ends

    async def _committed(self, group: str) -> Mapping[TopicPartition, int]:
        try:
            committed = await self._admin.list_consumer_group_offsets(group)
        except _NOT_YET:
            return {}
        return {place: found.offset for place, found in committed.items()}


def _lag(ends: Mapping[TopicPartition, int], taken: Mapping[TopicPartition, int]) -> int:
    return sum(end - max(0, taken.get(place, 0)) for place, end in ends.items())


def _by_reason(causes: Iterable[Cause]) -> Mapping[Reason, int]:
    counts: Counter[Reason] = Counter()
    for cause in causes:
        counts[cause.reason] += cause.count
    return counts
