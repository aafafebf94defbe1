"""The subset of Open Data Contract Standard 3.1 that the bus uses, as written in contract.yaml.

Parts of the standard that nothing here enforces are refused by name, so that nobody believes in a
promise that isn't kept. What the standard has no place for stands in `customProperties` named
`bus.*` (`BusProperties`); a rule is a quality entry of engine `bus`, its `implementation` a rule
of `bus.contracts.rules` without the parts that ODCS itself holds (id, severity, field).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from pydantic.alias_generators import to_camel

from bus.contracts.contract import (
    ANSWER_WORKING_DAYS,
    ANSWER_WORKING_DAYS_MAX,
    Classification,
    Compatibility,
    Status,
    VersionSource,
)
from bus.contracts.rules import RuleId
from bus.model.identifiers import AgencyCodeField, Code, DatasetCodeField
from bus.model.record import Operation

Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Document(BaseModel):
    """Frozen; unknown names are refused; names in the document are in camel case."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_alias=True
    )


class Description(_Document):
    """What the dataset is for, in words."""

    purpose: Words
    usage: Words | None = None
    limitations: Words | None = None


class TeamMember(_Document):
    """A post with a duty for the dataset."""

    username: Words
    """Code of the post."""
    name: Words
    """The post in words, never a person's name."""
    role: Words
    """Exactly one member is `steward`."""


class Team(_Document):
    """The agency that keeps the contract."""

    name: AgencyCodeField
    members: Annotated[tuple[TeamMember, ...], Field(min_length=1)]


class Quality(_Document):
    """One rule."""

    id: RuleId
    type: Literal["custom"]
    engine: Literal["bus"]
    severity: Literal["error", "warning"] = "error"
    """error: quarantine; warning: observe."""
    implementation: dict[str, JsonValue]


class SchemaProperty(_Document):
    """What is promised about one field; its type stands in the `.avsc`, which must agree."""

    name: FieldName
    business_name: Words
    logical_type: Literal[
        "string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"
    ]
    classification: Classification
    required: bool = False
    primary_key: bool = False
    description: Words | None = None
    quality: tuple[Quality, ...] = ()


class SchemaObject(_Document):
    """The dataset's record."""

    name: FieldName
    """Name of the Avro record."""
    physical_name: Words
    """Topic that consumers with a full agreement read: `accepted.<dataset>`."""
    physical_type: Literal["topic"]
    logical_type: Literal["object"]
    properties: Annotated[tuple[SchemaProperty, ...], Field(min_length=1)]
    quality: tuple[Quality, ...] = ()
    """Rules over several fields; their `implementation` names the fields."""


class SlaProperty(_Document):
    """One promised figure, `SLA_UNITS` says in which unit."""

    property: Literal["latency", "frequency", "retention", "completeness", "validity", "timeliness"]
    value: Annotated[float, Field(gt=0)]
    unit: Words
    description: Words | None = None


SLA_UNITS = {
    "latency": "s",
    "frequency": "h",
    "retention": "d",
    "completeness": "percent",
    "validity": "percent",
    "timeliness": "percent",
}


class CustomProperty(_Document):
    """A value that the standard has no place for."""

    property: Words
    value: JsonValue


class ContractDocument(_Document):
    """A whole contract.yaml."""

    api_version: Literal["v3.1.0"]
    kind: Literal["DataContract"]
    id: DatasetCodeField
    """Code of the dataset."""
    name: Words
    """Title in Russian; the English one is `bus.nameEn`."""
    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
    status: Status
    domain: Words
    description: Description
    team: Team
    record: Annotated[tuple[SchemaObject, ...], Field(alias="schema", min_length=1, max_length=1)]
    sla_properties: tuple[SlaProperty, ...]
    custom_properties: tuple[CustomProperty, ...]


class AcceptedUntil(_Document):
    """The end of an older schema version."""

    version: Annotated[int, Field(ge=1)]
    until: date
    """Last day (UTC) on which records of this version are accepted."""


class RefusedExampleShape(_Document):
    """What to change in the example to break one rule."""

    rule: RuleId
    change: Annotated[dict[FieldName, JsonValue], Field(min_length=1)]


class ExampleShape(_Document):
    """An invented record that meets the contract and a change that doesn't, both proved by linting.

    Days and moments are texts (`2026-03-01`, `2026-03-01T09:30:00Z`), decimals too (`'12.50'`).
    """

    sent_at: AwareDatetime
    """When it is taken to have come in."""
    record: Annotated[dict[FieldName, JsonValue], Field(min_length=1)]
    refused: RefusedExampleShape | None = None


class BusProperties(_Document):
    """The custom properties, by their names without `bus.`."""

    name_en: Words
    key_field: FieldName
    version_source: VersionSource
    operations: Annotated[tuple[Operation, ...], Field(min_length=1)]
    immutable_fields: tuple[FieldName, ...] = ()
    compatibility: Compatibility = Compatibility.FULL_TRANSITIVE
    process: Annotated[str, Code]
    legal_basis: Words
    searchable: tuple[FieldName, ...] = ()
    """Fields by which a data request may search; the fund keeps an index of each."""
    answer_working_days: Annotated[int, Field(ge=1, le=ANSWER_WORKING_DAYS_MAX)] = (
        ANSWER_WORKING_DAYS
    )
    """Within which a provider answers a data request that the fund can't."""
    accepted_until: tuple[AcceptedUntil, ...] = ()
    example: ExampleShape | None = None
