"""Metrics of a connector that runs, on a page that Prometheus finds like a worker's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from bus.errors import Unavailable
from bus.observe.report import CONNECTOR, announced
from bus.observe.server import serving
from bus.process.lock import alone

_LOOK_S: Final = 1.0


@asynccontextmanager
async def page_of(
    connector: str, registry: CollectorRegistry, *, home: Path, port: int | None
) -> AsyncIterator[None]:
    """Serve for the time of a block.

    Args:
        connector: Its name.
        registry: What the page shows.
        home: Of the installation.
        port: Of loopback; None: the system chooses one.
    """
    with serving(registry, None, port or 0) as chosen:
        announcing = asyncio.create_task(_announce(connector, home, chosen))
        try:
            yield
        finally:
            announcing.cancel()
            await asyncio.gather(announcing, return_exceptions=True)


async def _announce(connector: str, home: Path, port: int) -> None:
    """Say where the page is, from when no other run of the connector says so here.

    Why it waits: a run that is started beside another gets its turn when that one ends, and until
    then the other one's figures count.
    """
    lock = home / "run" / f"connector-{connector}.lock"
    host = socket.gethostname()
    while True:
        try:
            with (
                alone(lock, lambda pid: Unavailable(f"{connector} runs in process {pid}")),
                announced(home, role=CONNECTOR, slot=connector, host=host, port=port),
            ):
                await asyncio.Event().wait()
        except Unavailable:
            await asyncio.sleep(_LOOK_S)
