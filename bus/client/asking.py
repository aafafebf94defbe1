"""Asking for single entries: `reply = await asker.ask(Question(dataset=…, key=…))`.

A reply is a value whatever it says: answered from the fund at once, asked of the provider,
answered, refused, expired. Its records are proved before they are handed over. Source: ADR-0021.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from uuid import UUID, uuid4

from bus.catalogue.snapshot import Snapshot
from bus.client.answer_proof import AnsweredRecord, prove_answer
from bus.client.faults import translated
from bus.client.gateway import Gateway, GatewayRefusal, GatewaySession
from bus.errors import InvariantBroken, Unavailable, Words
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.cluster import Cluster
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.requests.coverage import RefusalReason
from bus.requests.state import RequestState
from bus.texts import message
from bus.wire.request_answer import Answer, parse_answer
from bus.wire.signature import SignatureChecker

__all__ = ["AnsweredRecord", "Asker", "Question", "Reply"]

_WAIT_S: Final = 20.0
"""How long the gateway is asked to wait for news at once."""
_CATALOGUE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked; either a key or a search."""

    dataset: DatasetCode
    key: str | None = None
    search: Mapping[str, str] | None = None
    """Field that the contract declares searchable → text."""
    provider: AgencyCode | None = None
    """May be left out where one agency alone provides the dataset."""
    agreement: str | None = None
    """May be left out where exactly one covers the question."""
    purpose: str | None = None
    """The agreement's own words; left out, they hold all the same."""
    recorded: datetime | None = None
    valid: datetime | None = None
    """Moments, aware, as for the fund's own reads of the past."""

    def body(self, request_id: UUID) -> dict[str, object]:
        """Write it for the gateway."""
        members = {
            "request_id": str(request_id),
            "dataset": self.dataset,
            "key": self.key,
            "search": None if self.search is None else dict(self.search),
            "provider": self.provider,
            "agreement": self.agreement,
            "purpose": self.purpose,
            "recorded": None if self.recorded is None else self.recorded.isoformat(),
            "valid": None if self.valid is None else self.valid.isoformat(),
        }
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a question has come to."""

    id: str | None
    """Names the request to everybody; None: the bus refused it."""
    request_id: UUID
    """Asked again under it, the same question has the same answer."""
    state: RequestState
    reason: str | None
    """Of a refusal: a member of `bus.requests.coverage.RefusalReason`."""
    why: Words | None
    """Of a refusal by the bus: what is wrong and how to apply."""
    provider: AgencyCode | None
    agreement: str | None
    deadline_at: datetime | None
    answered_by: SystemCode | None
    records: tuple[AnsweredRecord, ...]
    """None of an answer: there is none, or none that the agreement shows."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will come."""
        return self.state is not RequestState.ASKED


class Asker:
    """One system's connection to the gateway, for questions."""

    def __init__(self, session: GatewaySession, catalogue: CatalogueFollower, system: str) -> None:
        """Take what is connected."""
        self._session = session
        self._catalogue = catalogue
        self._system = system
        self._checker = SignatureChecker()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, cluster: Cluster, gateway: Gateway, *, clock: Callable[[], datetime]
    ) -> AsyncIterator[Self]:
        """Connect for the time of a block.

        Args:
            cluster: Reached as the system, for the catalogue: it proves what the gateway says.
            gateway: Reached as the same system.
            clock: Gives the present, aware UTC.

        Raises:
            Unavailable: Kafka does not answer.
        """
        catalogue = CatalogueFollower(cluster)
        with translated(message("doing.client.catalogue", system=gateway.system)):
            await catalogue.start()
        try:
            async with GatewaySession(gateway, clock) as session:
                yield cls(session, catalogue, gateway.system)
        finally:
            await catalogue.stop()

    async def ask(self, question: Question, request_id: UUID | None = None) -> Reply:
        """Ask, and take the answer that is there at once.

        Args:
            question: What is asked.
            request_id: Of a question that may have been asked before; None: a new one.

        Raises:
            DocumentError: The question is wrong: an unknown dataset, several agreements…
            Unavailable: An engine does not answer, or the limits are reached for a minute.
            InvariantBroken: The answer is not genuine.
        """
        name = request_id or uuid4()
        doing = message("doing.requests.asking", dataset=question.dataset, system=self._system)
        try:
            body = await self._session.post("/requests", question.body(name), doing)
        except GatewayRefusal as problem:
            return _refused(problem, name)
        return await self._reply(body, doing)

    async def look(self, reply: Reply, *, wait_s: float = 0.0) -> Reply:
        """See what has become of a request, waiting for news at most so long.

        Raises: as `ask`.
        """
        doing = message("doing.requests.asking", dataset=reply.id, system=self._system)
        until = asyncio.get_running_loop().time() + wait_s
        while reply.id is not None and not reply.is_settled:
            left = max(0.0, until - asyncio.get_running_loop().time())
            query = {"wait_s": f"{min(left, _WAIT_S):.1f}"}
            try:
                body = await self._session.get(f"/requests/{reply.id}", query, doing)
            except GatewayRefusal as problem:
                return _refused(problem, reply.request_id)
            reply = await self._reply(body, doing)
            if not left:
                break
        return reply

    async def _reply(self, body: bytes, doing: Words) -> Reply:
        try:
            answer = parse_answer(body)
            state = RequestState(answer.state)
        except ValueError as problem:
            raise InvariantBroken(
                str(message("error.requests.no_answer", doing=doing))
            ) from problem
        records: tuple[AnsweredRecord, ...] = ()
        if answer.records:
            snapshot = await self._snapshot(answer, doing)
            records = prove_answer(answer, snapshot, self._checker)
        return Reply(
            id=answer.id,
            request_id=UUID(answer.request_id),
            state=state,
            reason=answer.reason,
            why=None,
            provider=AgencyCode(answer.provider),
            agreement=answer.agreement,
            deadline_at=answer.deadline_at,
            answered_by=None if answer.answered_by is None else SystemCode(answer.answered_by),
            records=records,
        )

    async def _snapshot(self, answer: Answer, doing: Words) -> Snapshot:
        try:
            return await asyncio.wait_for(self._catalogue.at_least(answer.catalogue), _CATALOGUE_S)
        except TimeoutError as problem:
            raise Unavailable(
                message(
                    "error.client.no_such_catalogue",
                    doing=doing,
                    place=answer.id,
                    version=answer.catalogue,
                    wait_s=_CATALOGUE_S,
                )
            ) from problem


def _refused(problem: GatewayRefusal, request_id: UUID) -> Reply:
    """Make a refusal of the bus a value; any other fault stays one."""
    if problem.code not in set(RefusalReason):
        raise problem
    return Reply(
        id=None,
        request_id=request_id,
        state=RequestState.REFUSED,
        reason=problem.code,
        why=problem.message,
        provider=None,
        agreement=None,
        deadline_at=None,
        answered_by=None,
        records=(),
    )
