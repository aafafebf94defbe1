"""What every code that the bus gives means, who mends it, and where to read on. Pure.

Words stand in `bus/texts/catalogue.yaml`; here is which code exists, and whose matter it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from bus.contracts.gate import RefusalReason
from bus.contracts.rules import Rule
from bus.model.record import Presence
from bus.model.verdict import Reason, Stage
from bus.observe.health import Ailment
from bus.quarantine.entry import QuarantineState
from bus.texts import Language, all_texts, text

PAGE: Final = "docs/reference/reasons.md"
"""Where each code is an anchor; from the repository's root."""
LOG_PAGE: Final = "docs/reference/log.md"
"""The same, of codes of log lines."""
GONE: Final = "gone"
"""Code of a worker that is announced and does not answer."""


@unique
class Subject(StrEnum):
    """What a code is about; its texts' keys begin so."""

    REASON = "reason"
    RULE = "rule"
    """Of a contract, which brings its own words."""
    GATE = "gate"
    STATE = "state"
    PRESENCE = "presence"
    """What a record of a standing view says."""
    AILMENT = "ailment"
    EXIT = "exit"
    LOG = "log"
    """First word of a line that a process logs."""


@unique
class Mender(StrEnum):
    """Whose matter it is; words are keyed `mender.<value>`."""

    PROVIDER_SYSTEM = "provider_system"
    PROVIDER_RECORD = "provider_record"
    STEWARD = "steward"
    PROCESS_OWNER = "process_owner"
    OPERATOR = "operator"


_BY_STAGE: Final[Mapping[Stage, Mender]] = {
    Stage.GUARD: Mender.PROVIDER_SYSTEM,
    Stage.ENVELOPE: Mender.PROVIDER_SYSTEM,
    Stage.SIGNATURE: Mender.PROVIDER_SYSTEM,
    Stage.SCHEMA: Mender.PROVIDER_SYSTEM,
    Stage.RULES: Mender.PROVIDER_RECORD,
    Stage.GROUP: Mender.PROVIDER_SYSTEM,
    Stage.FUND: Mender.PROVIDER_SYSTEM,
}
_BY_REASON: Final[Mapping[Reason, Mender]] = {
    Reason.NO_CONTRACT: Mender.STEWARD,
    Reason.KEY_MISMATCH: Mender.PROVIDER_SYSTEM,
    Reason.OPERATION_NOT_ALLOWED: Mender.PROVIDER_SYSTEM,
    Reason.GROUP_REFUSED: Mender.PROVIDER_RECORD,
    Reason.ENTRY_ERASED: Mender.PROVIDER_RECORD,
    Reason.ROW_UNREADABLE: Mender.PROVIDER_RECORD,
}
_BY_SUBJECT: Final[Mapping[Subject, Mender | None]] = {
    Subject.GATE: Mender.PROCESS_OWNER,
    Subject.STATE: None,
    Subject.PRESENCE: None,
    Subject.AILMENT: Mender.OPERATOR,
    Subject.EXIT: None,
    Subject.LOG: None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One code in one language."""

    subject: Subject
    code: str
    says: str
    """What is wrong, or the case, and what to do."""
    stage: str | None
    """Where it is found; reasons for quarantine alone."""
    mender: str | None
    """Who mends it."""
    example: str | None
    page: str


def explain(code: str, language: Language) -> tuple[Explanation, ...]:
    """Explain a code; one may mean several things, and one that is unknown none."""
    return tuple(
        _explanation(subject, known, language) for subject, known in codes() if known == code
    )


def explain_all(language: Language) -> tuple[Explanation, ...]:
    """Explain every code there is, subject by subject."""
    return tuple(_explanation(subject, code, language) for subject, code in codes())


def codes() -> Iterator[tuple[Subject, str]]:
    """List every code that the bus gives to people."""
    enumerations = (
        (Subject.REASON, Reason),
        (Subject.GATE, RefusalReason),
        (Subject.STATE, QuarantineState),
        (Subject.PRESENCE, Presence),
        (Subject.AILMENT, Ailment),
    )
    for subject, enumeration in enumerations:
        for member in enumeration:
            yield subject, str(member.value)
    yield Subject.AILMENT, GONE
    for key in all_texts():
        kind, _, code = key.partition(".")
        if kind in {Subject.EXIT, Subject.LOG}:
            yield Subject(kind), code


def mender_of(reason: Reason) -> Mender:
    """Tell whose matter a reason for quarantine is."""
    return _BY_REASON.get(reason, _BY_STAGE[reason.stage])


def _explanation(subject: Subject, code: str, language: Language) -> Explanation:
    reason = Reason(code) if subject is Subject.REASON else None
    mender = _BY_SUBJECT[subject] if reason is None else mender_of(reason)
    return Explanation(
        subject=subject,
        code=code,
        says=text(f"{subject}.{code}", language),
        stage=None if reason is None else text(f"stage.{reason.stage}", language),
        mender=None if mender is None else text(f"mender.{mender}", language),
        example=None if reason is None else text(f"example.{code}", language),
        page=f"{LOG_PAGE if subject is Subject.LOG else PAGE}#{code.replace('.', '')}",
    )


def explain_rule(rule: Rule, language: Language) -> Explanation:
    """Explain one rule of a contract in the contract's own words."""
    return Explanation(
        subject=Subject.RULE,
        code=rule.id,
        says=str(getattr(rule.text, language.value)),
        stage=text(f"stage.{Stage.RULES}", language),
        mender=text(f"mender.{Mender.PROVIDER_RECORD}", language),
        example=None,
        page=f"{PAGE}#{Reason.RULE_VIOLATED}",
    )
