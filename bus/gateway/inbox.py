"""The routes of those who are asked: what waits for an answer, the answer, the refusal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from aiohttp import web
from pydantic import BaseModel

from bus.catalogue.snapshot import instant_ms
from bus.catalogue.views import view_of
from bus.fund.erase import are_erased
from bus.gateway.answering import agreement_now
from bus.gateway.endpoint import body_of
from bus.gateway.entered import Door, Entered, named_in
from bus.gateway.places import Places
from bus.gateway.problems import Problem
from bus.gateway.request_endpoints import (
    ANSWER,
    REFUSE,
    WAITING,
    GivenAnswer,
    GivenRefusal,
)
from bus.model.identifiers import DatasetCode
from bus.postgres.pool import SessionPool
from bus.postgres.session import Session
from bus.requests.judging import Unfit, judge_answer
from bus.requests.request import DataRequest
from bus.requests.state import Happening, RequestState
from bus.requests.store import Settlement, find_request, read_inbox, settle

INBOX_MAX: Final = 200
"""Requests that one look shows, the most urgent first."""
ANSWER_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """What the routes work with."""

    door: Door
    pool: SessionPool
    """On the data fund."""
    places: Places

    def routes(self) -> list[web.RouteDef]:
        """Give the routes, to be added to the application of the process that serves them."""
        return [
            WAITING.route(self._waiting),
            ANSWER.route(self._answer),
            REFUSE.route(self._refuse),
        ]

    async def _waiting(self, request: web.Request) -> web.Response:
        entered = await self.door.enter(request)
        async with self._session(entered) as session:
            waiting = await read_inbox(session, entered.agency, _provided(entered), INBOX_MAX)
        return web.json_response({"requests": [_question(one, entered) for one in waiting]})

    async def _answer(self, request: web.Request) -> web.Response:
        entered = await self.door.enter(request, ANSWER_BYTES_MAX)
        given = body_of(entered.body, GivenAnswer)
        async with self._session(entered) as session:
            asked = await _asked(session, request, entered)
            settlement = _judged(asked, given, entered)
            if await are_erased(session, asked.dataset, asked.agency, settlement.keys):
                raise Problem(409, "entry_erased")
            return await _settled(session, asked, settlement)

    @asynccontextmanager
    async def _session(self, entered: Entered) -> AsyncIterator[Session]:
        with self.places.taken(entered.system):
            async with self.pool.session() as session:
                yield session

    async def _refuse(self, request: web.Request) -> web.Response:
        entered = await self.door.enter(request, ANSWER_BYTES_MAX)
        given = body_of(entered.body, GivenRefusal)
        async with self._session(entered) as session:
            asked = await _asked(session, request, entered)
            settlement = Settlement(
                happening=Happening.REFUSAL,
                by=entered.system,
                at=entered.now,
                digest=_digest(given),
                reason=given.reason,
            )
            return await _settled(session, asked, settlement)


def _provided(entered: Entered) -> frozenset[DatasetCode]:
    """Tell for which datasets a system may speak: those that it publishes."""
    agency = entered.snapshot.region.agencies[entered.agency]
    return frozenset(
        dataset
        for system in agency.systems
        if system.code == entered.system
        for dataset in system.provides
    )


async def _asked(session: Session, request: web.Request, entered: Entered) -> DataRequest:
    """Find the request that is answered.

    Raises:
        Problem: The system's agency was not asked it, or somebody else has to answer.
    """
    name = named_in(request)
    found = await find_request(session, name)
    if (
        found is None
        or found.agency != entered.agency
        or found.dataset not in _provided(entered)
        or found.deadline_at is None
    ):
        raise Problem(404, "unknown_request", id=name)
    return found


def _judged(asked: DataRequest, given: GivenAnswer, entered: Entered) -> Settlement:
    """Judge an answer by the contract and cut it to what the agreement shows.

    Raises:
        Problem: It breaks the contract, or no agreement covers the request any more.
    """
    agreement = agreement_now(asked, entered)
    if agreement is None:
        raise Problem(409, "agreement_ended", agreement=asked.agreement)
    view = view_of(agreement, entered.snapshot.region.contracts[asked.dataset])
    judged = judge_answer(
        given.records,
        request=asked,
        by=entered.system,
        projection=entered.snapshot.cut_of(view),
        snapshot=entered.snapshot,
        now_ms=instant_ms(entered.now),
    )
    if isinstance(judged, Unfit):
        raise Problem(422, "answer_unfit", findings=judged.findings)
    return Settlement(
        happening=Happening.ANSWER,
        by=entered.system,
        at=entered.now,
        digest=_digest(given),
        values=[one.value for one in judged],
        keys=[one.key for one in judged],
        view=None if view is None else view.code,
    )


async def _settled(session: Session, asked: DataRequest, settlement: Settlement) -> web.Response:
    """Write what was said; saying the same once more changes nothing."""
    if not await settle(session, asked.id, settlement):
        now = await find_request(session, asked.id)
        if now is None or now.answer_digest != settlement.digest:
            state = asked.state if now is None else now.state
            raise Problem(409, "request_closed", id=asked.id, state=state)
    is_answer = settlement.happening is Happening.ANSWER
    state = RequestState.ANSWERED if is_answer else RequestState.REFUSED
    return web.json_response({"id": asked.id, "state": state.value})


def _digest(given: BaseModel) -> bytes:
    content = json.dumps(given.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return sha256(f"{type(given).__name__}\0{content}".encode(errors="surrogatepass")).digest()


def _question(request: DataRequest, entered: Entered) -> Mapping[str, object]:
    """Write what a provider must know: what, for whom, under which agreement, until when."""
    agreement = agreement_now(request, entered)
    purpose = None if agreement is None else agreement.purpose
    return {
        "id": request.id,
        "consumer": request.consumer,
        "dataset": request.dataset,
        "key": request.key,
        "search": None if request.search is None else dict(request.search),
        "recorded": None if request.recorded is None else request.recorded.isoformat(),
        "valid": None if request.valid is None else request.valid.isoformat(),
        "agreement": request.agreement,
        "purpose": None if purpose is None else {"ru": purpose.ru, "en": purpose.en},
        "asked_at": request.asked_at.isoformat(),
        "deadline_at": None if request.deadline_at is None else request.deadline_at.isoformat(),
    }
