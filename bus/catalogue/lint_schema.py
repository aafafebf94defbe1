"""What is wrong with an `.avsc` that Avro itself would let pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bus.contracts.avro_types import (
    NAMED,
    PRIMITIVES,
    Node,
    fields_of_record,
    is_nullable,
    nodes,
)
from bus.contracts.schema_file import SchemaSource
from bus.contracts.yaml_document import Path, did_you_mean, some_of
from bus.errors import Finding
from bus.texts import finding_at, message

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BASES: Final[Mapping[str, frozenset[str]]] = {
    "decimal": frozenset({"bytes", "fixed"}),
    "uuid": frozenset({"string"}),
    "date": frozenset({"int"}),
    "time-millis": frozenset({"int"}),
    "time-micros": frozenset({"long"}),
    "timestamp-millis": frozenset({"long"}),
    "timestamp-micros": frozenset({"long"}),
    "timestamp-nanos": frozenset({"long"}),
    "local-timestamp-millis": frozenset({"long"}),
    "local-timestamp-micros": frozenset({"long"}),
    "local-timestamp-nanos": frozenset({"long"}),
}
"""Logical type → the types on which Avro honours it; elsewhere it is silently ignored."""


def schema_findings(source: SchemaSource) -> list[Finding]:
    """Find names that Avro forbids, logical types that it ignores, and missing defaults."""
    findings = [
        finding_at(source.document.place(path), f"error.schema.{case}", **values)
        for node in nodes(source.schema)
        for path, case, values in _problems(node)
    ]
    if "namespace" not in source.schema and "." not in str(source.schema["name"]):
        findings.append(finding_at(source.document.place(()), "error.schema.no_namespace"))
    return findings


_Problem = tuple[Path, str, Mapping[str, object]]
"""Where, the case of `error.schema`, what is put into its texts."""


def _problems(node: Node) -> Iterator[_Problem]:
    if not isinstance(node.schema, dict):
        return
    if node.kind in NAMED:
        yield from _name_problems(node)
    yield from _logical_type_problems(node)
    if node.kind == "record":
        for index, field in enumerate(fields_of_record(node.schema)):
            yield from _field_problems((*node.path, "fields", index), field)


def _name_problems(node: Node) -> Iterator[_Problem]:
    names: list[tuple[Path, str]] = [((*node.path, "name"), str(node.schema["name"]))]
    if "namespace" in node.schema:
        names.append(((*node.path, "namespace"), str(node.schema["namespace"])))
    for path, name in names:
        if not all(_NAME.fullmatch(part) for part in name.split(".")):
            yield path, "unfit_name", {"name": name}


def _logical_type_problems(node: Node) -> Iterator[_Problem]:
    logical = node.schema.get("logicalType")
    if logical is None:
        return
    path = (*node.path, "logicalType")
    bases = _BASES.get(logical)
    if bases is None:
        near = did_you_mean(str(logical), _BASES)
        remove = message("error.schema.remove_ignored")
        remedy = message("error.document.did_you_mean", name=near) if near else remove
        values = {"logical": logical, "known": some_of(_BASES), "remedy": remedy}
        yield path, "unknown_logical_type", values
    elif node.kind not in bases:
        values = {"logical": logical, "kind": node.kind, "known": some_of(bases)}
        yield path, "ignored_logical_type", values


def _field_problems(path: Path, field: Mapping[str, Any]) -> Iterator[_Problem]:
    name = str(field.get("name"))
    if not _NAME.fullmatch(name):
        yield (*path, "name"), "unfit_name", {"name": name}
    if "logicalType" in field:
        yield (*path, "logicalType"), "misplaced_logical_type", {"name": name}
    schema = field.get("type")
    if is_nullable(schema) and "default" not in field:
        yield path, "no_default", {"name": name}
    elif (
        isinstance(schema, list) and "default" in field and not _suits(field["default"], schema[0])
    ):
        yield (*path, "default"), "unfit_default", {"default": field["default"]}


def _suits(default: object, schema: object) -> bool:
    """Tell whether a default can be one of the type; of named types only the form is looked at."""
    if isinstance(schema, dict):
        return _suits(default, schema.get("type"))
    kind = str(schema)
    if kind in {"record", "map"}:
        return isinstance(default, dict)
    if kind == "array":
        return isinstance(default, list)
    if kind not in PRIMITIVES:
        return True
    if kind in {"int", "long", "float", "double"}:
        whole = (int,) if kind in {"int", "long"} else (int, float)
        return isinstance(default, whole) and not isinstance(default, bool)
    return isinstance(default, _DEFAULTS[kind])


_DEFAULTS: Final[Mapping[str, type]] = {
    "null": type(None),
    "boolean": bool,
    "string": str,
    "bytes": str,
}
