"""Letting a request in: who asks, how often, and a body of bounded size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from aiohttp import web

from bus.catalogue.snapshot import Snapshot, instant_ms
from bus.gateway.authentication import Caller, certified_caller, is_still_valid, signed_caller
from bus.gateway.problems import Problem
from bus.gateway.rates import Rates
from bus.gateway.replays import Replays
from bus.wire.http_signature import INPUT_HEADER, content_digest

CALLER: Final = web.RequestKey("caller", Caller)
"""Who asks, once it is known."""
BODY_BYTES_MAX: Final = 1024 * 1024
BODY_S_MAX: Final = 15.0
"""How long a client may take to send a body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What letting in works with; one for the whole process."""

    catalogue: Callable[[], Snapshot]
    """Gives the catalogue in force."""
    clock: Callable[[], datetime]
    url: str
    """`https://host:port` under which systems reach this gateway; what they sign begins with it."""
    rates: Rates = field(default_factory=Rates)
    replays: Replays = field(default_factory=Replays)

    def caller(self, request: web.Request) -> Caller:
        """Tell who asks, by the signature of the request or the certificate of its connection.

        Raises:
            Problem: Nobody known, or somebody who asks too often.
        """
        snapshot, now_ms = self.catalogue(), instant_ms(self.clock())
        certificate = _certificate(request)
        if INPUT_HEADER in request.headers or certificate is None:
            found = signed_caller(
                request.headers,
                request.method,
                # Why not header Host: a request signed for another gateway would name that.
                f"{self.url}{request.raw_path}",
                snapshot=snapshot,
                now_ms=now_ms,
            )
        else:
            found = certified_caller(certificate, snapshot=snapshot, now_ms=now_ms)
        request[CALLER] = found
        self.rates.take(found.system, asyncio.get_running_loop().time())
        return found

    async def body(
        self, request: web.Request, caller: Caller, bytes_max: int = BODY_BYTES_MAX
    ) -> bytes:
        """Read the body of a request that changes something.

        A signed one has to cover its body, and is taken once.

        Args:
            request: As it came.
            caller: Who sent it.
            bytes_max: Of the body.

        Raises:
            Problem: The body is too large, too slow, encoded, or not the one that was signed.
        """
        signature = caller.signature
        if signature is not None and signature.content_digest is None:
            raise Problem(401, "body_not_signed")
        body = await read_body(request, bytes_max)
        if signature is not None:
            if signature.content_digest != content_digest(body):
                raise Problem(401, "other_body")
            self.replays.take(signature.signature, asyncio.get_running_loop().time())
        return body

    def check_still(self, caller: Caller) -> None:
        """Look at a caller again whose answer goes on.

        Raises:
            Problem: Its key is not valid any more.
        """
        if not is_still_valid(caller, self.catalogue(), instant_ms(self.clock())):
            raise Problem(401, "key_not_valid", key=caller.key_id)


async def read_body(request: web.Request, bytes_max: int) -> bytes:
    """Read a body, and stop at the limit.

    Why no encoding: a small body could become a large one.

    Raises:
        Problem: It is encoded, has more bytes, or does not come in time.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "encoded_body")
    if request.content_length is not None and request.content_length > bytes_max:
        raise Problem(413, "body_too_large", bytes_max=bytes_max)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S_MAX):
            async for part in request.content.iter_any():
                body += part
                if len(body) > bytes_max:
                    raise Problem(413, "body_too_large", bytes_max=bytes_max)
    except TimeoutError:
        raise Problem(408, "body_too_slow", seconds=BODY_S_MAX) from None
    except web.RequestPayloadError:
        raise Problem(400, "body_broken") from None
    return bytes(body)


def _certificate(request: web.Request) -> bytes | None:
    transport = request.transport
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    return None if tls is None else tls.getpeercert(binary_form=True)
