"""A side's decision on an agreement, from the command to the document."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from bus.catalogue.agreement import Agreement
from bus.catalogue.documents import read_documents
from bus.catalogue.lint import lint
from bus.catalogue.region import parse_region
from bus.contracts.yaml_document import counted, some_of
from bus.errors import DocumentError
from bus.process.replacing import replace_file
from bus.texts import message

Edit: TypeAlias = Callable[[str, bytes, Agreement], bytes]
"""(path of the document, its bytes, what they say) → its bytes with the decision."""


def write_decision(
    region_file: Path, keys_dir: Path, agreement: str, edit: Edit
) -> tuple[Path, Agreement]:
    """Write a decision into an agreement's document, which is replaced only when it is sound then.

    Args:
        region_file: `region.yaml`; agreements lie beside it.
        keys_dir: Folder of the systems' public keys.
        agreement: Its id.
        edit: Adds the decision.

    Returns: The file, and what it says now.

    Raises:
        DocumentError: There is no such agreement, the decision can't be added, or makes no sense.
    """
    documents = read_documents(region_file, keys_dir)
    known = {one.id: one for one in parse_region(documents).agreements}
    if agreement not in known:
        names = some_of(known)
        raise DocumentError(message("error.agreement.no_such", agreement=agreement, known=names))
    path = f"agreements/{agreement}.yaml"
    decided = {**documents, path: edit(path, documents[path], known[agreement])}
    findings = [one for one in lint(decided) if one.path.startswith(path)]
    if findings:
        told = message("error.agreement.not_decided", count=counted(findings))
        raise DocumentError(told, findings)
    file = region_file.parent / path
    replace_file(file, decided[path])
    (written,) = [one for one in parse_region(decided).agreements if one.id == agreement]
    return file, written
