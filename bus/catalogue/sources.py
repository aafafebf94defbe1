"""Every document of a region, read one by one; what doesn't fit together is found elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from bus.catalogue.lock import EMPTY_LOCK, SchemaLock, parse_lock
from bus.catalogue.shapes import (
    AgencyShape,
    AgreementShape,
    DecisionsShape,
    KeyShape,
    PassportShape,
    RegionShape,
)
from bus.contracts.reading import CONTRACT_FILE, ContractSource, read_contract
from bus.contracts.yaml_document import YamlDocument, findings_of, read_json, read_yaml
from bus.errors import DocumentError, Finding
from bus.texts import finding_at

REGION_FILE: Final = "region.yaml"
LOCK_FILE: Final = "contracts/registry.lock.json"
_CONTRACTS: Final = "contracts"
_CONTRACTS_KEPT_MAX: Final = 1024
_DOCUMENTS_KEPT_MAX: Final = 8192

ShapeT = TypeVar("ShapeT", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Generic[ShapeT]):
    """One document: where its values stand, and what they are."""

    document: YamlDocument
    written: ShapeT


@dataclass(slots=True, kw_only=True)
class Sources:
    """What could be read, and what is wrong with the rest."""

    region: Source[RegionShape] | None = None
    agencies: list[Source[AgencyShape]] = field(default_factory=list)
    agreements: list[Source[AgreementShape]] = field(default_factory=list)
    decisions: list[Source[DecisionsShape]] = field(default_factory=list)
    passports: list[Source[PassportShape]] = field(default_factory=list)
    keys: list[Source[KeyShape]] = field(default_factory=list)
    contracts: list[ContractSource] = field(default_factory=list)
    lock: SchemaLock = EMPTY_LOCK
    lock_document: YamlDocument | None = None
    findings: list[Finding] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    """Folders in which a document couldn't be read: names that live there aren't all known."""


def read_sources(documents: Mapping[str, bytes]) -> Sources:
    """Read all documents of a region.

    Args:
        documents: Contents by path, as `bus.catalogue.documents.read_documents` gives them.
    """
    sources = Sources()
    if REGION_FILE in documents:
        sources.region = _read(sources, REGION_FILE, documents[REGION_FILE], RegionShape)
    else:
        _report(sources, REGION_FILE, "no such file", "a file region.yaml", "Write it.")
    sources.agencies = _read_folder(sources, documents, "agencies", "agency", AgencyShape)
    sources.agreements = _read_folder(sources, documents, "agreements", "agreement", AgreementShape)
    sources.decisions = _read_folder(sources, documents, "decisions", "file_stem", DecisionsShape)
    sources.passports = _read_folder(sources, documents, "passports", "process", PassportShape)
    sources.keys = _read_folder(sources, documents, "keys", "key_id", KeyShape)
    _read_contracts(sources, documents)
    _read_lock(sources, documents)
    _report_strangers(sources, documents)
    return sources


def _read(
    sources: Sources, path: str, content: bytes, shape: type[ShapeT]
) -> Source[ShapeT] | None:
    read = _read_once(path, content, shape)
    if isinstance(read, Source):
        return read
    sources.findings += read
    return None


@lru_cache(maxsize=_DOCUMENTS_KEPT_MAX)
def _read_once(
    path: str, content: bytes, shape: type[ShapeT]
) -> Source[ShapeT] | tuple[Finding, ...]:
    """Read a document once, for the reason given at `_read_contract`."""
    try:
        document = read_yaml(path, content)
    except DocumentError as error:
        return tuple(error.findings)
    try:
        return Source(document=document, written=shape.model_validate(document.value))
    except ValidationError as error:
        return tuple(findings_of(document, error, shape))


def _read_folder(
    sources: Sources,
    documents: Mapping[str, bytes],
    folder: str,
    name_member: str,
    shape: type[ShapeT],
) -> list[Source[ShapeT]]:
    """Read the YAML files of a folder; each is named by what it is about, so no code is twice."""
    read = []
    for path in sorted(documents):
        if PurePosixPath(path).parent.name != folder or not path.endswith(".yaml"):
            continue
        source = _read(sources, path, documents[path], shape)
        if source is None:
            sources.unreadable.add(folder)
            continue
        name = getattr(source.written, name_member)
        if path != f"{folder}/{name}.yaml":
            place = source.document.place((name_member,))
            values = {"name": name, "stem": PurePosixPath(path).stem}
            sources.findings.append(finding_at(place, "error.catalogue.file_name", **values))
        read.append(source)
    return read


def _read_contracts(sources: Sources, documents: Mapping[str, bytes]) -> None:
    for folder in contract_folders(documents):
        prefix = f"{folder}/"
        files = {
            path.removeprefix(prefix): content
            for path, content in documents.items()
            if path.startswith(prefix)
        }
        try:
            sources.contracts.append(_read_contract(folder, tuple(sorted(files.items()))))
        except DocumentError as error:
            sources.findings += error.findings
            sources.unreadable.add(_CONTRACTS)


@lru_cache(maxsize=_CONTRACTS_KEPT_MAX)
def _read_contract(folder: str, files: tuple[tuple[str, bytes], ...]) -> ContractSource:
    """Read a contract once: a catalogue changes in few of its documents, and is swapped live."""
    return read_contract(folder, dict(files))


def contract_folders(documents: Mapping[str, bytes]) -> list[str]:
    """Find the folders `contracts/<domain>/<entity>` in which any file stands, ascending."""
    parts = (PurePosixPath(path).parts for path in documents)
    return sorted({"/".join(p[:3]) for p in parts if p[0] == _CONTRACTS and len(p) > 3})  # noqa: PLR2004


def _read_lock(sources: Sources, documents: Mapping[str, bytes]) -> None:
    content = documents.get(LOCK_FILE)
    if content is None:
        return
    try:
        sources.lock_document = read_json(LOCK_FILE, content)
        sources.lock = parse_lock(sources.lock_document)
    except DocumentError as error:
        sources.findings += error.findings
        sources.unreadable.add(LOCK_FILE)


def _report_strangers(sources: Sources, documents: Mapping[str, bytes]) -> None:
    """Refuse documents that nothing reads: somebody believes that they do something."""
    folders = {"agencies", "agreements", "decisions", "passports", "keys"}
    for path in sorted(documents):
        top, _, rest = path.partition("/")
        known = (
            path in {REGION_FILE, LOCK_FILE}
            or (top in folders and rest.endswith(".yaml") and "/" not in rest)
            or (top == _CONTRACTS and rest.count("/") >= 2)  # noqa: PLR2004
        )
        if not known:
            names = {"region": REGION_FILE, "contract": CONTRACT_FILE}
            sources.findings.append(finding_at(path, "error.catalogue.stranger", **names))


def _report(sources: Sources, path: str, found: str, expected: str, remedy: str) -> None:
    sources.findings.append(Finding(path=path, found=found, expected=expected, remedy=remedy))
