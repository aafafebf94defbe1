"""A data request as the bus keeps it, and what was noted about it to be told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from uuid import UUID

from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode, ViewCode
from bus.requests.coverage import RefusalReason
from bus.requests.state import RequestState


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """One request, from its first moment on."""

    id: str
    """32 hex digits; see `bus.requests.asked.request_name`."""
    system: SystemCode
    """Who asks, and may read the answer."""
    request_id: UUID
    """As the asking system chose it."""
    digest: bytes = field(repr=False)
    """Of what was asked."""
    consumer: AgencyCode
    agency: AgencyCode
    """The provider."""
    dataset: DatasetCode
    key: str | None = field(repr=False)
    search: Mapping[str, str] | None = field(repr=False)
    recorded: datetime | None
    valid: datetime | None
    agreement: str | None
    """Under which it is answered; of a refusal the one that came nearest."""
    view: ViewCode | None
    """How the answer is cut; None: it is not."""
    state: RequestState
    reason: RefusalReason | None
    asked_at: datetime
    settled_at: datetime | None
    """None: its provider still has time."""
    record_ids: tuple[RecordId, ...] = ()
    """What the fund answered with."""
    answer: tuple[bytes, ...] | None = field(default=None, repr=False)
    """What the provider answered with: framed values, cut to `view`. None: nothing, not yet, or
    it was kept long enough."""
    answer_keys: tuple[str, ...] = field(default=(), repr=False)
    """Registry numbers of the same."""
    answer_digest: bytes | None = field(default=None, repr=False)
    """Of what the provider sent, so that sending it again is no other answer."""
    answered_by: SystemCode | None = None
    deadline_at: datetime | None = None
    """None: nobody was asked."""


@unique
class NoteKind(StrEnum):
    """What is told about a request in the topics of its two agencies."""

    ASKED = "asked"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    EXPIRED = "expired"
    SETTLED = "settled"
    """Answered or refused by its provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestNote:
    """One thing to be told."""

    number: int
    kind: NoteKind
    noted_at: datetime
    request: DataRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCount:
    """Requests of one consumer to one provider about one dataset, by what they came to."""

    agency: AgencyCode
    consumer: AgencyCode
    dataset: DatasetCode
    state: RequestState
    requests: int
    escalated: int
    """Of those that wait, the ones whose time is nearly over."""
