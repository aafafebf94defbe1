"""An agreement's terms, drafted or changed, from the command to the document.

A document whose terms were changed is a draft again by itself: no approval fits it any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bus.catalogue.agreement import Agreement
from bus.catalogue.agreement_text import remarks_of, render_agreement
from bus.catalogue.documents import read_documents
from bus.catalogue.lint import lint
from bus.catalogue.region import parse_region
from bus.contracts.yaml_document import counted, read_yaml
from bus.errors import DocumentError
from bus.model.identifiers import SystemCode, is_code
from bus.process.replacing import replace_file
from bus.provision.agreement_decision import agreement_of
from bus.texts import message

Members = Mapping[str, object]
"""Of an agreement's document by name, as YAML has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTerms:
    """An agreement's document as it is now."""

    file: Path
    agreement: Agreement


def draft(region_file: Path, home: Path, agreement: str, members: Members) -> WrittenTerms:
    """Write a new agreement, which grants nothing until both sides approve it.

    Args:
        region_file: `region.yaml`; agreements lie beside it.
        home: Folder of the installation.
        agreement: Its id.
        members: All but `agreement` and `consumer`, which follows from `systems`.

    Raises:
        DocumentError: There is one of that id, or its terms make no sense; nothing is written.
    """
    documents = read_documents(region_file, home / "keys")
    path = f"agreements/{agreement}.yaml"
    if not is_code(agreement):
        raise DocumentError(message("error.agreement.no_code", agreement=agreement))
    if path in documents:
        raise DocumentError(message("error.agreement.drafted_already", agreement=agreement))
    consumer = _consumer_of(documents, members)
    content = render_agreement({"agreement": agreement, "consumer": consumer, **members})
    return _write(region_file, documents, agreement, content)


def change(region_file: Path, home: Path, agreement: str, members: Members) -> WrittenTerms:
    """Write other terms into an agreement; both sides' approvals of the former ones fall.

    Args:
        region_file: `region.yaml`.
        home: Folder of the installation.
        agreement: Its id.
        members: Those that are to be other; all else stays, comments above the first member too.

    Raises:
        DocumentError: There is no such agreement, it has ended, or its terms would make no sense.
    """
    documents = read_documents(region_file, home / "keys")
    known = agreement_of(parse_region(documents), agreement)
    if known.ending is not None:
        told = {"agreement": agreement, "at": known.ending.at}
        raise DocumentError(message("error.agreement.has_ended", **told))
    path = f"agreements/{agreement}.yaml"
    written = read_yaml(path, documents[path]).value
    assert isinstance(written, dict), "it was parsed"
    content = render_agreement({**written, **members}, remarks_of(documents[path]))
    return _write(region_file, documents, agreement, content)


def _consumer_of(documents: Mapping[str, bytes], members: Members) -> str:
    region, systems = parse_region(documents), members["systems"]
    assert isinstance(systems, list), "the command demands one"
    agency = region.agency_of(SystemCode(systems[0]))
    if agency is None:
        known = sorted(one.code for of in region.agencies.values() for one in of.systems)
        told = {"systems": systems[0], "known": ", ".join(known)}
        raise DocumentError(message("error.cli.no_such_system", **told))
    return agency.code


def _write(
    region_file: Path, documents: Mapping[str, bytes], agreement: str, content: bytes
) -> WrittenTerms:
    path = f"agreements/{agreement}.yaml"
    proposed = {**documents, path: content}
    findings = [one for one in lint(proposed) if one.path.startswith(path)]
    if findings:
        told = message("error.agreement.not_written", count=counted(findings))
        raise DocumentError(told, findings)
    file = region_file.parent / path
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, content)
    return WrittenTerms(file=file, agreement=agreement_of(parse_region(proposed), agreement))
