"""What makes the gateway visible from outside: its page, and the file that names it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bus import __version__
from bus.gateway.counting import known_to_gateway
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.observe import series
from bus.observe.health import Ailment, Problem
from bus.observe.meter import Meter
from bus.observe.report import WorkerReport, announced
from bus.observe.server import serving
from bus.supervise.role import Door

BEAT_EVERY_S: Final = 0.5
_SLOT: Final = 0


@dataclass(slots=True, kw_only=True)
class Beat:
    """Knows whether the event loop turns."""

    catalogue: CatalogueFollower
    limit_s: float
    """For how long it may be busy."""
    restarts: int
    meter: Meter = field(default_factory=lambda: Meter(known_to_gateway))
    _beat_s: float = field(default_factory=time.monotonic)
    _started_at: datetime = field(default_factory=lambda: datetime.now(UTC))  # noqa: TID251 - a hand

    def beat(self) -> None:
        """Say that it does, and count under the catalogue in force."""
        self._beat_s = time.monotonic()
        snapshot = self.catalogue.snapshot
        self.meter.know(snapshot)
        self.meter.board.set(series.CATALOGUE_VERSION, (), snapshot.version)

    async def run(self) -> None:
        """Say so every so often."""
        while True:
            await asyncio.sleep(BEAT_EVERY_S)
            self.beat()

    def report(self) -> WorkerReport:
        """Tell how the gateway is; called in the page's threads, so as to answer at any time."""
        silent_s = time.monotonic() - self._beat_s
        well = WorkerReport(
            role=Door.GATEWAY,
            slot=_SLOT,
            pid=os.getpid(),
            started_at=self._started_at,
            restarts=self.restarts,
            version=__version__,
            catalogue=self.catalogue.snapshot.version,
            partitions=0,
            lag_records=0,
            lag_s=0.0,
            problems=(),
        )
        if silent_s < self.limit_s:
            return well
        blocked = Problem(ailment=Ailment.LOOP_BLOCKED, where="", since_s=silent_s)
        return replace(well, problems=(blocked,))


@asynccontextmanager
async def observed(
    home: Path, catalogue: CatalogueFollower, *, limit_s: float, restarts: int
) -> AsyncIterator[Meter]:
    """Serve `/metrics` and `/healthz` for the time of a block; give what is to be counted with.

    Args:
        home: Of the installation.
        catalogue: Follows already.
        limit_s: For how long the event loop may be busy before the gateway is called ill.
        restarts: How often its supervisor has started it again.
    """
    beat = Beat(catalogue=catalogue, limit_s=limit_s, restarts=restarts)
    beat.beat()
    board = beat.meter.board
    board.add(series.RESTARTS, (), restarts)
    board.ask(series.HEALTHY, lambda: float(beat.report().is_healthy))
    beating = asyncio.create_task(beat.run(), name="beat")
    with ExitStack() as stack:
        stack.callback(beating.cancel)
        port = stack.enter_context(serving(board.registry, beat.report))
        stack.enter_context(
            announced(home, role=Door.GATEWAY, slot=_SLOT, host=socket.gethostname(), port=port)
        )
        yield beat.meter
