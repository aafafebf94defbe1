"""What is wrong with a region's documents before they are applied.

Everything that reading finds, and the rules beyond it: contracts that don't agree with their
schemas, versions that can't live side by side, contracts without an optimised process, grants of
what can't be granted, schemas without an id. Every finding names file, line and place, what stands
there, what is expected and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping

from bus.catalogue.lint_agreement import agreement_findings
from bus.catalogue.lint_contract import contract_findings
from bus.catalogue.lint_decision import decision_findings
from bus.catalogue.lint_parties import party_findings
from bus.catalogue.lint_probe import probe_findings
from bus.catalogue.lint_schema import schema_findings
from bus.catalogue.lock import changed_schema, schema_sha256
from bus.catalogue.references import reference_findings
from bus.catalogue.region import Region, passport_of, region_of
from bus.catalogue.schemas import WireSchema, wire_schemas
from bus.catalogue.shapes import KeyShape, PassportShape
from bus.catalogue.sources import LOCK_FILE, Source, Sources, read_sources
from bus.contracts.gate import RefusalReason, may_publish
from bus.contracts.passport import lacking
from bus.contracts.reading import ContractSource
from bus.errors import Finding
from bus.texts import finding_at


def lint(documents: Mapping[str, bytes]) -> tuple[Finding, ...]:
    """Find everything that is wrong with a region's documents.

    Args:
        documents: Contents by path, as `bus.catalogue.documents.read_documents` gives them.

    Returns: Findings by path; empty: the documents may be applied. Rules that need the whole
        region (the gate, the lock) are asked once every document can be read.
    """
    sources = read_sources(documents)
    findings = list(sources.findings)
    broken_references = reference_findings(sources)
    findings += broken_references
    for contract in sources.contracts:
        findings += contract_findings(contract)
        for schema in contract.schemas.values():
            findings += schema_findings(schema)
    for passport in sources.passports:
        findings += _passport_findings(passport)
    for key in sources.keys:
        findings += _key_findings(key)
    findings += agreement_findings(sources)
    findings += party_findings(sources)
    findings += probe_findings(sources)
    if not sources.findings and not broken_references:
        region = region_of(sources)
        for contract in sources.contracts:
            findings += _gate_findings(contract, region)
        findings += _lock_findings(sources, region)
        findings += decision_findings(sources, region)
    return tuple(sorted(findings, key=lambda finding: finding.path))


def _gate_findings(source: ContractSource, region: Region) -> list[Finding]:
    """Hold a contract against the passport of its process; a draft one may wait for it."""
    contract = source.contract
    refusal = may_publish(contract, region.passports.get(contract.process))
    if refusal is None or refusal.reason is RefusalReason.CONTRACT_NOT_ACTIVE:
        return []
    finding = source.document.finding(
        source.places["process"],
        found=refusal.found,
        expected=refusal.expected,
        remedy=refusal.remedy,
    )
    return [finding]


def _passport_findings(source: Source[PassportShape]) -> list[Finding]:
    """Ask for the documents of every step that the process is said to have taken."""
    return [
        source.document.finding(
            (document.member,),
            found=document.found,
            expected=document.expected,
            remedy=document.remedy,
        )
        for document in lacking(passport_of(source.written))
    ]


def _key_findings(source: Source[KeyShape]) -> list[Finding]:
    key, findings = source.written, []
    system = key.key_id.partition(".")[0]
    if system != key.system:
        place = source.document.place(("system",))
        values = {"system": key.system, "expected": system}
        findings.append(finding_at(place, "error.catalogue.key_of_system", **values))
    if key.valid_to is not None and key.valid_to <= key.valid_from:
        place = source.document.place(("valid_to",))
        limits = {"from": key.valid_from.isoformat(), "to": key.valid_to.isoformat()}
        findings.append(finding_at(place, "error.catalogue.key_ends", **limits))
    return findings


def _lock_findings(sources: Sources, region: Region) -> list[Finding]:
    """Hold every schema on the wire against the lock."""
    findings = []
    for wired in wire_schemas(region):
        entry = region.lock.get(wired.subject, wired.version)
        sha256 = schema_sha256(wired.schema)
        if entry is None:
            findings.append(_without_id(wired))
        elif entry.sha256 != sha256:
            finding = changed_schema(
                wired.subject,
                wired.version,
                found=sha256,
                locked=entry.sha256,
                path=_place_in_lock(sources, wired),
            )
            findings.append(finding)
    return findings


def _place_in_lock(sources: Sources, wired: WireSchema) -> str:
    assert sources.lock_document is not None
    return sources.lock_document.place((wired.subject, str(wired.version)))


def _without_id(wired: WireSchema) -> Finding:
    return finding_at(
        LOCK_FILE, "error.catalogue.not_in_lock", subject=wired.subject, version=wired.version
    )
