"""Where data requests are kept: a request, and what is to be told of it, in one transaction.

Every function works on a session of the caller's. Source: ADR-0021.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from psycopg.types.json import Jsonb

from bus.errors import InvariantBroken
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode, ViewCode
from bus.postgres.queries import Queries
from bus.postgres.session import Session, translated
from bus.requests.coverage import RefusalReason
from bus.requests.deadline import Schedule
from bus.requests.request import DataRequest, NoteKind, RequestCount, RequestNote
from bus.requests.state import Happening, RequestState, following
from bus.texts import message

QUERIES: Final = Queries.load("bus.requests", "requests")
DUE_AT_ONCE: Final = 500
ANSWERS_KEPT: Final = timedelta(days=90)
"""How long what a provider answered is kept for its asker; the request itself stays."""


async def create_requests(session: Session) -> None:
    """Create the tables where they are missing."""
    await session.execute(QUERIES.get("create"))


async def add_request(session: Session, request: DataRequest, due: Schedule | None) -> bool:
    """Keep a new request; one that its provider has to answer is noted to be told.

    Args:
        session: Without an open transaction.
        request: In the first state that it comes to.
        due: Of a request in state `asked`; None: nobody has to do anything.

    Returns: Whether it is new; else the asking system has used this id before.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    named = {
        "id": request.id,
        "system": request.system,
        "request_id": request.request_id,
        "digest": request.digest,
        "consumer": request.consumer,
        "agency": request.agency,
        "dataset": request.dataset,
        "key": request.key,
        "search": None if request.search is None else Jsonb(dict(request.search)),
        "recorded": request.recorded,
        "valid": request.valid,
        "agreement": request.agreement,
        "view": request.view,
        "state": request.state.value,
        "reason": None if request.reason is None else request.reason.value,
        "asked_at": request.asked_at,
        "settled_at": request.settled_at,
        "record_ids": list(request.record_ids),
        "remind": None if due is None else due.remind,
        "escalate": None if due is None else due.escalate,
        "deadline": None if due is None else due.deadline,
    }
    async with translated(message("doing.requests.keeping")):
        if due is None:  # one statement is whole by itself
            return bool((await session.execute(QUERIES.get("add"), named)).rowcount)
        async with session.transaction():
            added = await session.execute(QUERIES.get("add"), named)
            if added.rowcount:
                await _note(session, request.id, NoteKind.ASKED, request.asked_at)
    return bool(added.rowcount)


async def find_request(session: Session, name: str) -> DataRequest | None:
    """Read one request; None where there is none of this name.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with translated(message("doing.requests.keeping")):
        row = await (await session.execute(QUERIES.get("get"), {"id": name})).fetchone()
    return None if row is None else _request(row)


async def read_inbox(
    session: Session, agency: AgencyCode, datasets: Collection[DatasetCode], limit: int
) -> tuple[DataRequest, ...]:
    """Read what a provider has to answer, the most urgent first.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    named = {"agency": agency, "datasets": sorted(datasets), "limit": limit}
    async with translated(message("doing.requests.keeping")):
        rows = await (await session.execute(QUERIES.get("inbox"), named)).fetchall()
    return tuple(map(_request, rows))


async def count_open(session: Session, system: SystemCode) -> int:
    """Tell how many requests of a system wait for their providers.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with translated(message("doing.requests.keeping")):
        row = await (await session.execute(QUERIES.get("open_of"), {"system": system})).fetchone()
    return cast("int", row[0]) if row else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a provider says to a request."""

    happening: Happening
    """ANSWER or REFUSAL."""
    by: SystemCode
    at: datetime
    digest: bytes
    """Of what the provider sent."""
    reason: RefusalReason | None = None
    """Of a refusal."""
    values: Sequence[bytes] | None = None
    """Of an answer: framed, cut to `view`."""
    keys: Sequence[str] = ()
    view: ViewCode | None = None


async def settle(session: Session, name: str, settlement: Settlement) -> bool:
    """Write a provider's answer or refusal, and note it to be told to the asker.

    Returns: Whether the request still waited for it.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    state = following(RequestState.ASKED, settlement.happening)
    if state is None:
        raise InvariantBroken(f"no provider can say {settlement.happening} to a request")
    named = {
        "id": name,
        "state": state.value,
        "reason": None if settlement.reason is None else settlement.reason.value,
        "at": settlement.at,
        "answer": None if settlement.values is None else list(settlement.values),
        "answer_keys": list(settlement.keys),
        "answer_digest": settlement.digest,
        "answered_by": settlement.by,
        "view": settlement.view,
    }
    async with translated(message("doing.requests.keeping")), session.transaction():
        settled = await session.execute(QUERIES.get("settle"), named)
        if settled.rowcount:
            await _note(session, name, NoteKind.SETTLED, settlement.at)
    return bool(settled.rowcount)


async def pass_time(session: Session, now: datetime) -> int:
    """Note reminders and escalations that are due, end what was not answered in time, and forget.

    Returns: The largest number of requests that one of these befell; `DUE_AT_ONCE`: there may be
        more.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    expired = following(RequestState.ASKED, Happening.DEADLINE)
    assert expired is not None, "what was asked can expire"
    named = {
        "now": now,
        "limit": DUE_AT_ONCE,
        "state": expired.value,
        "before": now - ANSWERS_KEPT,
    }
    befell = 0
    async with translated(message("doing.requests.keeping")):
        for name in ("expire", "escalate", "remind", "forget"):
            async with session.transaction():
                befell = max(befell, (await session.execute(QUERIES.get(name), named)).rowcount)
    return befell


async def untold_notes(session: Session, limit: int) -> tuple[RequestNote, ...]:
    """Read what agencies have not been told yet, oldest first.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with translated(message("doing.requests.telling")):
        rows = await (await session.execute(QUERIES.get("untold"), {"limit": limit})).fetchall()
    return tuple(
        RequestNote(
            number=cast("int", number),
            kind=NoteKind(str(kind)),
            noted_at=cast("datetime", noted_at),
            request=_request(tuple(request)),
        )
        for number, kind, noted_at, *request in rows
    )


async def notes_told(session: Session, numbers: Sequence[int]) -> None:
    """Note what agencies know now, once the topics have it.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with translated(message("doing.requests.telling")):
        await session.execute(QUERIES.get("told"), {"numbers": list(numbers)})


async def count_requests(session: Session) -> tuple[RequestCount, ...]:
    """Count all requests by provider, consumer, dataset and state.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with translated(message("doing.requests.keeping")):
        rows = await (await session.execute(QUERIES.get("counts"))).fetchall()
    return tuple(
        RequestCount(
            agency=cast("AgencyCode", agency),
            consumer=cast("AgencyCode", consumer),
            dataset=cast("DatasetCode", dataset),
            state=RequestState(str(state)),
            requests=cast("int", count),
            escalated=cast("int", escalated),
        )
        for agency, consumer, dataset, state, count, escalated in rows
    )


async def _note(session: Session, name: str, kind: NoteKind, at: datetime) -> None:
    await session.execute(QUERIES.get("note"), {"id": name, "kind": kind.value, "at": at})


def _request(row: tuple[object, ...]) -> DataRequest:
    texts = cast("tuple[str, ...]", row)
    moments = cast("tuple[datetime | None, ...]", row)
    keys = cast("list[str] | None", row[19])
    answer = cast("list[bytes] | None", row[18])
    asked_at = moments[15]
    assert asked_at is not None, "the column is not null"
    return DataRequest(
        id=texts[0],
        system=SystemCode(texts[1]),
        request_id=cast("UUID", row[2]),
        digest=cast("bytes", row[3]),
        consumer=AgencyCode(texts[4]),
        agency=AgencyCode(texts[5]),
        dataset=DatasetCode(texts[6]),
        key=cast("str | None", row[7]),
        search=cast("Mapping[str, str] | None", row[8]),
        recorded=moments[9],
        valid=moments[10],
        agreement=cast("str | None", row[11]),
        view=cast("ViewCode | None", row[12]),
        state=RequestState(texts[13]),
        reason=None if row[14] is None else RefusalReason(texts[14]),
        asked_at=asked_at,
        settled_at=moments[16],
        record_ids=tuple(map(RecordId, cast("list[str]", row[17]))),
        answer=None if answer is None else tuple(answer),
        answer_keys=() if keys is None else tuple(keys),
        answer_digest=cast("bytes | None", row[20]),
        answered_by=cast("SystemCode | None", row[21]),
        deadline_at=moments[22],
    )


async def erase_answers(
    session: Session, dataset: DatasetCode, agency: AgencyCode, key: str
) -> int:
    """Destroy what a provider answered about an entry, within the caller's transaction.

    What the fund answered is no copy: a request keeps ids, and reads the fund again.

    Returns: How many answers it was in.
    """
    named = {"dataset": dataset, "agency": agency, "key": key}
    return (await session.execute(QUERIES.get("erase"), named)).rowcount
