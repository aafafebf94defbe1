"""What both sides' decisions come to: who approved, when it rests, when it ends. Pure.

What gives (an approval, a resumption) counts only while its signature holds. What takes away (a
refusal, a suspension, an end) counts also when the key that signed it was revoked since: doubt
must not open anything. What no key of the side's agency signed counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from bus.catalogue.agreement import (
    Agreement,
    Consent,
    Ending,
    Standing,
    Suspension,
)
from bus.catalogue.decision import Decision, DecisionKind, Judged, Proof, Side, is_signed_by
from bus.catalogue.parties import SigningKey
from bus.catalogue.terms import changed_fields, speakers, terms_digest
from bus.contracts.contract import Contract
from bus.model.identifiers import AgencyCode, KeyId, SystemCode

_ON_TERMS = frozenset({DecisionKind.APPROVE, DecisionKind.REFUSE})


def settled(
    agreement: Agreement,
    decisions: Sequence[Decision],
    *,
    contract: Contract,
    keys: Mapping[KeyId, SigningKey],
    owners: Mapping[SystemCode, AgencyCode],
) -> Agreement:
    """Put both sides' decisions into an agreement.

    Args:
        agreement: Its terms.
        decisions: Of this agreement; of each side in the order of their numbers.
        contract: Of its dataset.
        keys: All that the catalogue knows.
        owners: Agency of each system.
    """
    speaking = speakers(agreement, contract)
    judged = tuple(
        Judged(decision=one, proof=_proof(one, speaking[one.side], keys, owners))
        for one in decisions
    )
    of_side = {side: [one for one in judged if one.decision.side is side] for side in Side}
    return replace(
        agreement,
        provider_consent=_consent(agreement, contract, of_side[Side.PROVIDER]),
        consumer_consent=_consent(agreement, contract, of_side[Side.CONSUMER]),
        suspensions=tuple(rest for side in Side for rest in _suspensions(of_side[side])),
        ending=_ending(judged),
        decisions=tuple(one for side in Side for one in of_side[side]),
    )


def _proof(
    decision: Decision,
    agency: AgencyCode,
    keys: Mapping[KeyId, SigningKey],
    owners: Mapping[SystemCode, AgencyCode],
) -> Proof:
    """Judge a decision's signature as of the day on which it was signed."""
    key = keys.get(decision.key_id)
    if key is None:
        return Proof.UNKNOWN_KEY
    # Why not a delegated one: the gateway holds it, to send records and for nothing else.
    if owners.get(key.system) != agency or key.is_delegated:
        return Proof.FOREIGN_KEY
    if not is_signed_by(decision, key.public_key):
        return Proof.BAD_SIGNATURE
    begins = datetime.combine(decision.on, time(), UTC)
    ends = begins + timedelta(days=1)
    if key.valid_from >= ends or (key.valid_to is not None and key.valid_to <= begins):
        return Proof.KEY_NOT_VALID
    # Why to the end of the day: what was signed on the day of the loss may be the thief's.
    if key.revoked_at is not None and key.revoked_at < ends:
        return Proof.KEY_REVOKED
    return Proof.HOLDS


def fits(decision: Decision, agreement: Agreement, contract: Contract) -> Consent:
    """Tell whether a word on the terms is about what stands now.

    Args:
        decision: An approval or a refusal, whatever its signature is worth.
        agreement: The terms.
        contract: Of its dataset.

    Returns: Standing GIVEN (whatever was said, it was said of this), or what has changed since.
    """
    changed = changed_fields(agreement, contract, decision.fields or {})
    if decision.terms != terms_digest(agreement):
        return Consent(standing=Standing.TERMS_CHANGED, on=decision.on)
    if changed:
        return Consent(standing=Standing.CONTRACT_CHANGED, on=decision.on, changed=changed)
    return Consent(standing=Standing.GIVEN, on=decision.on)


def _consent(agreement: Agreement, contract: Contract, judged: Sequence[Judged]) -> Consent:
    """Tell what a side's last word on the terms comes to."""
    words = [one for one in judged if one.decision.kind in _ON_TERMS and one.is_of_its_side]
    if not words:
        return Consent()
    last = words[-1].decision
    fit = fits(last, agreement, contract)
    if last.kind is DecisionKind.APPROVE:
        is_proved = words[-1].proof is Proof.HOLDS
        return fit if is_proved else Consent(standing=Standing.UNPROVED, on=last.on)
    if fit.standing is Standing.GIVEN:
        return Consent(standing=Standing.REFUSED, on=last.on)
    # What was refused has changed: the side is asked anew, for the first time or once more.
    approved = [one.decision.on for one in words if one.decision.kind is DecisionKind.APPROVE]
    return Consent(standing=fit.standing, on=approved[-1]) if approved else Consent()


def _suspensions(judged: Sequence[Judged]) -> list[Suspension]:
    """Pair a side's suspensions with its own resumptions."""
    found: list[Suspension] = []
    for one in judged:
        decision = one.decision
        if decision.at is None or not one.is_of_its_side:
            continue
        rests = found[-1] if found and found[-1].ends is None else None
        if decision.kind is DecisionKind.SUSPEND and rests is None:
            found.append(
                Suspension(side=decision.side, by=decision.by, begins=decision.at, ends=None)
            )
        elif decision.kind is DecisionKind.SUSPEND and rests is not None:
            found[-1] = replace(rests, begins=min(rests.begins, decision.at))
        elif (
            decision.kind is DecisionKind.RESUME and rests is not None and one.proof is Proof.HOLDS
        ):
            found[-1] = replace(rests, ends=decision.at)
    return found


def _ending(judged: Sequence[Judged]) -> Ending | None:
    ends = [
        Ending(side=one.decision.side, by=one.decision.by, at=one.decision.at)
        for one in judged
        if one.decision.kind is DecisionKind.END
        and one.decision.at is not None
        and one.is_of_its_side
    ]
    return min(ends, key=lambda ending: ending.at, default=None)
