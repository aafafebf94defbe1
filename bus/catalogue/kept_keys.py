"""Keys that a next catalogue must keep: what they signed is read and proved for years.

Whether a key may still sign, its document says (`valid_to`, `revoked_at`). One that left would make
every record it signed unprovable, and a subscriber stops at such a record. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bus.catalogue.sources import Sources, read_sources
from bus.contracts.yaml_document import Path
from bus.errors import Finding
from bus.model.identifiers import AgencyCode, SystemCode
from bus.texts import finding_at

_FOLDERS: Final = ("keys/", "agencies/")


def kept_key_findings(
    in_force: Mapping[str, bytes], proposed: Mapping[str, bytes]
) -> tuple[Finding, ...]:
    """Find keys in force that would be lost, replaced, or pass to another agency.

    Args:
        in_force: Documents of the catalogue in force by path; empty before the first.
        proposed: Documents that are to follow them, without findings of their own: every system
            that has a key is there.
    """
    before, after = _parties(in_force), _parties(proposed)
    held = {source.written.key_id: source for source in after.keys}
    findings = []
    for key in (source.written for source in before.keys):
        kept = held.get(key.key_id)
        if kept is None:
            path = f"keys/{key.key_id}.yaml"
            findings.append(finding_at(path, "error.catalogue.key_lost", key_id=key.key_id))
        elif kept.written.public_key != key.public_key:
            place = kept.document.place(("public_key",))
            findings.append(finding_at(place, "error.catalogue.key_replaced", key_id=key.key_id))
    signers = {source.written.system for source in before.keys}
    return (*findings, *_moved(before, after, signers))


def _parties(documents: Mapping[str, bytes]) -> Sources:
    return read_sources(
        {path: content for path, content in documents.items() if path.startswith(_FOLDERS)}
    )


def _moved(before: Sources, after: Sources, signers: set[SystemCode]) -> list[Finding]:
    owners: dict[SystemCode, AgencyCode] = {
        system.system: source.written.agency
        for source in before.agencies
        for system in source.written.systems
    }
    findings = []
    for source in after.agencies:
        for index, system in enumerate(source.written.systems):
            agency, owner = source.written.agency, owners.get(system.system)
            if system.system not in signers or owner is None or owner == agency:
                continue
            path: Path = ("systems", index, "system")
            values = {"system": system.system, "agency": agency, "owner": owner}
            place = source.document.place(path)
            findings.append(finding_at(place, "error.catalogue.signer_moved", **values))
    return findings
