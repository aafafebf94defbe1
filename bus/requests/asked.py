"""A data request as a consumer's system writes it (`POST /requests`), and what it asks. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Final, Self, TypeAlias
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from bus.enforce.judge import KEY_BYTES_MAX
from bus.model.identifiers import AgencyCodeField, Code, DatasetCodeField, SystemCode
from bus.texts import message

BODY_BYTES_MAX: Final = 16 * 1024
"""Of a request; an answer may be as large as any body that the gateway takes."""
SEARCH_FIELDS_MAX: Final = 3
SEARCH_CHARACTERS_MAX: Final = 200
PURPOSE_CHARACTERS_MAX: Final = 1_000
_ID_HEX_DIGITS: Final = 32
Moment: TypeAlias = Annotated[
    AwareDatetime,
    Field(ge=datetime(1800, 1, 1, tzinfo=UTC), le=datetime(9000, 1, 1, tzinfo=UTC)),
]
"""One that clocks, zones and the database can reckon with."""


def _storable(text: str) -> str:
    """Refuse what PostgreSQL does not take, or a topic should not carry."""
    if not text.isprintable() or any("\ud800" <= one <= "\udfff" for one in text):
        raise ValueError(message("error.requests.expects.printable"))
    if len(text.encode()) > KEY_BYTES_MAX:
        raise ValueError(message("error.requests.expects.short_key", size_bytes=KEY_BYTES_MAX))
    return text


Storable = Annotated[str, StringConstraints(min_length=1), AfterValidator(_storable)]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
SearchValue = Annotated[Storable, StringConstraints(max_length=SEARCH_CHARACTERS_MAX)]


class AskedData(BaseModel):
    """The body of a request; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: UUID
    """Chosen by the asking system; the same again, with the same body, gives the same answer."""
    dataset: DatasetCodeField
    provider: AgencyCodeField | None = None
    """May be left out where one agency alone provides the dataset."""
    key: Storable | None = None
    """The provider's registry number of one entry."""
    search: (
        Annotated[
            Mapping[FieldName, SearchValue], Field(min_length=1, max_length=SEARCH_FIELDS_MAX)
        ]
        | None
    ) = None
    """Instead of a key: fields that the contract declares searchable, all to be equal."""
    agreement: Annotated[str, Code] | None = None
    """May be left out where exactly one covers the request."""
    purpose: Annotated[str, StringConstraints(max_length=PURPOSE_CHARACTERS_MAX)] | None = None
    """The agreement's own words, in either language; left out, they hold all the same."""
    recorded: Moment | None = None
    """What the fund had recorded by then; None: by now."""
    valid: Moment | None = None
    """What was true then; None: what stands."""

    @model_validator(mode="after")
    def _asks_one_way(self) -> Self:
        if (self.key is None) == (self.search is None):
            raise ValueError(message("error.requests.expects.key_or_search"))
        if self.search is not None and self.is_about_the_past:
            raise ValueError(message("error.requests.expects.search_of_now"))
        return self

    @property
    def is_about_the_past(self) -> bool:
        """Whether it names a moment."""
        return self.recorded is not None or self.valid is not None

    @property
    def digest(self) -> bytes:
        """SHA-256 over its meaning: equal for bodies that ask the same."""
        content = self.model_dump(mode="json")
        return sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).digest()


def request_name(system: SystemCode, request_id: UUID) -> str:
    """Name a request for everybody: 32 hex digits of system and the id that it chose.

    Two systems may choose the same id, so it names nothing alone.
    """
    return sha256(f"{system}\0{request_id}".encode()).hexdigest()[:_ID_HEX_DIGITS]
