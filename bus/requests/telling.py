"""What agencies are told about data requests in `ask.<agency>` and `reply.<agency>`. Pure.

Written at least once, in the order of the notes; the latest of a request counts. A reply carries
no values: every system of the asking agency reads its topic, while an agreement names some, and a
topic keeps what it holds when the agreement has ended. `GET /requests/<id>` gives the answer to
the system that asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from bus.requests.request import DataRequest, NoteKind, RequestNote
from bus.wire import topics
from bus.wire.delivery import Delivery

_FOR_PROVIDERS = frozenset(NoteKind) - {NoteKind.SETTLED}
_FOR_CONSUMERS = frozenset({NoteKind.SETTLED, NoteKind.EXPIRED})


def note_deliveries(note: RequestNote) -> Iterator[Delivery]:
    """Write a note for the topics of those whom it concerns."""
    if note.kind in _FOR_PROVIDERS:
        yield _delivery(topics.ask(note.request.agency), note, _question(note.request))
    if note.kind in _FOR_CONSUMERS:
        yield _delivery(topics.reply(note.request.consumer), note, _outcome(note.request))


def _delivery(topic: str, note: RequestNote, content: dict[str, object]) -> Delivery:
    told = {"kind": note.kind.value, "noted_at": note.noted_at.isoformat(), **content}
    return Delivery(
        topic=topic,
        partition=0,
        key=note.request.id.encode(),
        value=json.dumps(told, ensure_ascii=False).encode(),
        headers=[("content-type", b"application/json")],
    )


def _question(request: DataRequest) -> dict[str, object]:
    return {
        **_named(request),
        "consumer": request.consumer,
        "key": request.key,
        "search": None if request.search is None else dict(request.search),
        "recorded": _moment(request.recorded),
        "valid": _moment(request.valid),
        "agreement": request.agreement,
        "deadline_at": _moment(request.deadline_at),
    }


def _outcome(request: DataRequest) -> dict[str, object]:
    return {
        **_named(request),
        "system": request.system,
        "request_id": str(request.request_id),
        "agency": request.agency,
        "reason": None if request.reason is None else request.reason.value,
    }


def _named(request: DataRequest) -> dict[str, object]:
    return {
        "id": request.id,
        "dataset": request.dataset,
        "state": request.state.value,
        "asked_at": request.asked_at.isoformat(),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
