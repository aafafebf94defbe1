"""The meaning of a contract, free of the shape it is written in (`bus.contracts.odcs`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from bus.contracts.rules import Rule, Text
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.record import Operation

ANSWER_WORKING_DAYS: Final = 5
"""Within which a provider answers a data request, where its contract says nothing else."""
ANSWER_WORKING_DAYS_MAX: Final = 30


@unique
class Status(StrEnum):
    """How far a contract has come; records flow under an active and a deprecated one alone."""

    PROPOSED = "proposed"
    DRAFT = "draft"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    """In force, but to be left: consumers are told."""
    RETIRED = "retired"


@unique
class Compatibility(StrEnum):
    """What a new schema version must be able to read, and to be read by."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    FORWARD = "FORWARD"
    FULL = "FULL"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


@unique
class Classification(StrEnum):
    """Who may see a field; a personal one can't be a key or a row filter."""

    PUBLIC = "public"
    INTERNAL = "internal"
    RESTRICTED = "restricted"
    PERSONAL = "personal"


@unique
class VersionSource(StrEnum):
    """Where the version of a registry record comes from (which column: the source's mapping)."""

    COLUMN = "column"
    """A counter that the source itself keeps for each entry."""
    CHANGE_CAPTURE = "change_capture"
    """A packed pair of epoch and counter; a new epoch after each restore of the source."""
    PUBLISHER = "publisher"
    """The publisher's own state: an equal row repeats, a changed row is the next version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sla:
    """What the provider answers for; percentages are of records in any thirty days."""

    latency_s: float
    """From `ce_time` of a live record to the broker's append of it, seconds."""
    frequency_hours: float
    """At least one record, or a sign of life, in so many hours."""
    retention_days: float
    """How long the history stays in the fund, days. A promise that is shown: the bus deletes
    nothing by it, an entry goes when it is erased."""
    completeness_percent: float
    """Share of optional values that are given, 0 to 100."""
    validity_percent: float
    """Share of records that break no rule, 0 to 100."""
    timeliness_percent: float
    """Share of live records that meet `latency_s`, 0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedExample:
    """A change to the example that breaks exactly one rule."""

    rule: str
    """Its id."""
    change: Mapping[str, object]
    """Field → value in its place, as JSON writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An invented record of the newest schema version, for documentation."""

    sent_at: datetime
    """When it is taken to have come in; aware."""
    record: Mapping[str, object]
    """Field → value as JSON writes it; left out: the field's default, or null."""
    refused: RefusedExample | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersion:
    """One version of a dataset's structure, and the rules its records are judged by."""

    number: int
    """From 1, without gaps."""
    schema: Mapping[str, object]
    """The parsed `.avsc`; a record at the top."""
    rules: tuple[Rule, ...]
    """Only those that hold for this version, in the contract's order."""
    accepted_until: date | None
    """Last day (UTC) on which a record of this version is accepted; None: no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a provider promises about one dataset, and what the bus enforces."""

    dataset: DatasetCode
    title: Text
    owner: AgencyCode
    """The agency that keeps the contract; it need not be the only provider."""
    steward: str
    """Post, never a person's name, that answers for completeness, validity and timeliness."""
    status: Status
    contract_version: str
    """Of the document, `1.2.0`; the structure's versions are in `schema_versions`."""
    key_field: str
    """Field that holds the agency's own registry number."""
    version_source: VersionSource
    operations: frozenset[Operation]
    immutable_fields: frozenset[str]
    """Fields that no correction changes; a view filtered by others is a standing one."""
    compatibility: Compatibility
    process: str
    """Code of the process whose result this dataset is."""
    legal_basis: str
    classification: Mapping[str, Classification]
    """Every top-level field of every version → its class."""
    sla: Sla
    schema_versions: tuple[SchemaVersion, ...]
    """Ascending, at least one."""
    meanings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Every top-level field of every version → digest of what is said of it
    (`bus.contracts.meaning`)."""
    example: Example | None = None
    searchable_fields: tuple[str, ...] = ()
    """Scalar fields, none of them personal, by which a data request may search."""
    answer_working_days: int = ANSWER_WORKING_DAYS
    """Within which a provider answers a data request that the fund can't."""

    @property
    def newest(self) -> SchemaVersion:
        """The structure that new producers use."""
        return self.schema_versions[-1]

    @property
    def field_names(self) -> tuple[str, ...]:
        """Top-level fields of all versions: the newest's in its order, then older ones."""
        names: dict[str, None] = {}
        for version in reversed(self.schema_versions):
            names.update(dict.fromkeys(top_level_fields(version.schema)))
        return tuple(names)


def top_level_fields(schema: Mapping[str, object]) -> tuple[str, ...]:
    """Tell the names of a record schema's own fields, in order."""
    fields = schema["fields"]
    assert isinstance(fields, list)
    return tuple(field["name"] for field in fields)
