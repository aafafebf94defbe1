"""Asking the gateway as a system without `bus.client` does: by certificate, or by signature."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from yarl import URL

from bus.access.credentials import certificate_file, private_key_file
from bus.access.delegate import delegate
from bus.catalogue.documents import read_documents
from bus.catalogue.region import parse_region
from bus.kafka.administration import connect_admin
from bus.model.identifiers import SystemCode
from bus.provision.catalogue_apply import apply_catalogue
from bus.wire.http_signature import sign_request
from bus.wiring import Installation

PROVIDER = SystemCode("edu-registry")
HEALTH = SystemCode("health-analytics")
PORTAL = SystemCode("region-portal")

_CLOSING_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer."""

    status: int
    content: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> tuple[int, str]:
        """Status, and the problem's code."""
        assert self.headers["Content-Type"].startswith("application/problem+json")
        assert self.content["type"] == f"urn:bus:problem:{self.content['code']}"
        return self.status, self.content["code"]


def tls(installation: Installation, system: SystemCode | None) -> ssl.SSLContext:
    """Trust the gateway's authority, and show a system's certificate."""
    context = ssl.create_default_context(cafile=str(installation.gateway_as(PORTAL).ca_file))
    if system is not None:
        home = installation.home
        context.load_cert_chain(
            certificate_file(home, system, 1), private_key_file(home, system, 1)
        )
    return context


@asynccontextmanager
async def session_of(
    installation: Installation, system: SystemCode | None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Connect as a system by its certificate, or as a stranger."""
    connector = aiohttp.TCPConnector(ssl=tls(installation, system))
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session
    finally:
        # Why: a connection that was cut in the middle is closed a turn or two later, and Python
        # complains of one that the event loop's end finds open.
        await asyncio.sleep(_CLOSING_S)


def signed(
    installation: Installation, system: SystemCode, method: str, address: str, body: bytes | None
) -> dict[str, str]:
    """Sign a request with a system's key."""
    door = installation.gateway_as(system)
    return sign_request(
        method,
        door.url + address,
        key_id=door.key_id,
        private_key=door.private_key,
        created_s=int(datetime.now(UTC).timestamp()),
        body=body,
        nonce=secrets.token_hex(8),
    )


async def ask(
    installation: Installation,
    method: str,
    address: str,
    *,
    by: SystemCode | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Told:
    """Ask one thing; a body that is no bytes is sent as JSON."""
    given = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body, ensure_ascii=False).encode()
        given.setdefault("Content-Type", "application/json")
    data = io.BytesIO(body) if isinstance(body, bytes) else None
    url = URL(installation.gateway_as(PORTAL).url + address, encoded=True)
    async with (
        session_of(installation, by) as session,
        session.request(method, url, data=data, headers=given) as answer,
    ):
        text = await answer.text()
        content = json.loads(text) if "json" in answer.content_type else text
        return Told(status=answer.status, content=content, headers=dict(answer.headers))


async def delegated(installation: Installation, system: SystemCode) -> None:
    """Let the gateway send for a system, and bring that into force."""
    keys = parse_region(read_documents(installation.settings.region, installation.keys_dir)).keys
    admin = connect_admin(installation.cluster_as_admin())
    if not delegate(installation.home, admin, system, keys, datetime.now(UTC)).is_new:
        return
    await apply_catalogue(
        read_documents(installation.settings.region, installation.keys_dir),
        cluster=installation.cluster_as_admin(),
        fund_dsn=installation.fund_dsn(),
        now=datetime.now(UTC),
    )
