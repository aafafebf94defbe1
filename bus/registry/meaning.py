"""When two Avro schemas are one: what decides bytes and reading, whatever the spelling. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from bus.contracts.avro_types import NAMED, PRIMITIVES, Schema, fields_of_record, fullname
from bus.contracts.schema_reader import read_shape
from bus.errors import DocumentError
from bus.registry.refused import INVALID_SCHEMA, Refused

_SILENT: Final = frozenset({"doc", "order", "avro.java.string"})
"""Says something to people, to sorting, or to Java's code generator; no byte depends on it."""
_NAMES: Final = frozenset({"name", "namespace"})


def meaning(schema: Schema, namespace: str = "") -> Any:  # noqa: ANN401 - JSON
    """Write a schema in one form: full names, no descriptions, nothing wrapped twice.

    Args:
        schema: Parsed; need not be valid.
        namespace: Around it.
    """
    if isinstance(schema, list):
        return [meaning(branch, namespace) for branch in schema]
    if isinstance(schema, str):
        alone = schema in PRIMITIVES or "." in schema or not namespace
        return schema if alone else f"{namespace}.{schema}"
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    told = {name: part for name, part in schema.items() if name not in _SILENT}
    if kind in NAMED:
        full = fullname(schema, namespace)
        told = {name: part for name, part in told.items() if name not in _NAMES}
        told["name"] = full
        if kind in {"record", "error"}:
            told["fields"] = [
                _field(one, full.rpartition(".")[0]) for one in fields_of_record(told)
            ]
        return told
    if kind in {"array", "map"}:
        part = "items" if kind == "array" else "values"
        return {**told, part: meaning(schema.get(part), namespace)}
    inner = meaning(kind, namespace)
    return inner if set(told) == {"type"} else {**told, "type": inner}


def _field(field: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    told = {name: part for name, part in field.items() if name not in _SILENT}
    return {**told, "type": meaning(field.get("type"), namespace)}


def read_candidate(body: bytes) -> Mapping[str, object]:
    """Read the schema that a request hands in: `{"schema": "<Avro as JSON>"}`.

    Other members of the body (`metadata`, `ruleSet`, `id`…) are taken and mean nothing here.

    Raises:
        Refused: It is no Avro record that the bus can read.
    """
    try:
        content = json.loads(body)
        if not isinstance(content, dict) or not isinstance(content.get("schema"), str):
            raise _invalid("the body has no member 'schema' that is a text")
        if content.get("schemaType") not in {None, "AVRO"} or content.get("references"):
            raise _invalid("only Avro schemas without references are kept here")
        schema = json.loads(content["schema"])
        if not isinstance(schema, dict):
            raise _invalid("the schema is no record")
        read_shape(schema, where="schema")
    except (ValueError, RecursionError) as problem:
        raise _invalid("body and schema must be JSON") from problem
    except DocumentError as problem:
        raise _invalid("; ".join(map(str, problem.findings)) or str(problem)) from problem
    return schema


def _invalid(why: str) -> Refused:
    return Refused(INVALID_SCHEMA, f"Invalid schema: {why}")
