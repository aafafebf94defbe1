"""What judging a record can come to, and the closed list of reasons for quarantine."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, NamedTuple, TypeAlias

from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.record import Envelope, RawRecord


@unique
class Stage(StrEnum):
    """Where in the path a record was stopped."""

    GUARD = "guard"
    ENVELOPE = "envelope"
    SIGNATURE = "signature"
    SCHEMA = "schema"
    RULES = "rules"
    GROUP = "group"
    FUND = "fund"


@unique
class Reason(StrEnum):
    """Why a record is in quarantine: metric label, docs anchor and the agency's ticket.

    Words for people stand in `bus/texts/`, keyed `reason.<value>`.
    """

    EMPTY_VALUE = "empty_value"
    VALUE_TOO_LARGE = "value_too_large"
    HEADERS_TOO_LARGE = "headers_too_large"
    KEY_TOO_LARGE = "key_too_large"
    HEADER_MISSING = "header_missing"
    HEADER_DOUBLED = "header_doubled"
    HEADER_MALFORMED = "header_malformed"
    FOREIGN_SOURCE = "foreign_source"
    RECORD_ID_MISMATCH = "record_id_mismatch"
    EVENT_TIME_IN_FUTURE = "event_time_in_future"
    UNSIGNED = "unsigned"
    KEY_UNKNOWN = "key_unknown"
    KEY_FOREIGN = "key_foreign"
    KEY_NOT_VALID = "key_not_valid"
    SIGNATURE_INVALID = "signature_invalid"
    ROW_UNREADABLE = "row_unreadable"
    UNFRAMED = "unframed"
    SCHEMA_UNKNOWN = "schema_unknown"
    SCHEMA_FOREIGN = "schema_foreign"
    SCHEMA_EXPIRED = "schema_expired"
    NO_CONTRACT = "no_contract"
    MALFORMED_AVRO = "malformed_avro"
    TRAILING_BYTES = "trailing_bytes"
    VALUE_OUT_OF_RANGE = "value_out_of_range"
    INVALID_TEXT = "invalid_text"
    KEY_MISMATCH = "key_mismatch"
    OPERATION_NOT_ALLOWED = "operation_not_allowed"
    RULE_VIOLATED = "rule_violated"
    GROUP_INCOMPLETE = "group_incomplete"
    GROUP_TOO_LARGE = "group_too_large"
    GROUP_REFUSED = "group_refused"
    CONFLICTING_VERSION = "conflicting_version"
    UNKNOWN_PREDECESSOR = "unknown_predecessor"
    ENTRY_ERASED = "entry_erased"

    @property
    def stage(self) -> Stage:
        """The stage that gives this reason."""
        return _STAGES[self]


_STAGES = {
    Reason.EMPTY_VALUE: Stage.GUARD,
    Reason.VALUE_TOO_LARGE: Stage.GUARD,
    Reason.HEADERS_TOO_LARGE: Stage.GUARD,
    Reason.KEY_TOO_LARGE: Stage.GUARD,
    Reason.HEADER_MISSING: Stage.ENVELOPE,
    Reason.HEADER_DOUBLED: Stage.ENVELOPE,
    Reason.HEADER_MALFORMED: Stage.ENVELOPE,
    Reason.FOREIGN_SOURCE: Stage.ENVELOPE,
    Reason.RECORD_ID_MISMATCH: Stage.ENVELOPE,
    Reason.EVENT_TIME_IN_FUTURE: Stage.ENVELOPE,
    Reason.UNSIGNED: Stage.SIGNATURE,
    Reason.KEY_UNKNOWN: Stage.SIGNATURE,
    Reason.KEY_FOREIGN: Stage.SIGNATURE,
    Reason.KEY_NOT_VALID: Stage.SIGNATURE,
    Reason.SIGNATURE_INVALID: Stage.SIGNATURE,
    Reason.ROW_UNREADABLE: Stage.SCHEMA,
    Reason.UNFRAMED: Stage.SCHEMA,
    Reason.SCHEMA_UNKNOWN: Stage.SCHEMA,
    Reason.SCHEMA_FOREIGN: Stage.SCHEMA,
    Reason.SCHEMA_EXPIRED: Stage.SCHEMA,
    Reason.NO_CONTRACT: Stage.SCHEMA,
    Reason.MALFORMED_AVRO: Stage.SCHEMA,
    Reason.TRAILING_BYTES: Stage.SCHEMA,
    Reason.VALUE_OUT_OF_RANGE: Stage.SCHEMA,
    Reason.INVALID_TEXT: Stage.SCHEMA,
    Reason.KEY_MISMATCH: Stage.RULES,
    Reason.OPERATION_NOT_ALLOWED: Stage.RULES,
    Reason.RULE_VIOLATED: Stage.RULES,
    Reason.GROUP_INCOMPLETE: Stage.GROUP,
    Reason.GROUP_TOO_LARGE: Stage.GROUP,
    Reason.GROUP_REFUSED: Stage.GROUP,
    Reason.CONFLICTING_VERSION: Stage.FUND,
    Reason.UNKNOWN_PREDECESSOR: Stage.FUND,
    Reason.ENTRY_ERASED: Stage.FUND,
}
FUND_REASONS: Final = frozenset(
    {Reason.GROUP_REFUSED, *(reason for reason, stage in _STAGES.items() if stage is Stage.FUND)}
)
"""What the fund refuses a record for; a group is refused by enforcement too."""


@unique
class Severity(StrEnum):
    """What a violated rule does: count it, or set the record aside."""

    OBSERVE = "observe"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One rule that one record breaks. Carries no value of the record (personal data)."""

    rule: str
    """Rule id, unique in its contract: `inn-check-digits`."""
    path: str
    """Field, e.g. `inn` or `address.oktmo`."""
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Bytes that are not a value of the schema they name."""

    reason: Reason
    path: str
    """Field at which decoding stopped, or the empty string for the record."""


class Examined(NamedTuple):
    """A decoded value: every rule was evaluated, every field located.

    A tuple for speed: one is made for each record, and a frozen dataclass takes 0.4 µs to make.
    """

    key: str
    """Value of the contract's key field, as text."""
    spans: list[int]
    """Offsets into the framed value: field i occupies `value[spans[i]:spans[i + 1]]`."""
    wanted: dict[str, object]
    """Decoded values of the fields that row filters ask for."""
    violations: tuple[Violation, ...]
    nulls: int
    """Top-level fields that are null, of those that may be."""


class Accepted(NamedTuple):
    """The record met its contract and goes to consumers and the fund; a tuple for speed."""

    raw: RawRecord
    envelope: Envelope
    dataset: DatasetCode
    examined: Examined

    def __repr__(self) -> str:
        """Leave out the record and what was decoded: its values stand in no message."""
        return f"Accepted(envelope={self.envelope!r}, dataset={self.dataset!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """The record is set aside, with every reason that could be told."""

    raw: RawRecord = field(repr=False)
    agency: AgencyCode
    dataset: DatasetCode
    reason: Reason
    path: str = ""
    """Header or field concerned; never a value."""
    violations: tuple[Violation, ...] = ()


Verdict: TypeAlias = Accepted | Quarantined
