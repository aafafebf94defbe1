"""Publishing contracts: every check, then an id for every schema in the lock file.

The lock is a file in git, so what was published travels like any other change: by review.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from secrets import token_hex

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


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRefusal:
    """A contract that may not come into force, and who has to act."""

    dataset: DatasetCode
    refusal: Refusal
    agency: AgencyCode
    post: str | None
    """Who in the agency, where a document says so."""

    def __str__(self) -> str:
        who = self.agency if self.post is None else f"{self.agency}, {self.post}"
        return f"{self.dataset}: {self.refusal} To act: {who}."


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
    publication = Publication(
        findings=lint({**documents, LOCK_FILE: render(lock)}),
        refusals=gate_refusals(region),
        new_ids=new_ids(region.lock, lock),
    )
    if publication.is_refused:
        return Publication(findings=publication.findings, refusals=publication.refusals, new_ids=())
    if publication.new_ids:
        _replace(lock_path(region_file, documents), render(lock))
    return publication


def gate_refusals(region: Region) -> tuple[GateRefusal, ...]:
    """Find contracts that records would flow under without the right to, by dataset.

    A contract that no system provides yet may be a draft; by `provides` it comes into force.
    """
    provided = {dataset for agency in region.agencies.values() for dataset in agency.provides}
    refusals = []
    for dataset in sorted(provided):
        contract = region.contracts[dataset]
        passport = region.passports.get(contract.process)
        refusal = may_publish(contract, passport)
        if refusal is not None:
            refusals.append(_told(contract, passport, refusal))
    return tuple(refusals)


def _told(contract: Contract, passport: Passport | None, refusal: Refusal) -> GateRefusal:
    """Name who has to act: the process's agency for its passport, the steward for the contract."""
    of_contract = {RefusalReason.CONTRACT_NOT_ACTIVE, RefusalReason.ANOTHER_PROCESS}
    if passport is None or refusal.reason in of_contract:
        return GateRefusal(
            dataset=contract.dataset,
            refusal=refusal,
            agency=contract.owner,
            post=contract.steward,
        )
    return GateRefusal(dataset=contract.dataset, refusal=refusal, agency=passport.agency, post=None)


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


def _replace(path: Path, content: bytes) -> None:
    """Replace a file at once: a reader finds the old lock or the new one."""
    draft = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
