"""What is wrong with the sides' decisions, and which agreements grant nothing for want of one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from bus.catalogue.agreement import Agreement, Consent, Standing
from bus.catalogue.decision import Judged, Proof, Side
from bus.catalogue.region import Region
from bus.catalogue.sources import Sources
from bus.catalogue.terms import speakers
from bus.errors import Finding
from bus.texts import finding_at

_FORGED: Final = frozenset({Proof.BAD_SIGNATURE, Proof.UNKNOWN_KEY})


def decision_findings(sources: Sources, region: Region) -> list[Finding]:
    """Find decisions that no known key signed as they stand; they may not be applied.

    A signature that ceased to count (a key was revoked, another agency speaks for the side now) is
    none of them: the catalogue must still go on, and such an approval grants nothing.
    """
    judged = {
        (one.decision.agreement, one.decision.side, one.decision.number): one
        for agreement in region.agreements
        for one in agreement.decisions
    }
    findings = []
    for source in sources.decisions:
        written = source.written
        for number in range(1, len(written.decisions) + 1):
            one = judged.get((written.agreement, written.side, number))
            if one is not None and one.proof in _FORGED:
                place = source.document.place(("decisions", number - 1, "signature"))
                findings.append(_forged(place, one))
    return findings


def _forged(place: str, judged: Judged) -> Finding:
    values = {"key_id": judged.decision.key_id, "decision": judged.decision.kind}
    return finding_at(place, f"error.decision.{judged.proof}", **values)


def unapproved(region: Region, moment: datetime) -> tuple[Finding, ...]:
    """Tell which agreements would be in force but for an approval, side by side, by id.

    Advice, no fault: a draft is nothing wrong, and an agreement that grants nothing keeps no other
    document from being applied.

    Args:
        region: The documents.
        moment: Aware; agreements whose term holds it are looked at.
    """
    day = moment.astimezone(UTC).date()
    return tuple(
        finding
        for agreement in region.agreements
        if agreement.valid_from <= day and moment < agreement.ends_at
        for finding in _lacking(agreement, region, day)
    )


def _lacking(agreement: Agreement, region: Region, day: date) -> Iterator[Finding]:
    speaking = speakers(agreement, region.contracts[agreement.dataset])
    for side in Side:
        consent = agreement.consent_of(side)
        if _counts(consent, day):
            continue
        yield finding_at(
            f"agreements/{agreement.id}.yaml",
            f"error.approval.{consent.standing}",
            agreement=agreement.id,
            side=side,
            agency=speaking[side],
            on=consent.on,
            fields=", ".join(consent.changed),
        )


def _counts(consent: Consent, day: date) -> bool:
    return consent.standing is Standing.GIVEN and consent.on is not None and consent.on <= day
