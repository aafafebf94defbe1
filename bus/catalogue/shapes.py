"""The shapes of a region's YAML documents, as people write them; contracts have their own."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from bus.catalogue.agreement import ConditionOperator
from bus.catalogue.decision import DecisionKind, Side
from bus.contracts.passport import ProcessState
from bus.contracts.rules import Text
from bus.model.identifiers import (
    AgencyCodeField,
    Code,
    DatasetCodeField,
    KeyId,
    SystemCodeField,
)
from bus.texts import message

Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Oktmo = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}([0-9]{3})?$")]
KEY_ID_PATTERN = r"^[a-z][a-z0-9-]{0,46}[a-z0-9]\.[a-z0-9-]{1,32}$"
PUBLIC_KEY_SIZE_BYTES = 32
DELEGATED = "gateway-"
"""How the second part of a key's id begins where the gateway holds its private half."""


def is_delegated_key(key_id: KeyId) -> bool:
    """Tell by its id alone whether the gateway holds a key: whoever has a record can see it."""
    return key_id.partition(".")[2].startswith(DELEGATED)


class _Document(BaseModel):
    """Frozen, and unknown names are refused: a misspelt one must not pass for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RegionShape(_Document):
    """region.yaml."""

    region: Annotated[str, Code]
    name: Text
    contracts: Words
    """Folder of the contracts, relative to this file."""
    partitions: Annotated[int, Field(ge=1, le=256)]
    """Of every data topic; at least the number of workers to come."""
    topics_kept_days: Annotated[int, Field(ge=30, le=36_500)] | None = None
    """How long data topics keep a record; left out: for ever. Never shorter than the oldest backup
    of the data fund that may be restored."""
    probe: DatasetCodeField | None = None
    """Dataset of which the bus sends itself records, to see that it works; left out: none."""


class SystemShape(_Document):
    """One information system of an agency."""

    system: SystemCodeField
    name: Text
    provides: tuple[DatasetCodeField, ...] = ()


class AgencyShape(_Document):
    """agencies/<agency>.yaml."""

    agency: AgencyCodeField
    name: Text
    oktmo: Oktmo | None = None
    systems: Annotated[tuple[SystemShape, ...], Field(min_length=1)]
    left_at: AwareDatetime | None = None
    """From then on its systems may do nothing; left out: it takes part."""


_OF_ONE_VALUE: Final = frozenset(
    {ConditionOperator.EQUALS, ConditionOperator.AT_LEAST, ConditionOperator.AT_MOST}
)


class ConditionShape(_Document):
    """One demand on a row."""

    field: FieldName
    op: ConditionOperator
    values: Annotated[tuple[Words, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_one_value_to_compare(self) -> Self:
        if self.op in _OF_ONE_VALUE and len(self.values) != 1:
            raise ValueError(message("error.agreement.expects.one_value"))
        return self


class AgreementShape(_Document):
    """agreements/<id>.yaml: the terms; what the sides decide about them stands in `decisions`."""

    agreement: Annotated[str, Code]
    providers: Annotated[tuple[AgencyCodeField, ...], Field(min_length=1)] | None = None
    """Left out: all, now and later."""
    consumer: AgencyCodeField
    systems: Annotated[tuple[SystemCodeField, ...], Field(min_length=1)]
    dataset: DatasetCodeField
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1)] | None = None
    """Left out: all of all versions, now and later."""
    rows: tuple[ConditionShape, ...] = ()
    history_from: date | None = None
    purpose: Text
    legal_basis: Words
    valid_from: date
    valid_to: date


class DecisionShape(_Document):
    """One decision of a side, signed."""

    decision: DecisionKind
    by: Words
    """A post, never a person's name."""
    on: date
    at: AwareDatetime | None = None
    """Of what a moment belongs to: suspend, resume, end."""
    why: Words | None = None
    """Of a refusal."""
    terms: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    fields: dict[FieldName, Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]] | None = (
        None
    )
    """Field → what the contract said of it; with `terms` of an approval and of a refusal."""
    key_id: KeyId
    signature: Base64Bytes
    """Base64 of 64 bytes; what they cover: `bus.catalogue.decision.statement`."""

    @model_validator(mode="after")
    def _has_what_belongs_to_it(self) -> Self:
        members = {"at", "why", "terms", "fields"}
        given = {name for name in members if getattr(self, name) is not None}
        if given != _MEMBERS_OF[self.decision]:
            wanted = " ".join(sorted(_MEMBERS_OF[self.decision]))
            told = {"decision": self.decision, "wanted": wanted}
            raise ValueError(message("error.agreement.expects.decision_members", **told))
        return self


_MEMBERS_OF: Final = {
    DecisionKind.APPROVE: {"terms", "fields"},
    DecisionKind.REFUSE: {"terms", "fields", "why"},
    DecisionKind.SUSPEND: {"at"},
    DecisionKind.RESUME: {"at"},
    DecisionKind.END: {"at"},
}


class DecisionsShape(_Document):
    """decisions/<agreement>.<side>.yaml: what one side decided, the last word last."""

    agreement: Annotated[str, Code]
    side: Side
    decisions: Annotated[tuple[DecisionShape, ...], Field(min_length=1)]

    @property
    def file_stem(self) -> str:
        """Name of its file."""
        return f"{self.agreement}.{self.side}"


class ActShape(_Document):
    """The legal act that approved a passport."""

    number: Words
    date: date
    title: Words


class PassportShape(_Document):
    """passports/<process>.yaml; which members a state demands: `bus.contracts.passport.lacking`."""

    process: Annotated[str, Code]
    title: Text
    agency: AgencyCodeField
    owner: Words
    """A post, never a person's name."""
    state: ProcessState
    act: ActShape | None = None
    consumes: tuple[DatasetCodeField, ...] | None = None
    replaces_letter: tuple[DatasetCodeField, ...] = ()
    """Of `consumes`: each record that a subscription delivers stands for a letter."""
    produces: Annotated[tuple[DatasetCodeField, ...], Field(min_length=1)]
    current_model: tuple[Words, ...] = ()
    target_model: tuple[Words, ...] = ()
    diagram_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class KeyShape(_Document):
    """keys/<key id>.yaml."""

    key_id: KeyId
    system: SystemCodeField
    algorithm: Literal["ed25519"]
    public_key: Base64Bytes
    """Base64 of 32 raw bytes."""
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    held_by: Literal["gateway"] | None = None
    """Who has the private half, where that is not the system itself."""

    @model_validator(mode="after")
    def _tells_its_holder_by_its_name(self) -> Self:
        if (self.held_by is not None) != is_delegated_key(self.key_id):
            raise ValueError(message("error.catalogue.expects.key_of_holder"))
        return self

    @field_validator("key_id")
    @classmethod
    def _names_a_system(cls, key_id: KeyId) -> KeyId:
        if not re.match(KEY_ID_PATTERN, key_id):
            raise ValueError(message("error.catalogue.expects.key_id"))
        return key_id

    @field_validator("public_key")
    @classmethod
    def _has_the_size(cls, public_key: bytes) -> bytes:
        if len(public_key) != PUBLIC_KEY_SIZE_BYTES:
            sizes = {"expected": PUBLIC_KEY_SIZE_BYTES, "found": len(public_key)}
            raise ValueError(message("error.catalogue.expects.key_size", **sizes))
        return public_key
