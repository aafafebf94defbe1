"""Faust's consumer thread with a consumer of our choosing: what it asks Kafka for, and how often.

This touches private methods of Faust and aiokafka: their versions are pinned, and `tests/flow/`
runs on real Kafka. Source: ADR-0002.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import aiokafka
from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from bus.agents.coverage import CoveringAssignor, Patience, coverage
from bus.agents.pace import Pace
from bus.kafka.cluster import Cluster
from bus.kafka.reading import is_fetching

logger = logging.getLogger(__name__)

BATCH_RECORDS_MAX: Final = 2_048
"""A multiple of the leaves of a signed tree, so that a full batch seldom cuts one: a tree that is
whole is checked at a third of the cost of its records one by one (ADR-0006)."""
FETCH_BYTES_MAX: Final = 8 * 1024 * 1024
PARTITION_FETCH_BYTES_MAX: Final = 2 * 1024 * 1024
FETCH_BYTES_MIN: Final = 64 * 1024
IDLE_FETCH_WAIT_MS: Final = 100
"""For the first byte, while few or none flow: a worker at rest asks 10 times a second, not 66, and
one that is patient by its pace no sooner than that. Why not more seldom: asking again for a gap
waits behind such a fetch."""
SESSION_TIMEOUT_S: Final = 6.0
HEARTBEAT_INTERVAL_S: Final = 0.5
METADATA_AGE_MAX_MS: Final = 2_000
"""How soon a new topic is noticed: topics are followed by pattern."""


PositionSource = Callable[[Iterable[TP]], Awaitable[Mapping[TP, int]]]
"""Where reading begins, asked after every rebalance, in the consumer's own thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a worker reads, as whom, and where it begins."""

    group: str
    instance: str
    """Static member id: a restarted worker comes back to its partitions without a rebalance."""
    pattern: str
    """Regular expression of topic names."""
    cluster: Cluster
    folder: Path
    """Where Faust makes the folders that it wants; nothing is kept in them."""
    positions: PositionSource | None
    """None: Kafka's committed offsets, and the log's beginning where there are none."""
    pace: Pace


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Owns the aiokafka consumer, in Faust's consumer thread."""

    def _create_consumer(
        self,
        loop: asyncio.AbstractEventLoop,  # noqa: ARG002 - Faust's signature
    ) -> aiokafka.AIOKafkaConsumer:
        reading = self._reading
        self._covering = CoveringAssignor()
        self._assignor = self._covering
        return aiokafka.AIOKafkaConsumer(
            group_id=reading.group,
            group_instance_id=reading.instance,
            client_id=reading.instance,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            # Why none: a position outside the log means lost records; the worker must stop.
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_poll_records=BATCH_RECORDS_MAX,
            fetch_max_bytes=FETCH_BYTES_MAX,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
            fetch_min_bytes=FETCH_BYTES_MIN,
            fetch_max_wait_ms=reading.pace.wait_ms,
            metadata_max_age_ms=METADATA_AGE_MAX_MS,
            session_timeout_ms=int(SESSION_TIMEOUT_S * 1000),
            heartbeat_interval_ms=int(HEARTBEAT_INTERVAL_S * 1000),
            **reading.cluster.aiokafka_options(),
        )

    @property
    def _reading(self) -> Reading:
        return cast("Reading", cast("Any", self.app).reading)

    async def subscribe(self, topics: Iterable[str]) -> None:  # noqa: ARG002 - Faust's signature
        """Follow every topic of the pattern, those of later catalogues too."""
        await self.call_thread(
            self._ensure_consumer().subscribe,
            pattern=self._reading.pattern,
            listener=self._rebalance_listener,
        )

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every assigned partition to where reading begins."""
        return await self.call_thread(self._seek_to_start)  # type: ignore[no-any-return]

    async def _seek_to_start(self) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        if self._reading.positions is not None:
            positions = dict(await self._reading.positions(assigned))
        else:
            positions = await self._committed_or_beginning(consumer, assigned)
        # Why seek even to 0: aiokafka's own seek_to_committed leaves such a partition where it is.
        for partition, offset in positions.items():
            consumer.seek(TopicPartition(*partition), offset)
        return {TP(*partition): offset for partition, offset in positions.items()}

    @staticmethod
    async def _committed_or_beginning(
        consumer: aiokafka.AIOKafkaConsumer, assigned: set[TopicPartition]
    ) -> dict[TopicPartition, int]:
        partitions = list(assigned)
        committed = await asyncio.gather(*(consumer.committed(tp) for tp in partitions))
        positions = dict(zip(partitions, committed, strict=True))
        missing = [tp for tp, offset in positions.items() if offset is None]
        beginnings = await consumer.beginning_offsets(missing) if missing else {}
        return {**positions, **beginnings}

    @property
    def is_fetching(self) -> bool:
        """Whether records can still come."""
        return self._consumer is None or is_fetching(self._consumer)

    def pace_fetching(self, *, is_dense: bool) -> None:
        """Let the next fetches wait for many records, or for the first."""
        if self._consumer is not None:
            pace_ms = self._reading.pace.wait_ms
            fetcher = self._consumer._fetcher  # noqa: SLF001 - aiokafka reads them at each fetch
            fetcher._fetch_min_bytes = FETCH_BYTES_MIN if is_dense else 1  # noqa: SLF001
            fetcher._fetch_max_wait_ms = (  # noqa: SLF001
                pace_ms if is_dense else max(pace_ms, IDLE_FETCH_WAIT_MS)
            )

    async def look_for_topics(self, patience: Patience) -> None:
        """Ask for a new assignment where the group's has not covered all topics for a while."""
        await self.call_thread(self._look_for_topics, patience)

    async def _look_for_topics(self, patience: Patience) -> None:
        consumer = self._ensure_consumer()
        covered = self._covering.covered
        seen = coverage(consumer._client.cluster, consumer.subscription())  # noqa: SLF001
        if patience.is_over(time.monotonic(), differs=covered not in {None, seen}):
            logger.info("topics.uncovered group=%s", self._reading.group)
            self._covering.ask_anew()
            consumer._coordinator.request_rejoin()  # noqa: SLF001 - there is no public way

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust's stall detector reads its own bookkeeping, which is not in use."""
