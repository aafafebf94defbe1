"""The gateway's bounds against hostile clients, in numbers that a test has time for; no engines."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from bus.gateway import connections
from bus.gateway.admission import BODY_BYTES_MAX, read_body
from bus.gateway.application import application
from bus.gateway.connections import Listener
from bus.gateway.described import Described, document
from bus.local.certificates import ensure_certificates
from bus.local.layout import Layout
from tests.factories import snapshot
from tests.gateway.hostile import (
    MIB,
    Door,
    open_connections,
    send_endless_body,
    sleep_over_answers,
    trickle,
)


async def count_bytes(request: web.Request) -> web.Response:
    return web.json_response(len(await read_body(request, BODY_BYTES_MAX)))


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    layout = Layout.of(tmp_path)
    for folder in (layout.run, layout.secrets):
        folder.mkdir()
    ensure_certificates(layout, now=datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(layout.gateway_pem_file)
    trusting = ssl.create_default_context(cafile=str(layout.ca_file))
    routes = [*Described(catalogue=snapshot).routes(), web.post("/records/{dataset}", count_bytes)]
    runner = web.AppRunner(application(routes), access_log=None, shutdown_timeout=1)
    await runner.setup()
    assert runner.server is not None
    sock = socket.socket()
    sock.setblocking(False)  # noqa: FBT003 - the socket's own call
    sock.bind(("127.0.0.1", 0))
    url = URL(f"https://127.0.0.1:{sock.getsockname()[1]}")
    async with Listener(runner.server, sock, context).listening():
        yield Door(url=url, stranger=trusting, provider=trusting)
    await runner.cleanup()


async def test_idle_connections_make_room_for_an_honest_one(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 40)
    monkeypatch.setattr(connections, "_HANDSHAKE_S", 0.5)
    flood = await open_connections(door, 300, limit=150)
    assert flood.held_at_most <= 41
    assert flood.honest_s < 10


async def test_a_head_that_does_not_end_is_cut_off(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE_S_MAX", 1.0)
    assert await trickle(door, 10) < 5


async def test_an_answer_that_nobody_reads_does_not_stay(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_S_MAX", 1.0)
    monkeypatch.setattr(connections, "IDLE_S_MAX", 2.0)
    count = 1_000
    whole = count * len(document().encode())
    assert await sleep_over_answers(door, count, 3.0) < whole


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_without_end_is_cut_at_the_limit(door: Door, is_chunked: bool) -> None:
    status, sent = await send_endless_body(door, 512 * MIB, is_chunked=is_chunked)
    assert status in {0, 413}
    assert sent < 511 * MIB


async def test_a_connection_that_ends_in_the_middle_leaves_nothing(door: Door) -> None:
    async def begun() -> None:
        _, writer = await asyncio.open_connection(*door.place, ssl=door.stranger)
        writer.write(b"POST /records/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nabc")
        await writer.drain()
        writer.transport.abort()

    await asyncio.gather(*[begun() for _ in range(20)])
    assert (await open_connections(door, 4, limit=4)).honest_s < 5
