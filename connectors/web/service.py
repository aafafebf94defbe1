"""Asking a web service: one answer after another, or why there is none."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Self

import aiohttp
from yarl import URL

from bus.errors import DocumentError, Words
from connectors.pace import Rate
from connectors.source import Json, SourceDown
from connectors.texts import message
from connectors.web.config import HttpConfig
from connectors.web.login import Login

_CHUNK_BYTES: Final = 64 * 1024
_THREAD_BYTES: Final = 128 * 1024
"""From which size on an answer is read in a thread: it would hold up everything else."""
_REDIRECTS_MAX: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAY_PASS: Final = frozenset({408, 425, 429})
_RETRY_AFTER_S_MAX: Final = 3600.0
_OK: Final = 200
_UNCHANGED: Final = 304
_UNAUTHORISED: Final = 401
_CLIENT_ERRORS: Final = range(400, 500)

_RATES: Final[dict[tuple[str, float], Rate]] = {}
"""By host and rate. Why of the process: a source is made anew for each reading."""


class Refused(DocumentError):
    """The service refuses a request; asking again would not help."""

    def __init__(self, words: Words, status: int) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the service said."""

    body: Json = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    next_link: URL | None
    tag: Mapping[str, str]
    """Headers by which it can be asked whether anything has changed; empty: it gives none."""


class Service:
    """A web service, while it is read."""

    def __init__(self, config: HttpConfig, clock: Callable[[], datetime]) -> None:
        """Take the configuration; nothing is opened before it is entered."""
        self._config = config
        self._clock = clock
        self._login = Login(config)
        self._base = URL(config.base_url)
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        config = self._config
        tls: ssl.SSLContext | bool = True
        try:
            if config.ca_file is not None:
                tls = await asyncio.to_thread(ssl.create_default_context, cafile=config.ca_file)
        except ssl.SSLError as problem:
            told = {"file": config.ca_file, "problem": problem}
            raise DocumentError(message("http.wrong_ca", **told)) from problem
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls),
            timeout=aiohttp.ClientTimeout(total=config.timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", **config.headers},
        )
        self._session = await self._stack.enter_async_context(session)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def list_url(self) -> URL:
        """The list's own address."""
        config = self._config
        path = f"{config.base_url.rstrip('/')}/{config.path.lstrip('/')}" if config.path else ""
        return URL(path or config.base_url).update_query(config.query)

    def own(self, url: URL) -> URL:
        """Make sure that an address is the service's own: no other one is sent our login.

        Raises:
            DocumentError: It is another one's.
        """
        if url.origin() != self._base.origin():
            told = {"url": self._base.origin(), "other": url.origin()}
            raise DocumentError(message("http.elsewhere", **told))
        return url

    async def get(self, url: URL, tag: Mapping[str, str] | None = None) -> Answer | None:
        """Ask for an address.

        Args:
            url: The service's own.
            tag: Of an earlier answer.

        Returns: The answer; None: nothing has changed since the one with that tag.

        Raises:
            SourceDown: It does not answer, or not now.
            Refused: It refuses the request for good.
        """
        try:
            return await self._get(self.own(url), dict(tag or {}))
        except TimeoutError:
            raise SourceDown(message("http.slow", url=_shown(url))) from None
        except aiohttp.ClientError as problem:
            # Why not the problem itself: it may hold the whole address.
            told = {"url": _shown(url), "problem": _cause(problem)}
            raise SourceDown(message("http.no_answer", **told)) from None

    async def _get(self, url: URL, tag: dict[str, str]) -> Answer | None:
        assert self._session is not None, "entered first"
        redirects, may_renew = 0, True
        while True:
            await self._turn()
            headers = {**tag, **await self._login.headers(self._session)}
            async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status == _UNAUTHORISED and may_renew and self._login.forget():
                    may_renew = False
                    continue
                if answer.status in _REDIRECTS and redirects < _REDIRECTS_MAX:
                    redirects += 1
                    url = self.own(url.join(URL(answer.headers.get("Location", ""))))
                    continue
                if answer.status == _UNCHANGED and tag:
                    return None
                self._accept(answer, url)
                return await self._read(answer, url)

    def _accept(self, answer: aiohttp.ClientResponse, url: URL) -> None:
        """Go on only with an answer that has rows."""
        status, told = answer.status, {"url": _shown(url), "status": answer.status}
        if status == _OK:
            return
        if status == _UNAUTHORISED:
            raise Refused(message("http.not_logged_in", **told), status)
        if status in _CLIENT_ERRORS and status not in _MAY_PASS:
            raise Refused(message("http.refused", **told), status)
        if status in _REDIRECTS:
            raise Refused(message("http.round_and_round", **told), status)
        after_s = retry_after_s(answer.headers.get("Retry-After"), self._clock())
        raise SourceDown(message("http.not_now", **told), retry_after_s=after_s)

    async def _read(self, answer: aiohttp.ClientResponse, url: URL) -> Answer:
        limit, body = self._config.response_bytes_max, bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > limit:
                raise DocumentError(message("http.too_large", url=_shown(url), limit=limit))
        written, charset = bytes(body), answer.charset
        try:
            if len(written) < _THREAD_BYTES:
                parsed = _parsed(written, charset)
            else:
                parsed = await asyncio.to_thread(_parsed, written, charset)
        except (ValueError, LookupError, RecursionError):
            raise SourceDown(message("http.not_json", url=_shown(url))) from None
        link = answer.links.get("next")
        following = None if link is None else link.get("url")
        return Answer(
            body=parsed,
            headers=answer.headers,
            next_link=None if following is None else URL(str(following)),
            tag=_tag(answer.headers),
        )

    async def _turn(self) -> None:
        """Wait until a request may be made."""
        per_minute = self._config.requests_per_minute
        if per_minute is not None:
            name = (str(self._base.origin()), per_minute)
            rate = _RATES.setdefault(name, Rate(per_minute / 60, time=time.monotonic))
            await rate.turn()


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Read how long a service wants to be left alone: seconds, or until a moment."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
        seconds = (until - now).total_seconds()
    return min(max(seconds, 0.0), _RETRY_AFTER_S_MAX)


def _parsed(body: bytes, charset: str | None) -> Json:
    return json.loads(body if charset is None else body.decode(charset), parse_constant=_no_number)


def _no_number(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")


def _tag(headers: Mapping[str, str]) -> Mapping[str, str]:
    if "ETag" in headers:
        return {"If-None-Match": headers["ETag"]}
    if "Last-Modified" in headers:
        return {"If-Modified-Since": headers["Last-Modified"]}
    return {}


def _shown(url: URL) -> str:
    """Give an address without its parameters: they may hold what is not for a log."""
    return str(url.with_query(None).with_fragment(None))


def _cause(problem: aiohttp.ClientError) -> str:
    cause = problem.__cause__ or problem
    is_plain = isinstance(cause, OSError) and not isinstance(cause, aiohttp.ClientError)
    return f"{type(problem).__name__}: {cause}" if is_plain else type(problem).__name__
