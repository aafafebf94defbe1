"""The gateway's process, from start to a clean stop.

`bus.supervise.supervisor` starts it as `python -m bus.gateway.process`. It ends when it is told to
(SIGTERM, SIGINT), when its supervisor is gone (end of standard input) or when the catalogue can't
be followed any more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from bus import registry
from bus.catalogue.parties import BUS
from bus.errors import BusError, DocumentError, Unavailable
from bus.gateway.application import application
from bus.gateway.data_requests import data_request_routes
from bus.gateway.first_load import FirstLoads
from bus.gateway.opening import Openings
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.local.gateway_place import choose_gateway_place
from bus.local.layout import Layout
from bus.process.ending import listen_for_the_end, told_to_end
from bus.process.exit_codes import exit_code_of
from bus.process.lock import alone
from bus.process.log import configure_logging
from bus.settings import read_settings
from bus.texts import message
from bus.wire.signature import BatchSigner
from bus.wiring import Installation

logger = logging.getLogger(__name__)

STOP_S: Final = 5.0
"""How long answers under way may take when the process ends."""


@asynccontextmanager
async def serving(installation: Installation) -> AsyncIterator[asyncio.Future[BaseException]]:
    """Serve for the time of a block.

    Args:
        installation: Where the engines are, and where to listen.

    Returns: What is done when the catalogue can't be followed any more, with the fault.

    Raises:
        Unavailable: An engine does not answer.
        DocumentError: The bus is not enrolled, or its certificate is missing.
    """
    fault: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    cluster, place = installation.cluster_as(BUS), _place(installation)
    catalogue = CatalogueFollower(cluster, lambda problem: _set(fault, problem))
    await catalogue.start()
    try:
        credentials = installation.credentials(BUS)
        signer = BatchSigner(credentials.key_id, credentials.private_key)
        openings = Openings(cluster, catalogue.snapshot.region.partitions)
        loads = FirstLoads(
            cluster=cluster,
            fund_dsn=installation.fund_dsn(),
            catalogue=catalogue,
            signer=signer,
            clock=_now,
            openings=openings,
            url=place.url,
            audit_key=installation.audit_key(),
        )
        async with data_request_routes(
            cluster=cluster,
            fund_dsn=installation.fund_dsn(),
            snapshot=lambda: catalogue.snapshot,
            signer=signer,
            clock=_now,
            openings=openings,
            url=place.url,
            audit_key=installation.audit_key(),
        ) as requests:
            routes = [
                *loads.routes(),
                *requests,
                *registry.routes(lambda: catalogue.snapshot),
                web.get("/healthz", _healthy(catalogue)),
            ]
            runner = web.AppRunner(
                application(routes), access_log=None, shutdown_timeout=STOP_S, handle_signals=False
            )
            await runner.setup()
            try:
                await _listen(runner, place)
                yield fault
            finally:
                await runner.cleanup()
    finally:
        await catalogue.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where this gateway listens, and under which address systems reach it."""

    url: str
    host: str
    port: int
    certificate: Path


def _place(installation: Installation) -> _Place:
    chosen = installation.settings.gateway
    certificate = Layout.of(installation.home).gateway_pem_file
    if chosen is None:
        own = choose_gateway_place(installation.home)
        return _Place(url=own.url, host=own.host, port=own.port, certificate=certificate)
    return _Place(
        url=chosen.url,
        host=chosen.listen_host,
        port=chosen.listen_port,
        certificate=chosen.certificate_file or certificate,
    )


async def _listen(runner: web.AppRunner, place: _Place) -> None:
    context = _tls(place.certificate)
    try:
        await web.TCPSite(runner, place.host, place.port, ssl_context=context).start()
    except OSError as problem:
        raise Unavailable(
            message(
                "error.gateway.port_taken",
                host=place.host,
                port=place.port,
                problem=problem.strerror,
            )
        ) from problem
    logger.info("gateway.started at=%s:%d pid=%d", place.host, place.port, os.getpid())


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate)
    except (OSError, ssl.SSLError) as problem:
        raise DocumentError(message("error.gateway.no_certificate", path=certificate)) from problem
    return context


def _healthy(catalogue: CatalogueFollower) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "catalogue": catalogue.snapshot.version})

    return answer


def _set(fault: asyncio.Future[BaseException], problem: BaseException) -> None:
    if not fault.done():
        fault.set_result(problem)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - an outermost hand


async def run(installation: Installation) -> None:
    """Serve until told to stop.

    Raises:
        BusError: What keeps it from serving.
    """
    stopping = asyncio.Event()
    listen_for_the_end(stopping)
    with _alone(installation.home):
        async with serving(installation) as fault:
            await told_to_end(stopping, fault)
    logger.info("gateway.ended")


def _alone(home: Path) -> AbstractContextManager[None]:
    """Keep a second gateway of this home away: systems know one address.

    Raises:
        DocumentError: One runs already.
    """
    return alone(
        Layout.of(home).run / "gateway.lock",
        lambda pid: DocumentError(message("error.gateway.runs_already", home=home, pid=pid)),
    )


def main() -> None:
    """Run the gateway: `python -m bus.gateway.process`; the exit code tells its supervisor why."""
    configure_logging("gateway-0")
    try:
        asyncio.run(run(Installation(read_settings())))
    except Exception as problem:
        # Why no traceback for the bus's own errors: their text says what to do.
        trace = None if isinstance(problem, BusError) else problem
        logger.critical("gateway.stopped problem=%s", problem, exc_info=trace)
        sys.exit(exit_code_of(problem))


if __name__ == "__main__":
    main()
