"""A consumer's web service that is called for each record, signed as Standard Webhooks says.

One request for each record, or for the members of a correction group, one after the other. The
headers `webhook-id`, `webhook-timestamp` and `webhook-signature` are those of the specification
Standard Webhooks 1.0.0, for which receivers have libraries in most languages. The id names what is
told: the records of the request, and the topic whose cut they are. It stays the same when a request
comes again after a kill or a lost answer, so a receiver that keeps the ids it has seen does
everything once.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import aiohttp
from pydantic import Field, FilePath, SecretStr, field_validator
from yarl import URL

from bus.client import DeliveredBatch, DeliveredRecord, json_line
from bus.errors import DocumentError, Finding
from connectors.sink import Sink, SinkConfig, SinkContext, SinkDown, Taken
from connectors.texts import finding_at, message
from connectors.web.service import retry_after_s

_SECRET: Final = "whsec_"  # noqa: S105 - what a secret begins with
_SECRET_BYTES_MIN: Final = 24
_REFUSED: Final = frozenset({400, 409, 413, 415, 422})
"""Answers that speak of this very record; all others of the service, the address or the login."""
_SAID_MAX: Final = 500


class WebhookConfig(SinkConfig):
    """Which address is called, and with which secret."""

    url: Annotated[
        str, Field(description="Address that takes records by POST; https, or a loopback host.")
    ]
    secret: Annotated[
        SecretStr,
        Field(description="Signing secret as Standard Webhooks writes it: whsec_ and base64."),
    ]
    ca_file: Annotated[
        FilePath | None, Field(description="Certificates that its own has to go back to.")
    ] = None
    timeout_s: Annotated[float, Field(description="How long an answer may take.", gt=0)] = 15.0

    @field_validator("url")
    @classmethod
    def _is_guarded(cls, url: str) -> str:
        parsed = URL(url)
        is_near = parsed.host in {"localhost", "127.0.0.1", "::1"}
        if parsed.scheme != "https" and not (parsed.scheme == "http" and is_near):
            raise ValueError("records travel encrypted: https://host/path")
        if parsed.user or parsed.password:
            raise ValueError("no login in the address: the signature tells who calls")
        return url

    @field_validator("secret")
    @classmethod
    def _is_a_secret(cls, secret: SecretStr) -> SecretStr:
        if len(_key(secret)) < _SECRET_BYTES_MIN:
            raise ValueError(f"{_SECRET} and at least {_SECRET_BYTES_MIN} bytes in base64")
        return secret


class Webhook(Sink[WebhookConfig]):
    """A web service that is told of each record by a signed request.

    An answer of 2xx takes it. 400, 409, 413, 415 and 422 refuse this very record: it is written to
    `refused.jsonl` in the connector's folder with what the service said, and the next one follows.
    Any other answer is a fault of the whole: the same record is tried again, later each time or
    when the service asks for it (`Retry-After`).
    """

    Config = WebhookConfig

    def __init__(self, config: WebhookConfig, context: SinkContext) -> None:
        """Take what it calls with."""
        super().__init__(config, context)
        self._key = _key(config.secret)
        self._session: aiohttp.ClientSession | None = None

    async def check(self) -> Sequence[Finding]:
        """See `Sink`: whether anything answers there; nothing is sent."""
        url = URL(self.config.url)
        try:
            async with asyncio.timeout(self.config.timeout_s):
                _, writer = await asyncio.open_connection(url.host, url.port, ssl=await self._tls())
            writer.close()
        except (OSError, TimeoutError) as problem:
            told = {"url": url.origin(), "problem": problem}
            return [finding_at("config.url", "webhook.no_answer", **told)]
        return ()

    async def open(self) -> None:
        """See `Sink`."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=await self._tls() or True),
            timeout=aiohttp.ClientTimeout(total=self.config.timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """See `Sink`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def write(self, batch: DeliveredBatch) -> Taken:
        """See `Sink`."""
        records = refused = 0
        for unit in batch.units:
            said = await self._told(unit)
            if said is None:
                records += len(unit)
            else:
                await asyncio.to_thread(self._set_aside, unit, said)
                refused += len(unit)
        return Taken(records=records, refused=refused)

    async def _told(self, unit: Sequence[DeliveredRecord]) -> str | None:
        """Tell the service of a unit; None: it took it, else what it said against it."""
        assert self._session is not None, "opened first"
        body = b'{"records":[' + b",".join(json_line(one).encode() for one in unit) + b"]}"
        headers = signed_headers(
            self._key, telling_id(unit), int(self.context.clock().timestamp()), body
        )
        origin = URL(self.config.url).origin()
        try:
            async with self._session.post(
                self.config.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                if answer.ok and answer.status < 300:  # noqa: PLR2004 - HTTP's success
                    return None
                if answer.status in _REFUSED:
                    said = await answer.content.read(_SAID_MAX)
                    return f"{answer.status} {said.decode(errors='replace')}"
                told = {"url": origin, "status": answer.status}
                raise SinkDown(
                    message("webhook.refuses_all", **told),
                    retry_after_s=retry_after_s(
                        answer.headers.get("Retry-After"), self.context.clock()
                    ),
                )
        except TimeoutError:
            raise SinkDown(message("webhook.slow", url=origin)) from None
        except aiohttp.ClientError as problem:
            # Why not the problem itself: it may hold the whole address.
            told = {"url": origin, "problem": type(problem).__name__}
            raise SinkDown(message("webhook.no_answer", **told)) from None

    def _set_aside(self, unit: Sequence[DeliveredRecord], said: str) -> None:
        """Keep what the service refuses, durably, before the next one is asked for."""
        self.context.folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND
        # Why for the owner alone: a record may hold personal data.
        with os.fdopen(os.open(self.refused_file, flags, 0o600), "a+", encoding="utf-8") as file:
            if _is_torn(self.refused_file):
                file.write("\n")  # what a kill cut off ends here
            for record in unit:
                entry = {"problem": said, "record": json.loads(json_line(record))}
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @property
    def refused_file(self) -> Path:
        """Where refused records are kept, one a line."""
        return self.context.folder / "refused.jsonl"

    async def _tls(self) -> ssl.SSLContext | None:
        """Give what its certificate is checked with; None: it has none.

        Raises:
            DocumentError: The file holds no certificate.
        """
        if URL(self.config.url).scheme == "http":
            return None
        try:
            return await asyncio.to_thread(ssl.create_default_context, cafile=self.config.ca_file)
        except ssl.SSLError as problem:
            told = {"file": self.config.ca_file, "problem": problem}
            raise DocumentError(message("http.wrong_ca", **told)) from problem


def telling_id(unit: Sequence[DeliveredRecord]) -> str:
    """Name what a request tells: 32 hexadecimal digits, the same for each attempt."""
    told = [unit[0].position.topic, *(str(one.record_id) for one in unit)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


def _is_torn(file: Path) -> bool:
    """Tell whether a file ends within a line."""
    with file.open("rb") as opened:
        if opened.seek(0, os.SEEK_END) == 0:
            return False
        opened.seek(-1, os.SEEK_END)
        return opened.read() != b"\n"


def signed_headers(key: bytes, own_id: str, moment_s: int, body: bytes) -> dict[str, str]:
    """Sign a request.

    Args:
        key: Bytes of the secret.
        own_id: The same for each attempt.
        moment_s: Of this attempt, seconds since 1970 UTC.
        body: What is sent.
    """
    signed = b"%s.%d.%s" % (own_id.encode(), moment_s, body)
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": own_id,
        "webhook-timestamp": str(moment_s),
        "webhook-signature": f"v1,{signature}",
    }


def _key(secret: SecretStr) -> bytes:
    try:
        return base64.b64decode(secret.get_secret_value().removeprefix(_SECRET), validate=True)
    except binascii.Error:
        raise ValueError(f"{_SECRET} and base64") from None
