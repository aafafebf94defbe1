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
from bus.observe.connectors import DIRECTION_LABEL, KIND_LABEL, Direction
from bus.observe.report import CONNECTOR, announced
from bus.observe.server import serving
from bus.process.lock import alone
from connectors.documents import Connector, SinkConnector

_LOOK_S: Final = 1.0


@asynccontextmanager
async def page_of(
    connector: Connector | SinkConnector,
    registry: CollectorRegistry,
    *,
    home: Path,
    port: int | None,
) -> AsyncIterator[None]:
    """Serve for the time of a block.

    Args:
        connector: Whose page it is.
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


async def _announce(connector: Connector | SinkConnector, home: Path, port: int) -> None:
    """Say where the page is, from when no other run of the connector says so here.

    Why it waits: a run that is started beside another gets its turn when that one ends, and until
    then the other one's figures count.
    """
    name, host = connector.name, socket.gethostname()
    lock = home / "run" / f"connector-{name}.lock"
    if isinstance(connector, SinkConnector):
        about = {KIND_LABEL: connector.document.sink, DIRECTION_LABEL: Direction.SINK}
    else:
        about = {KIND_LABEL: connector.document.source, DIRECTION_LABEL: Direction.SOURCE}
    while True:
        try:
            with (
                alone(lock, lambda pid: Unavailable(f"{name} runs in process {pid}")),
                announced(home, role=CONNECTOR, slot=name, host=host, port=port, about=about),
            ):
                await asyncio.Event().wait()
        except Unavailable:
            await asyncio.sleep(_LOOK_S)
