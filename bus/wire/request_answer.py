"""What the gateway answers to a data request, as JSON and back.

    POST /requests                 the question; 200 with an answer, 202 if its provider was asked
    GET  /requests/<id>?wait_s=…   what has become of it; waits for news so long

A record of an answer comes as one of a first load does (`bus.wire.load_page`), beside its values
for those who read no Avro. Its signature is the bus's own, over the topic `answer.<id>`: it passes
for an answer to this request and for nothing else. Source: ADR-0021.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bus.wire.load_page import LoadedRecord, parse_record, render_record


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecord:
    """One record of an answer."""

    record: LoadedRecord
    recorded_at: datetime | None
    """When the fund took it in; None: its provider answered, the fund does not have it."""
    values: Mapping[str, object] = field(repr=False)
    """By field, for reading; what is proved is the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A request and what it has come to."""

    id: str
    request_id: str
    state: str
    dataset: str
    provider: str
    agreement: str | None
    reason: str | None
    asked_at: datetime
    settled_at: datetime | None
    deadline_at: datetime | None
    answered_by: str | None
    """System of the provider that answered by hand."""
    catalogue: int
    """Version that the values can be read with."""
    records: Sequence[AnswerRecord] = ()


def answer_topic(name: str) -> str:
    """Name what the bus's signature of a record of an answer says it was sent to."""
    return f"answer.{name}"


def render_answer(answer: Answer) -> dict[str, object]:
    """Write an answer; values stay as Python has them."""
    return {
        "id": answer.id,
        "request_id": answer.request_id,
        "state": answer.state,
        "dataset": answer.dataset,
        "provider": answer.provider,
        "agreement": answer.agreement,
        "reason": answer.reason,
        "asked_at": answer.asked_at.isoformat(),
        "settled_at": _written(answer.settled_at),
        "deadline_at": _written(answer.deadline_at),
        "answered_by": answer.answered_by,
        "catalogue": answer.catalogue,
        "records": [
            {
                "values": dict(one.values),
                "recorded_at": _written(one.recorded_at),
                **render_record(one.record),
            }
            for one in answer.records
        ],
    }


def parse_answer(body: bytes) -> Answer:
    """Read an answer.

    Raises:
        ValueError: It is none.
    """
    try:
        content: Mapping[str, Any] = json.loads(body)
        topic = answer_topic(content["id"])
        return Answer(
            id=content["id"],
            request_id=content["request_id"],
            state=content["state"],
            dataset=content["dataset"],
            provider=content["provider"],
            agreement=content["agreement"],
            reason=content["reason"],
            asked_at=datetime.fromisoformat(content["asked_at"]),
            settled_at=_read(content["settled_at"]),
            deadline_at=_read(content["deadline_at"]),
            answered_by=content["answered_by"],
            catalogue=int(content["catalogue"]),
            records=tuple(
                AnswerRecord(
                    record=parse_record(one, topic),
                    recorded_at=_read(one["recorded_at"]),
                    values=one["values"],
                )
                for one in content["records"]
            ),
        )
    except (KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"not an answer to a data request ({problem!r})") from problem


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _read(moment: str | None) -> datetime | None:
    return None if moment is None else datetime.fromisoformat(moment)
