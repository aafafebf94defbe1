"""The routes of first loads: which there are for a system, and their pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from aiohttp import web
from pydantic import BaseModel, Field

from bus.audit.note import Read, Way
from bus.audit.notes import note_read
from bus.catalogue.snapshot import Projection, Snapshot, instant_ms
from bus.client.subscription import Feed, feeds_of
from bus.errors import DocumentError
from bus.fund.erase import are_erased
from bus.gateway.admission import Admission
from bus.gateway.beginning import Beginning
from bus.gateway.cutting import loaded_records
from bus.gateway.endpoint import JSON, Answer, Endpoint
from bus.gateway.fund_versions import (
    FROM_THE_START,
    FundVersion,
    read_together,
    read_versions,
)
from bus.gateway.opening import IsOpen, Openings
from bus.gateway.places import Places
from bus.gateway.problems import Problem
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.cluster import Cluster
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.postgres.session import Session, connect
from bus.wire.load_page import (
    EntryVersion,
    Load,
    LoadName,
    Page,
    load_cursor,
    parse_cursor,
    parse_joined_ids,
    parse_token,
    render_load,
    render_page,
    signed_topic,
)
from bus.wire.signature import BatchSigner

_SETTINGS: Final = {"enable_seqscan": "off", "enable_bitmapscan": "off"}
"""A page is read along the primary key; on a young table the planner would sort the whole of it."""


class PageQuery(BaseModel):
    """Which page of a first load is wanted."""

    token: str = Field(description="of the load, as its beginning gave it")
    after: str | None = Field(default=None, description="`next` of the page before")
    ids: str | None = Field(default=None, description="of a held group, instead of `after`")


BEGIN: Final = Endpoint(
    name="beginFirstLoad",
    method="GET",
    path="/first-load/{dataset}",
    says="Begin to load all that the data fund has of a dataset for this system",
    answers={200: Answer(says="a load for each topic that goes on from it", content={JSON: None})},
    problems={403: ("not_granted",), 429: ("busy_for_you",), 503: ("busy",)},
)
PAGE: Final = Endpoint(
    name="readFirstLoad",
    method="GET",
    path="/first-load/{dataset}/records",
    says="Read a page of a first load",
    query=PageQuery,
    answers={200: Answer(says="signed records, and where to go on", content={JSON: None})},
    problems={
        403: ("not_granted",),
        410: ("other_topics", "load_outdated"),
        422: ("unknown_load",),
        429: ("busy_for_you",),
        503: ("busy",),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLoads:
    """What the routes work with."""

    cluster: Cluster
    """Reached as the bus."""
    fund_dsn: str = field(repr=False)
    catalogue: CatalogueFollower
    signer: BatchSigner
    """With the bus's own key."""
    clock: Callable[[], datetime]
    openings: Openings
    audit_key: bytes = field(repr=False)
    """Marks the registry keys that were shown, for the audit log."""
    admission: Admission
    places: Places = field(default_factory=Places)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes, to be added to the application of the process that serves them."""
        return [BEGIN.route(self._begin), PAGE.route(self._page)]

    async def _begin(self, request: web.Request) -> web.Response:
        snapshot = self.catalogue.snapshot
        system, dataset, feeds = self._granted(request, snapshot)
        async with self._session(system) as session:
            beginning = Beginning(
                cluster=self.cluster,
                session=session,
                dataset=dataset,
                partitions=snapshot.region.partitions,
                clock=self.clock,
                catalogue_applied=self.catalogue.applied_at,
            )
            loads = [await _begun(beginning, feed) for feed in feeds.values()]
        return web.json_response({"dataset": dataset, "loads": [render_load(one) for one in loads]})

    async def _page(self, request: web.Request) -> web.Response:
        snapshot = self.catalogue.snapshot
        system, dataset, feeds = self._granted(request, snapshot)
        name, which = _asked(request, snapshot.region.partitions)
        feed = feeds.get(name.topic)
        if feed is None:
            raise Problem(410, "other_topics", topic=name.topic, topics=", ".join(feeds))
        if feed.view is not None and feed.view.is_standing:
            empty = Page(catalogue=snapshot.version, records=(), next=None)
            return web.Response(body=render_page(empty), content_type="application/json")
        async with self._session(system) as session:
            await _expect_whole(session, dataset, which)
            versions = (
                await read_versions(session, dataset, name.positions, which)
                if isinstance(which, EntryVersion)
                else await read_together(session, dataset, name.positions, which)
            )
            projection = snapshot.cut_of(feed.view)
            records = loaded_records(
                versions,
                dataset=dataset,
                topic=signed_topic(name.topic),
                projection=projection,
                is_open=await self._is_open(versions, projection),
                snapshot=snapshot,
                signer=self.signer,
            )
            if records:
                shown = {(record.partition, record.offset) for record in records}
                given = [one for one in versions if (one.partition, one.offset) in shown]
                read = _read(system, dataset, feed, snapshot, given)
                await note_read(session, read, self.audit_key)
        is_run = isinstance(which, EntryVersion)
        following = load_cursor(versions[-1].place) if versions and is_run else None
        page = Page(catalogue=snapshot.version, records=records, next=following)
        return web.Response(body=render_page(page), content_type="application/json")

    def _granted(
        self, request: web.Request, snapshot: Snapshot
    ) -> tuple[SystemCode, DatasetCode, dict[str, Feed]]:
        """Find who asks, and what it may read now: the same function as for its topics."""
        now = self.clock().astimezone(UTC)
        system: SystemCode = self.admission.caller(request).system
        dataset = DatasetCode(request.match_info["dataset"])
        try:
            feeds = feeds_of(snapshot.region, system, dataset, now)
        except DocumentError as problem:
            raise Problem(403, "not_granted", why=problem.message) from problem
        return system, dataset, {feed.topic: feed for feed in feeds}

    async def _is_open(self, versions: list[FundVersion], projection: Projection | None) -> IsOpen:
        topics = set() if projection is None else {one.inbound.topic for one in versions}
        opens_ms = 0 if projection is None else projection.opens_ms
        return await self.openings.of(topics, opens_ms, instant_ms(self.clock()))

    @asynccontextmanager
    async def _session(self, system: SystemCode) -> AsyncIterator[Session]:
        with self.places.taken(system):
            session = await connect(self.fund_dsn, "bus gateway", _SETTINGS)
            try:
                yield session
            finally:
                await session.close()


async def _begun(beginning: Beginning, feed: Feed) -> Load:
    if feed.view is None:
        return await beginning.of_accepted()
    if feed.view.is_standing:
        return await beginning.of_standing(feed.topic)
    return await beginning.of_view(feed.topic)


def _asked(
    request: web.Request, partitions: int
) -> tuple[LoadName, EntryVersion | tuple[RecordId, ...]]:
    """Read which page is wanted: the one behind a place, or that of a held group."""
    name = parse_token(request.query.get("token", ""))
    cursor, ids = request.query.get("after"), request.query.get("ids")
    which: EntryVersion | tuple[RecordId, ...] | None = FROM_THE_START
    if ids is not None:
        which = parse_joined_ids(ids)
    elif cursor is not None:
        which = parse_cursor(cursor)
    if name is None or which is None or len(name.positions) != partitions:
        raise Problem(422, "unknown_load")
    return name, which


async def _expect_whole(
    session: Session, dataset: DatasetCode, which: EntryVersion | tuple[RecordId, ...]
) -> None:
    """Refuse to go on behind an entry that was erased meanwhile: its end would not be told.

    Raises:
        Problem: It was.
    """
    if isinstance(which, EntryVersion) and which != FROM_THE_START:
        agency = AgencyCode(which.agency)
        if await are_erased(session, dataset, agency, [which.key]):
            raise Problem(410, "load_outdated")


def _read(
    system: SystemCode,
    dataset: DatasetCode,
    feed: Feed,
    snapshot: Snapshot,
    given: Sequence[FundVersion],
) -> Read:
    """Say for the audit log who is given what."""
    agency = snapshot.region.agency_of(system)
    return Read(
        way=Way.FIRST_LOAD,
        system=system,
        agency="" if agency is None else agency.code,
        dataset=dataset,
        agreements=feed.agreements,
        catalogue=snapshot.version,
        keys=[version.key for version in given],
        providers=tuple(sorted({version.envelope.agency for version in given})),
    )
