"""The gateway as an information system reaches it: signed requests, faults in the bus's words."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp
from yarl import URL

from bus.errors import BusError, DocumentError, Finding, InvariantBroken, Unavailable, Words
from bus.model.identifiers import KeyId, SystemCode
from bus.texts import message
from bus.wire.http_signature import sign_request

PATIENCE_S: Final = 60.0
"""How long a gateway that asks for patience, or does not answer, is asked again."""
_AGAIN_S: Final = 1.0
_ANSWER_S: Final = 90.0
_ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
_BUSY: Final = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS})


class GatewayRefusal(DocumentError):
    """The gateway does not do what was asked; `code` says why, for programs."""

    def __init__(self, words: Words, code: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(words, findings)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Where the gateway is, and the system that asks it."""

    url: str
    """`https://host:port`, without a path."""
    ca_file: Path
    """PEM of the authority that signed its certificate."""
    system: SystemCode
    key_id: KeyId
    """Name under which the catalogue knows the system's key."""
    private_key: bytes = field(repr=False)
    """Ed25519 seed, 32 bytes."""


class GatewaySession:
    """A connection to the gateway for the time of a block."""

    def __init__(
        self, gateway: Gateway, clock: Callable[[], datetime], *, patience_s: float = PATIENCE_S
    ) -> None:
        """Prepare; entering it makes the connection.

        Args:
            gateway: Where, and who asks.
            clock: Gives the present, aware; requests are valid for a minute.
            patience_s: How long one that is busy or away is asked again.
        """
        self._gateway = gateway
        self._clock = clock
        self._patience_s = patience_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=str(self._gateway.ca_file))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            timeout=aiohttp.ClientTimeout(total=_ANSWER_S),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, query: Mapping[str, str], doing: Words) -> bytes:
        """Ask for something, again and again for a while if the gateway is busy or away.

        Args:
            path: Begins with a slash.
            query: Parameters.
            doing: What is going on, for messages.

        Raises:
            DocumentError: The gateway refuses it: no agreement, a key that is not valid…
            Unavailable: It does not answer in time.
            InvariantBroken: It failed.
        """
        return await self._patiently(
            "GET", f"{path}{'?' if query else ''}{urlencode(query)}", doing
        )

    async def post(self, path: str, content: Mapping[str, object], doing: Words) -> bytes:
        """Send something, again and again for a while if the gateway is busy or away.

        Args:
            path: Begins with a slash; what stands there must take the same twice as once.
            content: Written as JSON.
            doing: What is going on, for messages.

        Raises: as `get`.
        """
        body = json.dumps(content, ensure_ascii=False).encode()
        return await self._patiently("POST", path, doing, body)

    async def _patiently(
        self, method: str, address: str, doing: Words, body: bytes | None = None
    ) -> bytes:
        deadline = asyncio.get_running_loop().time() + self._patience_s
        while True:
            try:
                return await self._ask(method, address, doing, body)
            except Unavailable:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(_AGAIN_S)

    async def _ask(self, method: str, address: str, doing: Words, body: bytes | None) -> bytes:
        assert self._session is not None, "entered first"
        gateway = self._gateway
        uri = f"{gateway.url}{address}"
        headers = sign_request(
            method,
            uri,
            key_id=gateway.key_id,
            private_key=gateway.private_key,
            created_s=int(self._clock().timestamp()),
            body=body,
            nonce=None if body is None else uuid4().hex,
        )
        try:
            async with self._session.request(
                method, URL(uri, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as answer:
                told = await _whole(answer.content)
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            raise Unavailable(
                message(
                    "error.client.gateway_silent",
                    doing=doing,
                    url=gateway.url,
                    kind=type(problem).__name__,
                    problem=problem,
                )
            ) from problem
        if status in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
            return told
        who = message("error.client.gateway", doing=doing, url=gateway.url)
        raise _refused(status, told, who)


async def _whole(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for part in content.iter_any():
        body += part
        if len(body) > _ANSWER_BYTES_MAX:
            raise aiohttp.ClientPayloadError(f"an answer of more than {_ANSWER_BYTES_MAX:,} bytes")
    return bytes(body)


def _refused(status: int, body: bytes, who: Words) -> BusError:
    told: Words
    findings: list[Finding] = []
    try:
        content = json.loads(body)
        told, code = f"{content['message']} {content['next_step']}", str(content["code"])
        findings = [
            Finding(
                path=str(part["path"]),
                found=str(part["found"]),
                expected=str(part["expected"]),
                remedy=str(part.get("remedy", "")),
            )
            for part in content.get("errors", ())
        ]
    except (ValueError, KeyError, TypeError):
        told, code = message("error.client.gateway_status", status=status), ""
    words = message("error.client.gateway_says", who=who, told=told)
    if status in _BUSY:
        return Unavailable(words)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvariantBroken(words)
    return GatewayRefusal(words, code, findings)
