"""One `.avsc` file: its content, its shape, and the line of each of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bus.contracts.schema_reader import read_shape
from bus.contracts.schema_shape import RecordShape
from bus.contracts.yaml_document import Path, YamlDocument, read_json
from bus.errors import DocumentError, Finding
from bus.texts import finding_at, message


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSource:
    """One `.avsc` as written."""

    document: YamlDocument
    schema: Mapping[str, Any]
    shape: RecordShape


def read_schema(file: str, content: bytes) -> SchemaSource:
    """Read one `.avsc`.

    Raises: DocumentError: not JSON, or a schema that the bus can't read.
    """
    document = read_json(file, content)
    if not isinstance(document.value, dict):
        finding = finding_at(document.place(()), "error.schema.no_map")
        raise DocumentError(message("error.document.unreadable", file=file), (finding,))
    try:
        shape = read_shape(document.value, where=file)
    except DocumentError as error:
        findings = [_with_line(document, finding) for finding in error.findings]
        raise DocumentError(message("error.document.unreadable", file=file), findings) from error
    return SchemaSource(document=document, schema=document.value, shape=shape)


def _with_line(document: YamlDocument, finding: Finding) -> Finding:
    """Add the line of the field that a finding names with dots."""
    dotted = finding.path.removeprefix(document.file).strip()
    path = field_place(document.value, dotted)
    place = f"{document.file}:{document.lines.get(path, 1)} {dotted}".rstrip()
    return Finding(
        path=place, found=finding.found, expected=finding.expected, remedy=finding.remedy
    )


def field_place(schema: object, dotted: str) -> Path:
    """Find where in an `.avsc` a field stands, as far as its records are written in place."""
    path: Path = ()
    for name in dotted.replace("[]", "").split("."):
        found = _field_inside(schema, path, name)
        if found is None:
            break
        path, schema = found
    return path


def _field_inside(schema: object, path: Path, name: str) -> tuple[Path, object] | None:
    if isinstance(schema, list):
        options = (_field_inside(item, (*path, i), name) for i, item in enumerate(schema))
        return next((option for option in options if option is not None), None)
    if not isinstance(schema, dict):
        return None
    if isinstance(schema.get("fields"), list):
        for index, field in enumerate(schema["fields"]):
            if isinstance(field, dict) and field.get("name") == name:
                return (*path, "fields", index), field
        return None
    parts = (_field_inside(schema.get(p), (*path, p), name) for p in ("type", "items", "values"))
    return next((part for part in parts if part is not None), None)
