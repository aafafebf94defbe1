"""Data requests as the OpenAPI document says them: what is asked, told, answered and refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from bus.gateway.endpoint import JSON, Answer, Endpoint
from bus.requests.asked import AskedData
from bus.requests.coverage import PROVIDERS_REASONS, RefusalReason
from bus.requests.judging import RECORDS_MAX
from bus.requests.state import RequestState

WAIT_S_MAX: Final = 25.0
"""How long one GET waits for news."""


class LookQuery(BaseModel):
    """How long to wait for news."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wait_s: Annotated[float, Field(ge=0, le=WAIT_S_MAX, allow_inf_nan=False)] = Field(
        default=0.0, description="seconds; answered at once when there is news"
    )


class GivenAnswer(BaseModel):
    """What a provider answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    records: Annotated[list[dict[str, JsonValue]], Field(min_length=1, max_length=RECORDS_MAX)] = (
        Field(
            description="by the dataset's newest schema; a field left out is its default, or null"
        )
    )


class GivenRefusal(BaseModel):
    """Why a provider does not answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Literal[
        RefusalReason.UNKNOWN_ENTRY, RefusalReason.NOT_KEPT, RefusalReason.NOT_PERMITTED
    ]


class AnsweredRecord(BaseModel):
    """One record of an answer; its signature is the bus's, over the topic `answer.<id>`."""

    values: dict[str, JsonValue] = Field(description="by field; what is proved is `value`")
    recorded_at: datetime | None = Field(
        description="when the fund took it in; null: its provider answered by hand"
    )
    partition: int
    offset: int
    appended_ms: int
    key: str
    value: str = Field(description="framed Avro in base64")
    headers: dict[str, str]
    bus_sig: str = Field(description="base64")


class RequestTold(BaseModel):
    """A data request and what it has come to."""

    id: str
    request_id: str
    state: RequestState
    dataset: str
    provider: str
    agreement: str | None
    reason: RefusalReason | None = Field(description="of a refusal by the provider")
    asked_at: datetime
    settled_at: datetime | None
    deadline_at: datetime | None
    answered_by: str | None = Field(description="system of the provider that answered by hand")
    catalogue: int = Field(description="version that the values can be read with")
    records: list[AnsweredRecord]


class Purpose(BaseModel):
    """What an agreement is for."""

    ru: str
    en: str


class RequestWaiting(BaseModel):
    """A data request that waits for its provider."""

    id: str
    consumer: str
    dataset: str
    key: str | None
    search: dict[str, str] | None
    recorded: datetime | None
    valid: datetime | None
    agreement: str | None
    purpose: Purpose | None
    asked_at: datetime
    deadline_at: datetime | None


class RequestsWaiting(BaseModel):
    """What waits for an answer, the most urgent first."""

    requests: list[RequestWaiting]


class RequestSettled(BaseModel):
    """That a provider has answered or refused."""

    id: str
    state: RequestState


_BODY: Final = {
    400: ("no_json", "body_broken"),
    401: ("body_not_signed", "other_body", "replayed"),
    408: ("body_too_slow",),
    413: ("body_too_large",),
    415: ("encoded_body",),
}
_PLACES: Final = {429: ("requests_full_for_you",), 503: ("requests_full",)}
_REFUSED: Final = {
    403: tuple(one.value for one in RefusalReason if one not in PROVIDERS_REASONS),
    410: ("answer_cut_otherwise", "answer_forgotten"),
}
ASK: Final = Endpoint(
    name="askForData",
    method="POST",
    path="/requests",
    says="Ask for single entries of a dataset, in place of a letter",
    body={JSON: AskedData},
    answers={
        200: Answer(says="what the fund has", content={JSON: RequestTold}),
        202: Answer(says="its provider was asked, with a deadline", content={JSON: RequestTold}),
    },
    problems={
        **_BODY,
        **_PLACES,
        **_REFUSED,
        404: ("unknown_dataset",),
        409: ("request_id_taken", "several_agreements", "search_too_wide"),
        422: (
            *("body_unreadable", "provider_needed", "not_searchable", "search_value"),
            "view_without_past",
        ),
        429: ("requests_full_for_you", "too_many_open"),
    },
)
LOOK: Final = Endpoint(
    name="lookAtRequest",
    method="GET",
    path="/requests/{request}",
    says="See what has become of a data request of this system",
    query=LookQuery,
    answers={
        200: Answer(says="it is answered, or refused by its provider", content={JSON: RequestTold}),
        202: Answer(says="its provider has not answered yet", content={JSON: RequestTold}),
    },
    problems={**_PLACES, **_REFUSED, 400: ("bad_query",), 404: ("unknown_request",)},
)
WAITING: Final = Endpoint(
    name="requestsWaiting",
    method="GET",
    path="/requests/inbox",
    says="Read which data requests wait for this system's answer",
    answers={200: Answer(says="200 at most", content={JSON: RequestsWaiting})},
    problems=_PLACES,
)
ANSWER: Final = Endpoint(
    name="answerRequest",
    method="POST",
    path="/requests/{request}/answer",
    says="Answer a data request as its provider",
    body={JSON: GivenAnswer},
    answers={200: Answer(says="it is answered", content={JSON: RequestSettled})},
    problems={
        **_BODY,
        **_PLACES,
        404: ("unknown_request",),
        409: ("agreement_ended", "entry_erased", "request_closed"),
        422: ("body_unreadable", "answer_unfit"),
    },
)
REFUSE: Final = Endpoint(
    name="refuseRequest",
    method="POST",
    path="/requests/{request}/refuse",
    says="Refuse a data request as its provider",
    body={JSON: GivenRefusal},
    answers={200: Answer(says="it is refused", content={JSON: RequestSettled})},
    problems={
        **_BODY,
        **_PLACES,
        404: ("unknown_request",),
        409: ("request_closed",),
        422: ("body_unreadable",),
    },
)
