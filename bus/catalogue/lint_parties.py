"""Who has left, and what goes on as if it had not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from bus.catalogue.decision import DecisionKind
from bus.catalogue.shapes import AgreementShape
from bus.catalogue.sources import Source, Sources
from bus.contracts.yaml_document import Path
from bus.errors import Finding
from bus.model.identifiers import AgencyCode
from bus.texts import finding_at


def party_findings(sources: Sources) -> list[Finding]:
    """Find agreements and keys that outlive the agency that they are of."""
    left = {
        one.written.agency: one.written.left_at.astimezone(UTC)
        for one in sources.agencies
        if one.written.left_at is not None
    }
    if not left:
        return []
    ended = {
        one.written.agreement
        for one in sources.decisions
        if any(decision.decision is DecisionKind.END for decision in one.written.decisions)
    }
    findings = [
        finding_at(source.document.place(path), "error.agreement.party_left", agency=agency)
        for source in sources.agreements
        if source.written.agreement not in ended
        for path, agency in _parties(source, left)
    ]
    return [*findings, *_keys(sources, left)]


def _parties(
    source: Source[AgreementShape], left: Mapping[AgencyCode, datetime]
) -> Iterator[tuple[Path, AgencyCode]]:
    """Give the sides of an agreement that leave before its last day is over."""
    written = source.written
    sides: list[tuple[Path, AgencyCode]] = [(("consumer",), written.consumer)]
    if written.providers is not None and len(written.providers) == 1:
        sides.append((("providers", 0), written.providers[0]))
    for path, agency in sides:
        if agency in left and written.valid_to >= left[agency].date():
            yield path, agency


def _keys(sources: Sources, left: Mapping[AgencyCode, datetime]) -> Iterator[Finding]:
    owners = {
        system.system: one.written.agency
        for one in sources.agencies
        for system in one.written.systems
    }
    for source in sources.keys:
        agency = owners.get(source.written.system)
        if agency is None or agency not in left:
            continue
        ends = [one for one in (source.written.valid_to, source.written.revoked_at) if one]
        if not any(end <= left[agency] for end in ends):
            told = {"agency": agency, "at": left[agency]}
            place = source.document.place(("valid_to" if source.written.valid_to else "key_id",))
            yield finding_at(place, "error.catalogue.key_outlives", **told)
