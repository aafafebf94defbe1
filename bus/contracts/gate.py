"""The gate: no approved, optimised process passport, no contract in force."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from bus.contracts.contract import Contract, Status
from bus.contracts.passport import Passport, ProcessState, lacking
from bus.errors import Words
from bus.texts import message


@unique
class RefusalReason(StrEnum):
    """Why a contract may not come into force."""

    CONTRACT_NOT_ACTIVE = "contract_not_active"
    NO_PASSPORT = "no_passport"
    ANOTHER_PROCESS = "another_process"
    NOT_A_RESULT = "not_a_result"
    NOT_DESCRIBED = "not_described"
    NOT_OPTIMISED = "not_optimised"
    NOTHING_REMOVED = "nothing_removed"
    NOT_APPROVED = "not_approved"
    DOCUMENT_LACKING = "document_lacking"
    """The passport says that it is approved, and a document of a step before is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why, and what to do about it."""

    reason: RefusalReason
    found: Words
    expected: Words
    remedy: Words

    def spoken(self, language: str) -> str:
        """Say it in a language: `en` or `ru`."""
        told = message(
            "error.gate.told", found=self.found, expected=self.expected, remedy=self.remedy
        )
        return told.spoken(language)

    def __str__(self) -> str:
        return self.spoken("en")


def may_publish(contract: Contract, passport: Passport | None) -> Refusal | None:
    """Decide whether records may flow under a contract.

    Args:
        contract: Of the records.
        passport: Of the process that the contract cites; None: the catalogue has none.

    Returns: None when they may, else the first reason why not.
    Source: the region's concept of digital transformation: no un-optimised process is automated.
    """
    if contract.status not in {Status.ACTIVE, Status.DEPRECATED}:
        values = {"dataset": contract.dataset, "status": contract.status}
        return _refusal(RefusalReason.CONTRACT_NOT_ACTIVE, **values)
    if passport is None:
        return _refusal(RefusalReason.NO_PASSPORT, process=contract.process)
    return _refusal_of_passport(contract, passport)


def _refusal_of_passport(contract: Contract, passport: Passport) -> Refusal | None:
    if passport.process != contract.process:
        values = {"found": passport.process, "expected": contract.process}
        return _refusal(RefusalReason.ANOTHER_PROCESS, **values)
    if contract.dataset not in passport.produces:
        values = {"process": passport.process, "dataset": contract.dataset}
        return _refusal(RefusalReason.NOT_A_RESULT, **values)
    return _refusal_of_state(passport)


def _refusal_of_state(passport: Passport) -> Refusal | None:
    """Ask for the steps in their order, so that the first one missing is the one to take."""
    process, state = passport.process, passport.state
    if not state.reaches(ProcessState.DESCRIBED):
        return _refusal(RefusalReason.NOT_DESCRIBED, process=process)
    if not state.reaches(ProcessState.OPTIMISED):
        return _refusal(RefusalReason.NOT_OPTIMISED, process=process)
    if not passport.removed:
        return _refusal(RefusalReason.NOTHING_REMOVED, process=process)
    if state is not ProcessState.APPROVED or passport.act is None:
        reached = state if passport.act else message("error.gate.without_act", state=state)
        return _refusal(RefusalReason.NOT_APPROVED, process=process, state=reached)
    for document in lacking(passport):
        return Refusal(
            reason=RefusalReason.DOCUMENT_LACKING,
            found=message("error.gate.lacking", process=process, found=document.found),
            expected=document.expected,
            remedy=document.remedy,
        )
    return None


def _refusal(reason: RefusalReason, **values: object) -> Refusal:
    """Refuse in the words that the catalogue of texts has for the reason."""
    return Refusal(
        reason=reason,
        found=message(f"error.gate.{reason}.found", **values),
        expected=message(f"error.gate.{reason}.expected", **values),
        remedy=message(f"error.gate.{reason}.remedy", **values),
    )
