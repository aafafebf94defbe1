"""The gateway's process, from start to a clean stop.

`bus.supervise.supervisor` starts it as `python -m bus.gateway.process`. It ends when it is told to
(SIGTERM, SIGINT), when its supervisor is gone (end of standard input) or when the catalogue can't
be followed any more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography import x509

from bus import registry
from bus.audit.note import Note, Read
from bus.audit.notes import note, note_read
from bus.catalogue.parties import BUS
from bus.errors import DocumentError, Unavailable
from bus.gateway.admission import Admission
from bus.gateway.application import application
from bus.gateway.carrier import Carrier
from bus.gateway.connections import Listener
from bus.gateway.counting import Counting
from bus.gateway.data_requests import data_request_routes
from bus.gateway.described import Described
from bus.gateway.feeding import Feeding
from bus.gateway.first_load import FirstLoads
from bus.gateway.idempotency import AnsweredOnce
from bus.gateway.observation import observed
from bus.gateway.opening import Openings
from bus.gateway.publishing import Publishing
from bus.gateway.status import Statuses
from bus.gateway.tail import Tail
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.local.gateway_place import choose_gateway_place
from bus.local.layout import Layout
from bus.observe import series
from bus.observe.doors import open_here
from bus.postgres.pool import SessionPool
from bus.process.ending import listen_for_the_end, told_to_end
from bus.process.exit_codes import exit_code_of, traced
from bus.process.lock import alone
from bus.process.log import configure_logging
from bus.settings import read_settings
from bus.supervise.role import Door
from bus.texts import message
from bus.tracing.exporting import exporting
from bus.wire.signature import BatchSigner
from bus.wiring import Installation

logger = logging.getLogger(__name__)

_NOTING_MAX: Final = 4
"""Sessions that write notes: of what feeds give, of what is signed for systems."""
STOP_S: Final = 5.0
"""How long answers under way may take when the process ends."""


@asynccontextmanager
async def serving(
    installation: Installation, *, restarts: int = 0
) -> AsyncIterator[asyncio.Future[BaseException]]:
    """Serve for the time of a block.

    Args:
        installation: Where the engines are, and where to listen.
        restarts: How often a supervisor has started it again.

    Returns: What is done when the catalogue can't be followed any more, with the fault.

    Raises:
        Unavailable: An engine does not answer.
        DocumentError: The bus is not enrolled, or its certificate is missing.
    """
    fault: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    cluster, place = installation.cluster_as(BUS), _place(installation)
    once = AnsweredOnce(installation.fund_dsn())
    catalogue = CatalogueFollower(cluster, lambda problem: _set(fault, problem))
    async with AsyncExitStack() as stack:
        await catalogue.start()
        stack.push_async_callback(catalogue.stop)
        await once.prepare()
        admission = Admission(catalogue=lambda: catalogue.snapshot, clock=_now, url=place.url)
        tail, carrier = Tail(cluster), Carrier(installation.home, installation.cluster_as_gateway)
        stack.push_async_callback(tail.stop)
        stack.push_async_callback(carrier.stop)
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
            admission=admission,
            audit_key=installation.audit_key(),
        )
        requests = await stack.enter_async_context(
            data_request_routes(
                cluster=cluster,
                fund_dsn=installation.fund_dsn(),
                admission=admission,
                signer=signer,
                openings=openings,
                audit_key=installation.audit_key(),
            )
        )
        notes = SessionPool(installation.fund_dsn(), "bus notes", sessions_max=_NOTING_MAX)
        stack.push_async_callback(notes.close)
        publishing = Publishing(
            admission=admission,
            carrier=carrier,
            once=once,
            clock=_now,
            put_on_record=partial(_put_on_record, notes),
            traced_share=installation.settings.traced_share,
            spans=stack.enter_context(exporting(installation.settings.otlp, "bus.gateway")),
        )
        statuses = Statuses(admission=admission, cluster=cluster, fund_dsn=installation.fund_dsn())
        feeding = Feeding(
            admission=admission,
            catalogue=catalogue,
            tail=tail,
            clock=_now,
            note=partial(_note_read, notes, installation.audit_key()),
        )
        routes = [
            *loads.routes(),
            *publishing.routes(),
            *statuses.routes(),
            *feeding.routes(),
            *requests,
            *Described(catalogue=lambda: catalogue.snapshot).routes(),
            *registry.routes(lambda: catalogue.snapshot),
        ]
        meter = await stack.enter_async_context(
            observed(
                installation.home,
                catalogue,
                limit_s=installation.settings.stalled_after_s,
                restarts=restarts,
            )
        )
        composed = application(routes)
        composed.on_response_prepare.append(Counting(meter, lambda: catalogue.snapshot).answering)
        runner = web.AppRunner(
            composed, access_log=None, shutdown_timeout=STOP_S, handle_signals=False
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        listener = _listener(runner, place)
        meter.board.set(series.GATEWAY_CERTIFICATE_EXPIRY, (), _end_of(place.certificate))
        async with listener.listening():
            logger.info("gateway.started at=%s:%d pid=%d", place.host, place.port, os.getpid())
            yield fault


async def _put_on_record(pool: SessionPool, one: Note) -> None:
    async with pool.session() as session:
        await note(session, [one])


async def _note_read(pool: SessionPool, audit_key: bytes, read: Read) -> None:
    async with pool.session() as session:
        await note_read(session, read, audit_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where this gateway listens, and under which address systems reach it."""

    url: str
    host: str
    port: int
    certificate: Path
    ca_file: Path
    """Of the authority that systems' certificates are of."""


def _place(installation: Installation) -> _Place:
    chosen = installation.settings.gateway
    layout = Layout.of(installation.home)
    if chosen is None:
        own = choose_gateway_place(installation.home)
        return _Place(
            url=own.url,
            host=own.host,
            port=own.port,
            certificate=layout.gateway_pem_file,
            ca_file=layout.ca_file,
        )
    return _Place(
        url=chosen.url,
        host=chosen.listen_host,
        port=chosen.listen_port,
        certificate=chosen.certificate_file or layout.gateway_pem_file,
        ca_file=chosen.ca_file,
    )


def _listener(runner: web.AppRunner, place: _Place) -> Listener:
    assert runner.server is not None, "set up"
    context = _tls(place)
    found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)  # noqa: FBT003 - the socket's own call
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
    except OSError as problem:
        sock.close()
        raise Unavailable(
            message(
                "error.gateway.port_taken",
                host=place.host,
                port=place.port,
                problem=problem.strerror,
            )
        ) from problem
    return Listener(runner.server, sock, context)


def _tls(place: _Place) -> ssl.SSLContext:
    """Prepare TLS: a client may show a certificate, and then it has to be the authority's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(place.certificate)
        context.load_verify_locations(place.ca_file)
    except (OSError, ssl.SSLError) as problem:
        path = place.certificate
        raise DocumentError(message("error.gateway.no_certificate", path=path)) from problem
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _end_of(certificate: Path) -> float:
    """Tell when what the gateway shows ends, in seconds since 1970 UTC; the file has been read."""
    shown = x509.load_pem_x509_certificate(certificate.read_bytes())
    return shown.not_valid_after_utc.timestamp()


def _set(fault: asyncio.Future[BaseException], problem: BaseException) -> None:
    if not fault.done():
        fault.set_result(problem)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - an outermost hand


async def run(installation: Installation, *, restarts: int = 0) -> None:
    """Serve until told to stop.

    Raises:
        BusError: What keeps it from serving.
    """
    stopping = asyncio.Event()
    listen_for_the_end(stopping)
    with _alone(installation.home):
        async with serving(installation, restarts=restarts) as fault:
            with open_here(installation.home, Door.GATEWAY):
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


def main(arguments: list[str]) -> None:
    """Run the gateway: `python -m bus.gateway.process [gateway 0 RESTARTS]`, as supervisors do."""
    configure_logging("gateway-0")
    restarts = int(arguments[2]) if len(arguments) > 2 else 0  # noqa: PLR2004 - the third
    try:
        asyncio.run(run(Installation(read_settings()), restarts=restarts))
    except Exception as problem:
        code = exit_code_of(problem)
        logger.critical(
            "gateway.stopped exit=%d problem=%s", code, problem, exc_info=traced(problem)
        )
        sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
