"""What a hostile client does to a gateway: many connections, bodies without end, no reading.

Each returns what an honest client met meanwhile; `python -m tests.gateway.hostile` does all at full
size against a platform of its own, and prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Self

import aiohttp
import psutil
from yarl import URL

from bus.access.enrol import enrol_all
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import parse_region
from bus.gateway import connections
from bus.gateway.process import serving
from bus.kafka.administration import connect_admin
from bus.local import reset, up
from bus.provision.catalogue_apply import apply_catalogue
from bus.settings import Settings
from bus.wiring import Installation
from tests.factories import DATASET, ROOT
from tests.gateway.asking import PROVIDER, delegated, tls

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """What came of many open connections."""

    tried: int
    held_at_most: int
    """By the gateway, at one time."""
    honest_s: float
    """How long an honest client waited for an answer meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A gateway as a client of it sees it."""

    url: URL
    stranger: ssl.SSLContext
    provider: ssl.SSLContext
    """Shows the certificate of a system that may publish."""

    @classmethod
    def of(cls, installation: Installation) -> Self:
        """Find the gateway of an installation."""
        return cls(
            url=URL(installation.gateway_as(PROVIDER).url),
            stranger=tls(installation, None),
            provider=tls(installation, PROVIDER),
        )

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        assert self.url.host is not None
        assert self.url.port is not None
        return self.url.host, self.url.port


async def open_connections(door: Door, count: int, limit: int) -> Flood:
    """Open connections that never ask anything, and be honest once in between.

    Half of them never speak TLS. This process keeps `limit` of them open at most.
    """
    opened: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(64)

    async def one(number: int) -> None:
        context = None if number % 2 else door.stranger
        async with gate:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(5):
                    transport, _ = await loop.create_connection(
                        asyncio.Protocol, *door.place, ssl=context
                    )
                opened.append(transport)
                while len(opened) > limit:
                    opened.pop(0).abort()

    held = 0

    async def watch() -> None:
        nonlocal held
        own = psutil.Process()
        while True:
            listening = [
                one
                for one in own.net_connections("tcp")
                if one.laddr.port == door.place[1] and one.status == "ESTABLISHED"
            ]
            held = max(held, len(listening))
            await asyncio.sleep(0.2)

    watching = asyncio.create_task(watch())
    flooding = asyncio.gather(*[one(number) for number in range(count)])
    await asyncio.sleep(1)
    begun = time.monotonic()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=door.stranger)) as session,
        session.get(door.url / "openapi.json") as answer,
    ):
        assert answer.status == HTTPStatus.OK
    honest_s = time.monotonic() - begun
    await flooding
    watching.cancel()
    for transport in opened:
        transport.abort()
    await asyncio.sleep(0.1)
    return Flood(tried=count, held_at_most=held, honest_s=honest_s)


async def send_endless_body(door: Door, size_bytes: int, *, is_chunked: bool) -> tuple[int, int]:
    """Send a body of zeros; gives the status and how many bytes could be sent."""
    sent = 0

    async def zeros() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < size_bytes:
            yield b"0" * (64 * 1024)
            sent += 64 * 1024

    headers = {"Content-Type": "application/json"}
    if not is_chunked:
        headers["Content-Length"] = str(size_bytes)
    connector = aiohttp.TCPConnector(ssl=door.provider)
    status = 0
    async with aiohttp.ClientSession(connector=connector) as session:
        url = door.url / "records" / DATASET
        # Why: it may be cut off before the answer could be read.
        with suppress(OSError, aiohttp.ClientError):
            async with session.post(url, data=zeros(), headers=headers) as answer:
                status = answer.status
    await asyncio.sleep(0.1)  # until what was cut is closed on this side, too
    return status, sent


async def trickle(door: Door, seconds: float) -> float:
    """Send a head byte by byte; gives how long the gateway bore it."""
    reader, writer = await asyncio.open_connection(*door.place, ssl=door.stranger)
    begun = time.monotonic()
    with suppress(OSError):
        while time.monotonic() - begun < seconds and not reader.at_eof():
            writer.write(b"G")
            await writer.drain()
            await asyncio.sleep(0.1)
    writer.transport.abort()
    return time.monotonic() - begun


async def sleep_over_answers(door: Door, count: int, seconds: float) -> int:
    """Ask so often at once, read nothing for a while, then all; gives the bytes that came."""
    reader, writer = await asyncio.open_connection(*door.place, ssl=door.stranger, limit=1024)
    writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * count)
    await asyncio.sleep(seconds)
    received = 0
    with suppress(OSError):
        while part := await reader.read(64 * 1024):
            received += len(part)
    writer.transport.abort()
    return received


async def installed(home: Path) -> Installation:
    """Bring the sample region into force on a platform that runs, with the provider delegating."""
    installation = Installation(Settings(home=home, region=ROOT / "deploy/samara/region.yaml"))
    region = parse_region(read_documents(installation.settings.region, None))
    systems = [system.code for agency in region.agencies.values() for system in agency.systems]
    admin = connect_admin(installation.cluster_as_admin())
    await asyncio.to_thread(enrol_all, home, admin, [BUS, *systems], datetime.now(UTC))
    await apply_catalogue(
        read_documents(installation.settings.region, installation.keys_dir),
        cluster=installation.cluster_as_admin(),
        fund_dsn=installation.fund_dsn(),
        now=datetime.now(UTC),
    )
    await delegated(installation, PROVIDER)
    return installation


async def _everything(home: Path, count: int, body_bytes: int) -> dict[str, object]:
    installation = await installed(home)
    before = psutil.Process().memory_info().rss
    async with serving(installation):
        door = Door.of(installation)
        flood = await open_connections(door, count, limit=400)
        status, sent = await send_endless_body(door, body_bytes, is_chunked=False)
        chunked, sent_chunked = await send_endless_body(door, body_bytes, is_chunked=True)
    return {
        "connections": flood.tried,
        "held_at_most": flood.held_at_most,
        "honest_s": round(flood.honest_s, 2),
        "body_bytes": body_bytes,
        "status": [status, chunked],
        "sent_bytes": [sent, sent_chunked],
        "grown_mib": (psutil.Process().memory_info().rss - before) // MIB,
        "sound": flood.held_at_most <= connections.CONNECTIONS_MAX + 1
        and {status, chunked} <= {0, 413},
    }


def main() -> None:
    """Do all of it; exit 1 where the gateway did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--body-bytes", type=int, default=1024 * MIB)
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bus-hostile-"))
    up(home)
    try:
        found = asyncio.run(_everything(home, chosen.connections, chosen.body_bytes))
    finally:
        reset(home)
    print(json.dumps(found))  # noqa: T201 - the command's result
    sys.exit(0 if found["sound"] else 1)


if __name__ == "__main__":
    main()
