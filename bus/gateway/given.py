"""Records as systems without a Kafka client write and read them: the bodies of publishing.

Documents of people's programs: frozen, unknown names refused, and nothing is guessed of a type.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from bus.model.record import Lane, Operation
from bus.wire.headers import VERSION_MAX

RECORDS_MAX: Final = 256
_FIRST: Final = datetime(1800, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Clocks and zones still reckon with both."""
RecordIdText = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
QuarantineIdText = Annotated[
    str, StringConstraints(pattern=r"^in\.[a-z0-9-]+\.[a-z0-9-]+/[0-9]{1,9}/[0-9]{1,18}$")
]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RecordGiven(_Body):
    """One registry record to publish."""

    op: Operation
    version: int = Field(
        ge=1,
        le=VERSION_MAX,
        description="of the registry entry; later is higher, and the same one may be sent again",
    )
    supersedes: RecordIdText | None = Field(
        default=None, description="id of the record that it follows; needed unless it is created"
    )
    event_time: AwareDatetime | None = Field(
        default=None, ge=_FIRST, le=_LAST, description="when the fact came to be; left out: now"
    )
    lane: Lane = Field(default=Lane.LIVE, description="`backfill` for history")
    resolves: QuarantineIdText | None = Field(
        default=None, description="quarantine id of the record that it answers"
    )
    value: dict[str, JsonValue] = Field(
        description="fields by the contract's newest schema; days and moments as ISO 8601 says, "
        "decimals as text, bytes in base64"
    )


class RecordsGiven(_Body):
    """Records to publish together; all of them are taken, or none."""

    records: Annotated[list[RecordGiven], Field(min_length=1, max_length=RECORDS_MAX)]


class RecordTaken(_Body):
    """Where one record lies."""

    record_id: RecordIdText
    topic: str
    partition: int
    offset: int | None = Field(description="null where Kafka knew the batch and did not say")
    status: str = Field(description="path under which its fate is told")


class RecordsTaken(_Body):
    """All in-sync replicas have these records; whether they are accepted is judged next."""

    dataset: str
    agency: str
    key_id: str = Field(description="key that signed them")
    catalogue: int = Field(description="version of the catalogue under which they were encoded")
    records: list[RecordTaken]
