"""`GET /feeds/{dataset}`: records as JSON, by long poll or as a stream of events.

Both go through the same code page by page; a system's key and agreements are looked at before and
after each, and four times a second while it waits. What is in a group's middle has no token: a
reader that stops there gets the group again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final

from aiohttp import web
from aiokafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from bus.audit.note import Read, Way
from bus.client.feeds import Feeds
from bus.errors import DocumentError, Unavailable
from bus.gateway.admission import Admission
from bus.gateway.application import LIMIT
from bus.gateway.authentication import Caller
from bus.gateway.connections import Connection
from bus.gateway.endpoint import JSON, Answer, Endpoint, query_of
from bus.gateway.feed import Feed, FeedRecord
from bus.gateway.places import Places
from bus.gateway.problems import Problem, language_of
from bus.gateway.resume import TOKEN_CHARACTERS_MAX
from bus.gateway.tail import Tail
from bus.gateway.waiting import wait_for_news
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.model.identifiers import DatasetCode

logger = logging.getLogger(__name__)

EVENTS: Final = "text/event-stream"
AT_ONCE_MAX: Final = 256
AT_ONCE_OF_ONE_MAX: Final = 8
WAIT_S_MAX: Final = 30
PAGE_RECORDS_MAX: Final = 500
STREAM_S_MAX: Final = 3_600.0
"""After it a stream ends, and its reader begins a new one where it is."""
_LOOK_AGAIN_S: Final = 0.25
_HEARTBEAT_S: Final = 10.0
_SLOW_READER_S: Final = 10.0
"""How long a reader of events may leave what was written unread."""


Token = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=TOKEN_CHARACTERS_MAX)
]


class FeedQuery(BaseModel):
    """What is asked of a feed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: Token | None = Field(
        default=None, description="token of the page before; left out: all that the topics hold"
    )
    wait_s: int = Field(
        default=0, ge=0, le=WAIT_S_MAX, description="how long to wait for a first record, seconds"
    )
    limit: int = Field(default=100, ge=1, le=PAGE_RECORDS_MAX, description="records of a page")


class Provenance(BaseModel):
    """Where a record comes from, as its signature and the bus say."""

    system: str = Field(description="that published it")
    bus_in: str = Field(description="place of the inbound record")
    catalogue: int = Field(description="version of the catalogue that judged it")
    schema_id: int
    appended_at: datetime


class ReadRecord(BaseModel):
    """An accepted record, proved, as far as the agreement shows it."""

    agency: str
    dataset: str
    key: str
    version: int
    operation: str
    record_id: str
    supersedes: str | None
    event_time: str
    lane: str
    fields: dict[str, JsonValue]
    position: str
    group: str | None = Field(description="members of a group stand side by side")
    provenance: Provenance


class FeedPage(BaseModel):
    """Records, and where to go on."""

    records: list[ReadRecord]
    next: str = Field(description="to be given as `after`; the records before are then taken")


FEED: Final = Endpoint(
    name="readFeed",
    method="GET",
    path="/feeds/{dataset}",
    says="Read accepted records of a dataset, and wait for more; at least once",
    query=FeedQuery,
    answers={
        200: Answer(
            says="a page; or with Accept: text/event-stream events `record` and `problem`, whose "
            "id is a token (Last-Event-ID)",
            content={JSON: FeedPage, EVENTS: None},
        )
    },
    problems={
        400: ("bad_query",),
        403: ("not_granted",),
        410: ("positions_gone",),
        422: ("unknown_token",),
        429: ("busy_for_you",),
        503: ("busy",),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeding:
    """What the request works with."""

    admission: Admission
    catalogue: CatalogueFollower
    tail: Tail
    clock: Callable[[], datetime]
    note: Callable[[Read], Awaitable[None]]
    """Puts on record what is given, before it is."""
    places: Places = field(default_factory=lambda: Places(AT_ONCE_MAX, AT_ONCE_OF_ONE_MAX))

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [FEED.route(self._feed)]

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        caller = self.admission.caller(request)
        query = query_of(request, FeedQuery)
        dataset = DatasetCode(request.match_info["dataset"])
        is_stream = EVENTS in request.headers.get("Accept", "")
        after = query.after
        if is_stream:
            after = request.headers.get("Last-Event-ID", after)
        with self.places.taken(caller.system):
            try:
                feeds = Feeds(self.catalogue, caller.system, dataset, self.clock)
            except DocumentError as problem:
                raise Problem(403, "not_granted", why=problem.message) from problem
            partitions = self.catalogue.snapshot.region.partitions
            feed = await Feed.begin(feeds, self.tail, partitions, after)
            if is_stream:
                return await self._stream(request, caller, feed)
            records = await self._page(request, caller, feed, query.limit, query.wait_s)
            listed = ",".join(record.text for record in records)
            text = f'{{"records":[{listed}],"next":{json.dumps(feed.token)}}}'
            return web.Response(text=text, content_type=JSON)

    async def _page(
        self, request: web.Request, caller: Caller, feed: Feed, limit: int, wait_s: float
    ) -> list[FeedRecord]:
        """Wait for records, and give them if they may still be read then."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + wait_s
        while True:
            self._check(caller, feed)
            records = await feed.read(limit)
            if records or loop.time() >= deadline_s or _is_gone(request):
                self._check(caller, feed)
                if records:
                    await self.note(self._read(caller, feed, records))
                return records
            await wait_for_news(request, _LOOK_AGAIN_S)

    def _read(self, caller: Caller, feed: Feed, records: Sequence[FeedRecord]) -> Read:
        """Say for the audit log who is given what."""
        snapshot = self.catalogue.snapshot
        agency = snapshot.region.agency_of(caller.system)
        return Read(
            way=Way.FEED,
            system=caller.system,
            agency="" if agency is None else agency.code,
            dataset=feed.dataset,
            agreements=feed.agreements,
            catalogue=snapshot.version,
            keys=[record.key for record in records],
            providers=tuple(sorted({record.agency for record in records})),
        )

    def _check(self, caller: Caller, feed: Feed) -> None:
        self.admission.check_still(caller)
        feed.check()

    async def _stream(self, request: web.Request, caller: Caller, feed: Feed) -> web.StreamResponse:
        self._check(caller, feed)
        stream = web.StreamResponse(headers={"Content-Type": EVENTS, "Cache-Control": "no-store"})
        await stream.prepare(request)
        request[LIMIT].reschedule(None)
        if isinstance(request.protocol, Connection):
            request.protocol.is_stream = True
        try:
            async with asyncio.timeout(STREAM_S_MAX):
                await self._events(request, caller, feed, stream)
        except TimeoutError:
            pass  # it has lasted as long as one may
        except _Asleep:
            logger.info("gateway.slow_reader system=%s", caller.system)
            if isinstance(request.protocol, Connection):
                request.protocol.drop()
        except ConnectionError:
            pass  # its reader is gone
        except Problem as problem:
            await _write(stream, _event("problem", _problem(problem, request)))
        except (Unavailable, KafkaError, OSError) as problem:
            logger.warning("gateway.stream_broken problem=%s", type(problem).__name__)
            broken = Problem(503, "stream_broken", kind=type(problem).__name__)
            await _write(stream, _event("problem", _problem(broken, request)))
        return stream

    async def _events(
        self, request: web.Request, caller: Caller, feed: Feed, stream: web.StreamResponse
    ) -> None:
        while not _is_gone(request):
            records = await self._page(request, caller, feed, PAGE_RECORDS_MAX, _HEARTBEAT_S)
            if not records:
                await _write(stream, ": nothing new\n\n")
            for record in records:
                await _write(stream, _event("record", record.text, record.next))


class _Asleep(Exception):
    """A reader of events leaves them unread."""


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _problem(problem: Problem, request: web.Request) -> str:
    language = language_of(request.headers.get("Accept-Language", ""))
    return json.dumps(problem.content(language), ensure_ascii=False)


def _event(name: str, data: str, token: str | None = None) -> str:
    identified = "" if token is None else f"id: {token}\n"
    return f"{identified}event: {name}\ndata: {data}\n\n"


async def _write(stream: web.StreamResponse, text: str) -> None:
    """Write an event; one that is not read in time ends the stream.

    Raises:
        _Asleep: It is not.
    """
    try:
        async with asyncio.timeout(_SLOW_READER_S):
            await stream.write(text.encode())
    except TimeoutError:
        raise _Asleep from None
