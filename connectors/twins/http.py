"""A small web service on loopback, with each way of giving pages that services have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, ClassVar, Final, Self

from aiohttp import web
from pydantic import SecretStr

from connectors.kit.twin import CANARY, Twin
from connectors.source import Span
from connectors.web.config import HttpConfig

_BEGIN: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)
_UNCHANGED: Final = 304
_UNAUTHORISED: Final = 401


class HttpTwin(Twin):
    """A list of schools; what `settings` says of it decides which way it is read."""

    settings: ClassVar[Mapping[str, Any]] = {
        "pages": "page",
        "cursor": "updated_at",
        "cursor_parameter": "since",
        "ordered": True,
        "overlap": 5,
    }

    def __init__(self) -> None:
        """Know of no row, and listen nowhere."""
        super().__init__()
        self.requests: list[web.Request] = []
        """That came so far."""
        self.token = CANARY
        """That is accepted."""
        self._entries: dict[str, tuple[str, object]] = {}
        """By key: value of the cursor and what is given as the row."""
        self._place = self._generation = self._port = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.come_up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go_down()

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def config(self) -> HttpConfig:
        """See `Twin.config`; small lists come in many pages, large ones in a few."""
        few, many = 200, 2_000
        rows = len(self._entries)
        size = 4 if rows < few else 100 if rows < many else 1_000
        given: dict[str, Any] = {
            "base_url": self.base_url,
            "path": "schools",
            "rows": "data.items",
            "total": "meta.total",
            "key": "number",
            "size_parameter": "per_page",
            "page_size": size,
            "auth": "bearer",
            "token": SecretStr(CANARY),
            "since_parameter": "since",
            "until_parameter": "until",
        }
        return HttpConfig.model_validate(given | dict(self.settings))

    async def put(self, rows: Mapping[str, str]) -> None:
        """See `Twin.put`."""
        for key, name in rows.items():
            self._write({key: name}, self._draw())

    async def put_together(self, rows: Mapping[str, str]) -> None:
        """See `Twin.put_together`."""
        self._write(rows, self._draw())

    @asynccontextmanager
    async def late(self, rows: Mapping[str, str]) -> AsyncIterator[None]:
        """See `Twin.late`."""
        drawn = {key: self._draw() for key in rows}
        yield
        for key, name in rows.items():
            self._write({key: name}, drawn[key])

    async def spoil(self, key: str) -> None:
        """See `Twin.spoil`."""
        self._entries[key] = (self._draw(), f"{key}?")

    async def mend(self, key: str, name: str) -> None:
        """See `Twin.mend`."""
        await self.put({key: name})

    async def drift(self) -> None:
        """See `Twin.drift`."""
        at = self._draw()
        self._entries["drifted"] = (at, {"number": "drifted", "updated_at": at})

    async def go_down(self) -> None:
        """See `Twin.go_down`."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def come_up(self) -> None:
        """See `Twin.come_up`."""
        application = web.Application()
        application.router.add_get("/v1/schools", self._answer)
        self.add_routes(application)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    def add_routes(self, application: web.Application) -> None:
        """Let a test listen for more."""

    async def stir(self) -> None:
        """See `Twin.stir`: the service is restarted, and its marks of freshness are others."""
        self._generation += 1

    def span(self) -> Span:
        """See `Twin.span`."""
        return Span(since=_BEGIN.isoformat())

    def take_away(self, key: str) -> None:
        """Take a row out of the list; nobody is told."""
        del self._entries[key]
        self.rows.pop(key, None)
        self._generation += 1

    def _draw(self) -> str:
        """Draw the next value of the cursor."""
        self._place += 1
        return (_BEGIN + timedelta(seconds=self._place)).isoformat().replace("+00:00", "Z")

    def _write(self, rows: Mapping[str, str], at: str) -> None:
        for key, name in rows.items():
            row: dict[str, Any] = {"number": key, "name": name, "updated_at": at}
            self.rows[key] = row
            self._entries[key] = (at, row)
        self._generation += 1

    async def hear(self, request: web.Request) -> web.Response | None:
        """Let a test answer in place of the service."""
        self.requests.append(request)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=_UNAUTHORISED)
        return None

    async def _answer(self, request: web.Request) -> web.Response:
        heard = await self.hear(request)
        if heard is not None:
            return heard
        tag = f'"{self._generation}-{self._place}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=_UNCHANGED)
        rows = self._chosen(request.query)
        begin, size = _begin(request.query, rows), int(request.query.get("per_page", "1000000"))
        page = rows[begin : begin + size]
        body: dict[str, Any] = {"data": {"items": [row for _, row in page]}}
        meta: dict[str, Any] = {"total": len(rows)}
        headers = {"ETag": tag}
        if begin + size < len(rows):
            meta["next"] = page[-1][0]
            # Why a whole address: many services give one, by their own idea of their name.
            further = request.url.update_query(token=meta["next"])
            meta["next_url"], headers["Link"] = str(further), f'<{further}>; rel="next"'
        return web.json_response(body | {"meta": meta}, headers=headers)

    def _chosen(self, query: Mapping[str, str]) -> Sequence[tuple[str, object]]:
        """Choose the rows that are asked for, each with its place in the list, in their order."""
        since, until, after = query.get("since", ""), query.get("until", "~"), query.get("after")
        rows = [
            (at, row)
            for at, row in self._entries.values()
            if since <= at <= until and (after is None or at > after)
        ]
        is_by_key = query.get("sort") == "key"
        placed = [(_key(row) if is_by_key else f"{at}|{_key(row)}", row) for at, row in rows]
        return sorted(placed, key=itemgetter(0))


def _key(row: object) -> str:
    return str(row["number"]) if isinstance(row, dict) else str(row)


def _begin(query: Mapping[str, str], rows: Sequence[tuple[str, object]]) -> int:
    """Tell where a page begins."""
    if "token" in query:
        return sum(place <= query["token"] for place, _ in rows)
    with suppress(KeyError):
        return int(query["offset"])
    return (int(query.get("page", "1")) - 1) * int(query.get("per_page", "1"))
