"""Decisions of people about records in quarantine: who, why, and about which. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from bus.errors import DocumentError
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.verdict import Reason
from bus.texts import finding_at, message
from bus.wire.topics import Position, parse_position

_OFFSET_END = 2**63
_PARTITION_END = 2**31


@unique
class DecisionKind(StrEnum):
    """What a person can decide."""

    RELEASE = "release"
    """Send the original bytes through enforcement once more."""
    DISCARD = "discard"
    """Let it be; the bytes stay until its entry is erased."""
    REVEAL = "reveal"
    """Look at personal data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Who answers for a decision, and why it was taken."""

    by: str
    """Post, never a person's name."""
    because: str
    second: str | None = None
    """Post of the second person, where two must agree."""


def grounds_of(kind: DecisionKind, *, by: str, because: str, second: str | None = None) -> Grounds:
    """Demand what a decision of a kind needs.

    Raises:
        DocumentError: A post or the reason is missing, or one person would decide alone.
    """
    by, because, second = by.strip(), because.strip(), (second or "").strip() or None
    findings = [
        finding_at(option, key)
        for option, given, key in (
            ("--by", by, "error.quarantine.by"),
            ("--because", because, "error.quarantine.because"),
        )
        if not given
    ]
    if kind is DecisionKind.DISCARD and (second is None or second.casefold() == by.casefold()):
        found = message(
            "error.quarantine.second.nobody"
            if second is None
            else "error.quarantine.second.same_post"
        )
        findings.append(finding_at("--second", "error.quarantine.second", found=found))
    if findings:
        raise DocumentError(message(f"error.quarantine.not_enough.{kind}"), findings)
    return Grounds(by=by, because=because, second=second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which open entries a decision is about; what is None does not narrow."""

    ids: tuple[str, ...] | None = None
    agency: AgencyCode | None = None
    dataset: DatasetCode | None = None
    reason: Reason | None = None
    rule: str | None = None
    """Id of a rule that they break."""

    @property
    def places(self) -> tuple[Position, ...] | None:
        """The entries' places, where they are named.

        Raises:
            DocumentError: An id has another form.
        """
        return None if self.ids is None else tuple(map(place_of, self.ids))

    def described(self) -> Mapping[str, object]:
        """Give what narrows, for the audit."""
        named = {
            "ids": None if self.ids is None else list(self.ids),
            "agency": self.agency,
            "dataset": self.dataset,
            "reason": None if self.reason is None else self.reason.value,
            "rule": self.rule,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision as it was recorded; it is never changed."""

    number: int
    kind: DecisionKind
    by: str
    second: str | None
    because: str
    decided_at: datetime
    catalogue: int | None
    """Version that a release was tried against."""
    count: int
    """Entries that it is about."""


def place_of(quarantine_id: str) -> Position:
    """Read a quarantine id.

    Raises:
        DocumentError: It has another form.
    """
    try:
        place = parse_position(quarantine_id)
    except ValueError:
        place = None
    if (
        place is None
        or "\0" in place.topic
        or not 0 <= place.partition < _PARTITION_END
        or not 0 <= place.offset < _OFFSET_END
    ):
        finding = finding_at("quarantine id", "error.quarantine.id", id=quarantine_id)
        raise DocumentError(message("error.quarantine.no_such_id"), [finding])
    return place
