"""The routes of those who ask: a data request, and what has become of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from aiohttp import web

from bus.client.delivered import as_text
from bus.fund.asof import AsOf
from bus.fund.layout import DatasetLayout, Layouts, layouts_of
from bus.gateway.answering import Answering
from bus.gateway.endpoint import body_of, query_of
from bus.gateway.entered import Door, Entered, named_in
from bus.gateway.places import Places
from bus.gateway.problems import Problem
from bus.gateway.request_endpoints import ASK, LOOK, LookQuery
from bus.gateway.stood import Stood, found_by, standing, stood_at
from bus.gateway.waiting import wait_for_news
from bus.kafka.cluster import Cluster
from bus.model.identifiers import AgencyCode, RecordId
from bus.postgres.pool import SessionPool
from bus.postgres.session import Session
from bus.requests.asked import BODY_BYTES_MAX, AskedData, request_name
from bus.requests.coverage import Ambiguous, Covered, NotCovered, RefusalReason, cover
from bus.requests.deadline import Schedule, schedule
from bus.requests.judging import RECORDS_MAX
from bus.requests.request import DataRequest
from bus.requests.state import Happening, RequestState, following
from bus.requests.store import add_request, count_open, find_request
from bus.wire.request_answer import Answer, AnswerRecord, render_answer

SESSIONS_MAX: Final = 8
"""On the data fund, kept open."""
SETTINGS: Final = {"enable_seqscan": "off", "enable_bitmapscan": "off"}
"""Everything is looked up by an index; on a young table the planner would read the whole of it."""
OPEN_OF_ONE_MAX: Final = 200
"""Requests of one system that wait for their providers: people answer them."""
_LOOK_AGAIN_S: Final = 0.5
_dumps: Final = partial(json.dumps, ensure_ascii=False, default=as_text)


@dataclass(slots=True, kw_only=True)
class Asking:
    """What the routes work with."""

    door: Door
    pool: SessionPool
    """On the data fund."""
    cluster: Cluster
    """Reached as the bus; asked for questions about the past alone."""
    answering: Answering
    places: Places
    _layouts: tuple[int, Layouts] = field(default=(0, {}), init=False)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes, to be added to the application of the process that serves them."""
        return [ASK.route(self._ask), LOOK.route(self._look)]

    async def _ask(self, request: web.Request) -> web.Response:
        entered = await self.door.enter(request, BODY_BYTES_MAX)
        asked = body_of(entered.body, AskedData)
        name = request_name(entered.system, asked.request_id)
        with self.places.taken(entered.system):
            async with self.pool.session() as session:
                kept, records = await find_request(session, name), None
                if kept is None:
                    kept, due, records = await self._receive(session, asked, name, entered)
                    if not await add_request(session, kept, due):  # the same at the same time
                        kept, records = await find_request(session, name), None
                if kept is None or kept.digest != asked.digest:
                    raise Problem(409, "request_id_taken", request_id=asked.request_id)
                return _written(await self.answering.told(session, kept, entered, records))

    async def _look(self, request: web.Request) -> web.Response:
        entered = await self.door.enter(request)
        name, clock = named_in(request), asyncio.get_running_loop().time
        until = clock() + query_of(request, LookQuery).wait_s
        with self.places.taken(entered.system):
            while True:
                # Why anew each time: one that waits must not keep a session from the others.
                async with self.pool.session() as session:
                    kept = await find_request(session, name)
                    if kept is None or kept.system != entered.system:
                        raise Problem(404, "unknown_request", id=name)
                    if kept.state is not RequestState.ASKED or clock() >= until:
                        entered = self.door.now(entered)
                        return _written(await self.answering.told(session, kept, entered))
                await wait_for_news(request, _LOOK_AGAIN_S)

    async def _receive(
        self, session: Session, asked: AskedData, name: str, entered: Entered
    ) -> tuple[DataRequest, Schedule | None, list[AnswerRecord] | None]:
        """Decide what a new request comes to first.

        Returns: The request; of one that its provider is asked, by when; what the fund has for it.
        """
        region = entered.snapshot.region
        provider = _provider(asked, entered)
        contract = region.contracts[asked.dataset]
        unsearchable = set(asked.search or ()) - set(contract.searchable_fields)
        if unsearchable:
            raise Problem(422, "not_searchable", fields=", ".join(sorted(unsearchable)))
        found = cover(region, entered.system, asked, provider, entered.now)
        if isinstance(found, Ambiguous):
            raise Problem(409, "several_agreements", agreements=", ".join(found.agreements))
        if isinstance(found, NotCovered):
            return (
                _request(asked, name, provider, entered, Happening.NOT_COVERED, found),
                None,
                None,
            )
        if asked.is_about_the_past and found.view is not None and found.view.is_standing:
            raise Problem(422, "view_without_past", agreement=found.agreement.id)
        request = _request(asked, name, provider, entered, Happening.FOUND, found)
        stood = await self._stood(session, asked, provider, entered)
        records = await self.answering.shown(stood, request, found.view, entered)
        if len(records) > RECORDS_MAX:
            raise Problem(409, "search_too_wide", count=RECORDS_MAX)
        if records:
            return replace(request, record_ids=tuple(map(_record_id, records))), None, records
        # What the agreement hides is as if it were not there.
        if region.agencies[provider].has_left(entered.now):
            gone = NotCovered(reason=RefusalReason.PROVIDER_LEFT, agreement=found.agreement.id)
            refused = _request(asked, name, provider, entered, Happening.NOT_COVERED, gone)
            return refused, None, None
        if await count_open(session, entered.system) >= OPEN_OF_ONE_MAX:
            raise Problem(429, "too_many_open", count=OPEN_OF_ONE_MAX)
        due = schedule(entered.now, contract.answer_working_days)
        return _request(asked, name, provider, entered, Happening.ROUTED, found, due), due, None

    async def _stood(
        self, session: Session, asked: AskedData, provider: AgencyCode, entered: Entered
    ) -> list[Stood]:
        if asked.key is None:
            layout = self._layout(asked, entered)
            return await found_by(session, layout, provider, asked.search or {})
        if not asked.is_about_the_past:
            return await standing(session, asked.dataset, provider, asked.key)
        question = AsOf(
            recorded=asked.recorded, valid=asked.valid, agency=provider, key=asked.key, limit=1
        )
        layout = self._layout(asked, entered)
        return await stood_at(session, self.cluster, layout, question)

    def _layout(self, asked: AskedData, entered: Entered) -> DatasetLayout:
        snapshot = entered.snapshot
        if self._layouts[0] != snapshot.version:
            region = snapshot.region
            layouts = layouts_of(region.contracts.values(), region.lock)
            self._layouts = (snapshot.version, layouts)
        return self._layouts[1][asked.dataset]


def _provider(asked: AskedData, entered: Entered) -> AgencyCode:
    """Tell whom a request concerns.

    Raises:
        Problem: There is no such dataset, or no such provider of it, or none of several is named.
    """
    region = entered.snapshot.region
    if asked.dataset not in region.contracts:
        raise Problem(404, "unknown_dataset", dataset=asked.dataset)
    providers = region.providers_of(asked.dataset)
    if asked.provider in providers:
        return asked.provider
    if asked.provider is None and len(providers) == 1:
        return providers[0]
    raise Problem(422, "provider_needed", dataset=asked.dataset, providers=", ".join(providers))


def _request(
    asked: AskedData,
    name: str,
    provider: AgencyCode,
    entered: Entered,
    happening: Happening,
    found: Covered | NotCovered,
    due: Schedule | None = None,
) -> DataRequest:
    state = following(None, happening)
    assert state is not None, "a new request comes to something"
    covered = found if isinstance(found, Covered) else None
    view = None if covered is None or covered.view is None else covered.view.code
    return DataRequest(
        id=name,
        system=entered.system,
        request_id=asked.request_id,
        digest=asked.digest,
        consumer=entered.agency,
        agency=provider,
        dataset=asked.dataset,
        key=asked.key,
        search=asked.search,
        recorded=asked.recorded,
        valid=asked.valid,
        agreement=found.agreement.id if isinstance(found, Covered) else found.agreement,
        view=view,
        state=state,
        reason=found.reason if isinstance(found, NotCovered) else None,
        asked_at=entered.now,
        settled_at=None if state is RequestState.ASKED else entered.now,
        deadline_at=None if due is None else due.deadline,
    )


def _record_id(record: AnswerRecord) -> RecordId:
    return RecordId(dict(record.record.headers)["ce_id"].decode())


def _written(answer: Answer) -> web.Response:
    status = 202 if answer.state == RequestState.ASKED else 200
    return web.json_response(render_answer(answer), status=status, dumps=_dumps)
