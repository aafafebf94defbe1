"""What makes a worker visible from outside: its watch, its page, and the file that names both."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bus import __version__
from bus.agents.transport import BatchApp
from bus.catalogue.snapshot import Snapshot
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.cluster import Cluster
from bus.observe import series
from bus.observe.board import Board
from bus.observe.health import Progress, TopicPartition
from bus.observe.known import (
    known_to_enforcement,
    known_to_fund,
    known_to_housekeeping,
    known_to_quarantine,
)
from bus.observe.log_ends import LogEnds
from bus.observe.meter import Known, Meter
from bus.observe.report import WorkerReport, announced
from bus.observe.server import serving
from bus.observe.watch import CatalogueProgress, Watch, Watched
from bus.supervise.role import Role
from bus.tracing.exporting import Spans
from bus.wire import topics

logger = logging.getLogger(__name__)

BEAT_EVERY_S: Final = 0.5
RECALL_AGAIN_S: Final = 10.0
HOUSEKEEPING_SLOT: Final = 0
"""The fund worker that also does what is done by the clock."""
_KNOWN: Final[Mapping[Role, Known]] = {
    Role.ENFORCE: known_to_enforcement,
    Role.FUND: known_to_fund,
    Role.QUARANTINE: known_to_quarantine,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One worker's place, and where it is seen from."""

    role: Role
    slot: int
    restarts: int
    """How often a supervisor has started it again."""
    home: Path
    stalled_after_s: float
    """`/healthz` turns red when records wait for so long behind a position that stands still."""

    def meter(self, spans: Spans) -> Meter:
        """Make what its agents count with, and tell of traced records with."""
        known = [_KNOWN[self.role]]
        if self.role is Role.FUND and self.slot == HOUSEKEEPING_SLOT:
            known.append(known_to_housekeeping)
        return Meter(*known, spans=spans)


@asynccontextmanager
async def observed(
    post: Post, *, cluster: Cluster, catalogue: CatalogueFollower, app: BatchApp, meter: Meter
) -> AsyncIterator[None]:
    """Serve `/metrics` and `/healthz` while the block lives."""
    meter.know(catalogue.snapshot)
    meter.board.add(series.RESTARTS, (), post.restarts)

    def progress() -> Mapping[TopicPartition, Progress]:
        return app.batch_consumer.progress()

    def followed() -> CatalogueProgress:
        snapshot = catalogue.snapshot
        meter.know(snapshot)
        return CatalogueProgress(
            position=catalogue.position, read=catalogue.version_read, version=snapshot.version
        )

    def assignments() -> int:
        return app.batch_consumer.assignments

    watch = Watch(
        Watched(progress=progress, catalogue=followed, assignments=assignments),
        log_ends=LogEnds(cluster, post.role.group),
        board=meter.board,
        start=_report(post, catalogue.snapshot),
        limit_s=post.stalled_after_s,
    )
    beating = asyncio.create_task(_beat(watch), name="beat")
    with ExitStack() as stack:
        stack.callback(beating.cancel)
        if post.role is Role.ENFORCE:
            recalling = asyncio.create_task(_recall(cluster, catalogue.snapshot, meter.board))
            stack.callback(recalling.cancel)
        stack.enter_context(watch.running())
        port = stack.enter_context(serving(meter.board.registry, watch.report))
        stack.enter_context(
            announced(
                post.home, role=post.role, slot=post.slot, host=socket.gethostname(), port=port
            )
        )
        yield


async def _beat(watch: Watch) -> None:
    while True:
        watch.beat()
        await asyncio.sleep(BEAT_EVERY_S)


async def _recall(cluster: Cluster, snapshot: Snapshot, board: Board) -> None:
    """Learn when each provider's newest record came in, which this process has not seen."""
    region = snapshot.region
    provided = {
        topics.inbound(agency, dataset): (agency, dataset)
        for dataset in region.contracts
        for agency in region.providers_of(dataset)
    }
    places = [(topic, number) for topic in provided for number in range(region.partitions)]
    log_ends = LogEnds(cluster, topics.ENFORCE_GROUP)
    while True:
        try:
            found = await asyncio.to_thread(log_ends.newest_ms, places)
        except Unavailable as problem:
            logger.warning("observation.not_recalled problem=%s", problem)
            await asyncio.sleep(RECALL_AGAIN_S)
        else:
            break
    for (topic, _), appended_ms in found.items():
        board.rise(series.LAST_EVENT, provided[topic], appended_ms / 1000)


def _report(post: Post, snapshot: Snapshot) -> WorkerReport:
    return WorkerReport(
        role=post.role,
        slot=post.slot,
        pid=os.getpid(),
        started_at=datetime.now(UTC),  # noqa: TID251 - a hand
        restarts=post.restarts,
        version=__version__,
        catalogue=snapshot.version,
        partitions=0,
        lag_records=0,
        lag_s=0.0,
        problems=(),
    )
