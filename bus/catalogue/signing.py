"""Making decisions on agreements, signed. Pure: keys, post and day come from whoever decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from bus.catalogue.agreement import Agreement, Standing
from bus.catalogue.agreement_text import render_decisions
from bus.catalogue.decision import Decision, DecisionKind, Side, signed
from bus.catalogue.region import Region
from bus.catalogue.terms import agreed_fields, speakers, terms_digest
from bus.contracts.contract import Contract
from bus.model.identifiers import AgencyCode, KeyId

ON_TERMS: Final = frozenset({DecisionKind.APPROVE, DecisionKind.REFUSE})
"""Decisions on what stands in the agreement and in its contract; the others are on its run."""
_RECEIVING_POST: Final = "Руководитель"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A system's key."""

    key_id: KeyId
    private_key: bytes = field(repr=False)
    """Ed25519 seed, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a post decides, before it is signed."""

    kind: DecisionKind
    by: str
    """Post, never a name."""
    on: date
    """Day (UTC) of the signature."""
    at: datetime | None = None
    """Aware, whole seconds; of a suspension, a resumption, an end."""
    why: str | None = None
    """Of a refusal."""


def decided(
    agreement: Agreement, contract: Contract, side: Side, proposal: Proposal, signer: Signer
) -> Decision:
    """Sign what a side decides on an agreement as it and its contract stand, as its next word."""
    is_on_terms = proposal.kind in ON_TERMS
    decision = Decision(
        agreement=agreement.id,
        side=side,
        number=len(decisions_of_side(agreement, side)) + 1,
        kind=proposal.kind,
        by=proposal.by,
        on=proposal.on,
        key_id=signer.key_id,
        at=proposal.at,
        why=proposal.why,
        terms=terms_digest(agreement) if is_on_terms else None,
        fields=agreed_fields(agreement, contract) if is_on_terms else None,
    )
    return signed(decision, signer.private_key)


def decisions_of_side(agreement: Agreement, side: Side) -> list[Decision]:
    """Give what a side decided so far, in its order."""
    return [one.decision for one in agreement.decisions if one.decision.side is side]


def approvals(
    region: Region, signers: Mapping[AgencyCode, Signer], on: date
) -> Mapping[str, bytes]:
    """Approve on both sides whatever waits for it: of a sample region, in a rehearsal, in tests.

    Args:
        region: As it stands.
        signers: Key of each agency that approves; for a provider's side the contract's steward
            does.
        on: Day of all signatures.

    Returns: Documents `decisions/…` that are to be there, by path; nothing for a side that has
        approved, or has no key here.
    """
    documents = {}
    for agreement in region.agreements:
        contract = region.contracts[agreement.dataset]
        posts = {Side.PROVIDER: contract.steward, Side.CONSUMER: _RECEIVING_POST}
        for side, agency in speakers(agreement, contract).items():
            signer = signers.get(agency)
            if signer is None or agreement.consent_of(side).standing is Standing.GIVEN:
                continue
            proposal = Proposal(kind=DecisionKind.APPROVE, by=posts[side], on=on)
            decision = decided(agreement, contract, side, proposal, signer)
            documents[f"decisions/{agreement.id}.{side}.yaml"] = render_decisions(
                [*decisions_of_side(agreement, side), decision]
            )
    return documents
