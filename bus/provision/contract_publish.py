"""Publishing contracts: every check, then an id for every schema in the lock file.

The lock is a file in git, so what was published travels like any other change: by review.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bus.catalogue.documents import read_documents
from bus.catalogue.lint import lint
from bus.catalogue.lock import SchemaLock, render
from bus.catalogue.region import Region, parse_region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.sources import LOCK_FILE, REGION_FILE, read_sources
from bus.contracts.contract import Contract
from bus.contracts.gate import Refusal, RefusalReason, may_publish
from bus.contracts.passport import Passport
from bus.errors import DocumentError, Finding
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.process.replacing import replace_file
from bus.texts import message


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRefusal:
    """A contract that may not come into force, and who has to act."""

    dataset: DatasetCode
    contract_version: str
    process: str
    refusal: Refusal
    agency: AgencyCode
    """That has to act."""
    post: str
    """Who in the agency; never a person's name."""

    def spoken(self, language: str) -> str:
        """Say it in a language: `en` or `ru`."""
        told = message(
            "error.gate.to_act",
            dataset=self.dataset,
            refusal=self.refusal,
            agency=self.agency,
            post=self.post,
        )
        return told.spoken(language)

    def __str__(self) -> str:
        return self.spoken("en")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class NewSchemaId:
    """A schema that was given its id."""

    subject: str
    version: int
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What publishing came to; with any finding or refusal nothing was written."""

    findings: tuple[Finding, ...]
    refusals: tuple[GateRefusal, ...]
    new_ids: tuple[NewSchemaId, ...]

    @property
    def is_refused(self) -> bool:
        """Whether something has to be mended first."""
        return bool(self.findings or self.refusals)


def publish_contracts(region_file: Path, keys_dir: Path | None) -> Publication:
    """Check a region's documents and give every schema its id in the lock file.

    Args:
        region_file: `region.yaml`; it says where contracts and lock are.
        keys_dir: Folder of the systems' public keys, for the checks; None: none are given.

    Returns: What was found, refused, or given an id; nothing of the three when all was published.

    Raises:
        DocumentError: There is no region file.
    """
    documents = read_documents(region_file, keys_dir)
    try:
        region = parse_region(documents)
        lock = complete_lock(region)
    except DocumentError as error:
        findings = lint(documents) or error.findings
        return Publication(findings=tuple(findings), refusals=(), new_ids=())
    refusals = gate_refusals(region)
    publication = Publication(
        findings=told_once(lint({**documents, LOCK_FILE: render(lock)}), refusals),
        refusals=refusals,
        new_ids=new_ids(region.lock, lock),
    )
    if publication.is_refused:
        return Publication(findings=publication.findings, refusals=publication.refusals, new_ids=())
    if publication.new_ids:
        replace_file(lock_path(region_file, documents), render(lock))
    return publication


def gate_refusals(region: Region) -> tuple[GateRefusal, ...]:
    """Find contracts that records would flow under without the right to, by dataset.

    Asked of each contract in force, and of each that a system provides: by `provides` a draft
    comes into force. A draft that no system provides yet may wait.
    """
    provided = {dataset for agency in region.agencies.values() for dataset in agency.provides}
    refusals = []
    for dataset, contract in sorted(region.contracts.items()):
        passport = region.passports.get(contract.process)
        refusal = may_publish(contract, passport)
        is_draft = (
            refusal is not None and refusal.reason is RefusalReason.CONTRACT_NOT_ACTIVE
        ) and dataset not in provided
        if refusal is not None and not is_draft:
            refusals.append(_told(contract, passport, refusal))
    return tuple(refusals)


def told_once(findings: Sequence[Finding], refusals: Sequence[GateRefusal]) -> tuple[Finding, ...]:
    """Leave out what the linter says of contracts that the gate refuses with the same words."""
    told = {(str(refused.refusal.found), str(refused.refusal.expected)) for refused in refusals}
    return tuple(
        finding for finding in findings if (str(finding.found), str(finding.expected)) not in told
    )


def _told(contract: Contract, passport: Passport | None, refusal: Refusal) -> GateRefusal:
    """Name who has to act: the process's owner for its passport, the steward for the contract."""
    of_contract = {RefusalReason.CONTRACT_NOT_ACTIVE, RefusalReason.ANOTHER_PROCESS}
    if passport is None or refusal.reason in of_contract:
        agency, post = contract.owner, contract.steward
    else:
        agency, post = passport.agency, passport.owner
    return GateRefusal(
        dataset=contract.dataset,
        contract_version=contract.contract_version,
        process=contract.process,
        refusal=refusal,
        agency=agency,
        post=post,
    )


def new_ids(before: SchemaLock, after: SchemaLock) -> tuple[NewSchemaId, ...]:
    """Tell what a lock has that another has not, ascending."""
    return tuple(
        sorted(
            NewSchemaId(subject=subject, version=version, id=entry.id)
            for subject, versions in after.entries.items()
            for version, entry in versions.items()
            if before.get(subject, version) is None
        )
    )


def lock_path(region_file: Path, documents: Mapping[str, bytes]) -> Path:
    """Tell where a region's lock file lies."""
    source = read_sources({REGION_FILE: documents[REGION_FILE]}).region
    assert source is not None, "the region was parsed"
    return region_file.parent / source.written.contracts / PurePosixPath(LOCK_FILE).name
