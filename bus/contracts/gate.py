"""The gate: no approved, optimised process passport, no contract in force."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from bus.contracts.contract import Contract, Status
from bus.contracts.passport import Passport, ProcessState


@unique
class RefusalReason(StrEnum):
    """Why a contract may not come into force."""

    CONTRACT_NOT_ACTIVE = "contract_not_active"
    NO_PASSPORT = "no_passport"
    ANOTHER_PROCESS = "another_process"
    NOT_A_RESULT = "not_a_result"
    NOTHING_REMOVED = "nothing_removed"
    NOT_OPTIMISED = "not_optimised"
    NOT_APPROVED = "not_approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why, and what to do about it."""

    reason: RefusalReason
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"found {self.found}; expected {self.expected}. {self.remedy}"


def may_publish(contract: Contract, passport: Passport | None) -> Refusal | None:
    """Decide whether records may flow under a contract.

    Args:
        contract: Of the records.
        passport: Of the process that the contract cites; None: the catalogue has none.

    Returns: None when they may, else the first reason why not.
    Source: the region's concept of digital transformation: no un-optimised process is automated.
    """
    if contract.status not in {Status.ACTIVE, Status.DEPRECATED}:
        return Refusal(
            reason=RefusalReason.CONTRACT_NOT_ACTIVE,
            found=f"contract {contract.dataset} in status {contract.status}",
            expected="status active (or deprecated, while consumers leave it)",
            remedy="Set `status: active` when provider and steward agree to the contract.",
        )
    if passport is None:
        return Refusal(
            reason=RefusalReason.NO_PASSPORT,
            found=f"no passport of process {contract.process}",
            expected="an approved passport of the process that makes the dataset",
            remedy=f"Write passports/{contract.process}.yaml and have it approved.",
        )
    return _refusal_of_passport(contract, passport)


def _refusal_of_passport(contract: Contract, passport: Passport) -> Refusal | None:
    if passport.process != contract.process:
        return Refusal(
            reason=RefusalReason.ANOTHER_PROCESS,
            found=f"passport of process {passport.process}",
            expected=f"the passport of process {contract.process}",
            remedy="Mend `bus.process` in the contract.",
        )
    if contract.dataset not in passport.produces:
        return Refusal(
            reason=RefusalReason.NOT_A_RESULT,
            found=f"passport {passport.process}, which doesn't produce {contract.dataset}",
            expected=f"{contract.dataset} in `produces`",
            remedy="Cite the process whose result the dataset is, or mend the passport.",
        )
    return _refusal_of_state(passport)


def _refusal_of_state(passport: Passport) -> Refusal | None:
    if passport.state is ProcessState.DESCRIBED:
        return Refusal(
            reason=RefusalReason.NOT_OPTIMISED,
            found=f"process {passport.process} described, not optimised",
            expected="state approved",
            remedy="Optimise the process first: its target model must leave something out.",
        )
    if not passport.removed:
        return Refusal(
            reason=RefusalReason.NOTHING_REMOVED,
            found=f"process {passport.process}, whose target model removes nothing",
            expected="at least one step or data element of the current model left out",
            remedy="Optimise the process: a copy of what it is would only be automated waste.",
        )
    if passport.state is not ProcessState.APPROVED or passport.act is None:
        return Refusal(
            reason=RefusalReason.NOT_APPROVED,
            found=f"process {passport.process} in state {passport.state}"
            + ("" if passport.act else ", without an act"),
            expected="state approved, and the act that approved it",
            remedy="Have the passport approved; write the act's number, date and title into it.",
        )
    return None
