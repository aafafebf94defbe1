"""All routes of data requests, for the process that serves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from bus.gateway.admission import Admission
from bus.gateway.answering import Answering
from bus.gateway.asking import SESSIONS_MAX, SETTINGS, Asking
from bus.gateway.entered import Door
from bus.gateway.inbox import Inbox
from bus.gateway.opening import Openings
from bus.gateway.places import Places
from bus.kafka.cluster import Cluster
from bus.postgres.pool import SessionPool
from bus.wire.signature import BatchSigner

AT_ONCE_MAX: Final = 64
"""Requests that are served at one time, those that wait for news among them."""
AT_ONCE_OF_ONE_MAX: Final = 8
"""Of them, those of one system."""


@asynccontextmanager
async def data_request_routes(
    *,
    cluster: Cluster,
    fund_dsn: str,
    admission: Admission,
    signer: BatchSigner,
    openings: Openings,
    audit_key: bytes,
) -> AsyncIterator[list[web.RouteDef]]:
    """Give the routes for the time of a block, which keeps their sessions open.

    Args:
        cluster: Reached as the bus.
        fund_dsn: Of the data fund.
        admission: Tells who asks.
        signer: With the bus's own key.
        openings: Shared with first loads.
        audit_key: Marks in the audit log which entries were given.
    """
    pool = SessionPool(fund_dsn, "bus requests", sessions_max=SESSIONS_MAX, settings=SETTINGS)
    door = Door(admission=admission)
    places = Places(
        AT_ONCE_MAX,
        AT_ONCE_OF_ONE_MAX,
        full=(503, "requests_full"),
        full_for_one=(429, "requests_full_for_you"),
    )
    asking = Asking(
        door=door,
        pool=pool,
        cluster=cluster,
        answering=Answering(signer, openings, audit_key),
        places=places,
    )
    try:
        # Why the inbox first: its name must not be taken for that of a request.
        yield [*Inbox(door=door, pool=pool, places=places).routes(), *asking.routes()]
    finally:
        await pool.close()
