"""Where a region's documents lie on disk: the only file reading of the catalogue."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from bus.catalogue.parties import SigningKey
from bus.catalogue.region import key_of
from bus.catalogue.sources import LOCK_FILE, REGION_FILE, Sources, read_sources
from bus.errors import DocumentError
from bus.model.identifiers import DatasetCode
from bus.texts import finding_at, message

_FOLDERS = ("agencies", "agreements", "passports")
_DECISIONS = "decisions"
_CONTRACT_MEMBER = re.compile(r"contract\.yaml|v[0-9]+\.avsc|.*\.csv")


def read_documents(region_file: Path, keys_dir: Path | None) -> dict[str, bytes]:
    """Collect everything that makes a region.

    Args:
        region_file: `region.yaml`; its folder holds agencies, agreements and passports, and its
            `contracts` says where the contracts and the schema lock are.
        keys_dir: Folder of the systems' public keys; `decisions` beside it holds what the sides of
            agreements decided, which those keys prove. None: neither is given.

    Returns: Contents by path: `region.yaml`, `agencies/…`, `agreements/…`, `passports/…`,
        `contracts/<domain>/<entity>/…`, `contracts/registry.lock.json`, `keys/…`, `decisions/…`.
    Raises: DocumentError: there is no region file, or it can't be read.
    """
    documents = {REGION_FILE: _content(region_file)}
    contracts = region_file.parent / _contracts_folder(documents[REGION_FILE])
    for folder in _FOLDERS:
        documents |= _yaml_files(region_file.parent / folder, folder)
    if keys_dir is not None:
        documents |= _yaml_files(keys_dir, "keys")
        documents |= _yaml_files(keys_dir.parent / _DECISIONS, _DECISIONS)
    documents |= _contract_files(contracts)
    lock = contracts / Path(LOCK_FILE).name
    if lock.exists():
        documents[LOCK_FILE] = lock.read_bytes()
    return documents


def proposed_documents(region_file: Path) -> dict[str, bytes]:
    """Collect contracts that are proposed beside the region and not part of it yet.

    Args:
        region_file: `region.yaml`; `proposed/<domain>/<entity>/` beside it holds each contract.

    Returns: Contents under the paths that they will have in the region,
        `contracts/<domain>/<entity>/…`: joined to its documents, they can be held against the gate.
    """
    return _contract_files(region_file.parent / "proposed")


def _contract_files(folder: Path) -> dict[str, bytes]:
    return {
        f"contracts/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.glob("*/*/*"))
        if _CONTRACT_MEMBER.fullmatch(path.name)
    }


def _content(region_file: Path) -> bytes:
    try:
        return region_file.read_bytes()
    except FileNotFoundError as error:
        finding = finding_at(str(region_file), "error.catalogue.no_region_file")
        raise DocumentError(message("error.catalogue.no_region"), (finding,)) from error


def _contracts_folder(content: bytes) -> str:
    sources: Sources = read_sources({REGION_FILE: content})
    if sources.region is None:
        raise DocumentError(message("error.catalogue.region_unreadable"), sources.findings)
    return sources.region.written.contracts


def _yaml_files(folder: Path, under: str) -> dict[str, bytes]:
    return {f"{under}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.yaml"))}


def mapping_path(region_file: Path, dataset: DatasetCode, name: str) -> Path:
    """Find `mapping.<name>.yaml` beside a dataset's contract.

    Raises: DocumentError: there is no such file; tells which there are.
    """
    documents = read_documents(region_file, None)
    sources = read_sources(documents)
    contracts = region_file.parent / _contracts_folder(documents[REGION_FILE])
    folders = [
        contracts / Path(source.document.file).parent.relative_to("contracts")
        for source in sources.contracts
        if source.contract.dataset == dataset
    ]
    found = sorted(path for folder in folders for path in folder.glob("mapping.*.yaml"))
    for path in found:
        if path.name == f"mapping.{name}.yaml":
            return path
    known = ", ".join(path.name.split(".")[1] for path in found)
    finding = finding_at(
        f"mapping {name} of {dataset}",
        "error.catalogue.unknown_mapping",
        known=known or message("error.catalogue.mapping_file"),
    )
    raise DocumentError(message("error.catalogue.no_mapping"), (finding,))


def parse_key(name: str, content: bytes) -> SigningKey:
    """Read a public key's document.

    Args:
        name: Of its file, `<key id>.yaml`.
        content: Its bytes.

    Raises:
        DocumentError: It is no such document.
    """
    sources = read_sources({f"keys/{name}": content})
    if not sources.keys:
        raise DocumentError(message("error.catalogue.key_unreadable", name=name), sources.findings)
    return key_of(sources.keys[0].written)


def render_key(key: SigningKey) -> bytes:
    """Write a public key as the document `keys/<key id>.yaml`."""
    lines = [
        f"key_id: {key.key_id}",
        f"system: {key.system}",
        f"algorithm: {key.algorithm}",
        f"public_key: {base64.b64encode(key.public_key).decode()}",
        f"valid_from: {key.valid_from.isoformat()}",
    ]
    if key.valid_to is not None:
        lines.append(f"valid_to: {key.valid_to.isoformat()}")
    if key.revoked_at is not None:
        lines.append(f"revoked_at: {key.revoked_at.isoformat()}")
    if key.is_delegated:
        lines.append("held_by: gateway")
    return ("\n".join(lines) + "\n").encode()
