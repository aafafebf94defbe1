"""Avro schemas as JSON has them: their parts, and what a type's name stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from bus.contracts.yaml_document import Path

Schema: TypeAlias = Any
"""A primitive's or a type's name, a list (union), or a dict with `type`: JSON, so untyped."""

PRIMITIVES: Final = frozenset(
    {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
)
NAMED: Final = frozenset({"record", "error", "enum", "fixed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One type inside a schema, and where it stands."""

    path: Path
    schema: Schema
    namespace: str
    """Namespace around it, in which its short names are to be read."""

    @property
    def kind(self) -> str:
        """Avro's type: `record`, `union`, `string`…, or the name that it refers to."""
        if isinstance(self.schema, list):
            return "union"
        if isinstance(self.schema, dict):
            kind = self.schema.get("type")
            return kind if isinstance(kind, str) else "nested"
        return str(self.schema)


def fullname(schema: Mapping[str, Any], namespace: str) -> str:
    """Tell the full name of a named type's definition.

    Args:
        schema: The definition.
        namespace: Namespace around it.
    """
    name = str(schema.get("name", ""))
    if "." in name:
        return name
    own = schema.get("namespace", namespace)
    return f"{own}.{name}" if own else name


def nodes(schema: Schema, path: Path = (), namespace: str = "") -> Iterator[Node]:
    """Walk a schema, each type before its parts; a reference to a name is not followed."""
    yield Node(path=path, schema=schema, namespace=namespace)
    for child in children(schema, path, namespace):
        yield from nodes(child.schema, child.path, child.namespace)


def children(schema: Schema, path: Path, namespace: str) -> Iterator[Node]:
    """Give the types that a type is made of, in the order written."""
    if isinstance(schema, list):
        for index, branch in enumerate(schema):
            yield Node(path=(*path, index), schema=branch, namespace=namespace)
    elif isinstance(schema, dict):
        kind = schema.get("type")
        if kind in NAMED:
            namespace = fullname(schema, namespace).rpartition(".")[0]
        if kind in {"record", "error"}:
            for index, field in enumerate(fields_of_record(schema)):
                where = (*path, "fields", index, "type")
                yield Node(path=where, schema=field.get("type"), namespace=namespace)
        elif kind in {"array", "map"}:
            part = "items" if kind == "array" else "values"
            yield Node(path=(*path, part), schema=schema.get(part), namespace=namespace)
        elif isinstance(kind, (dict, list)):
            yield Node(path=(*path, "type"), schema=kind, namespace=namespace)


def fields_of_record(schema: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Give a record's fields; those that are no maps are left out (fastavro reports them)."""
    fields = schema.get("fields", [])
    return (
        [field for field in fields if isinstance(field, dict)] if isinstance(fields, list) else []
    )


def definitions(schema: Schema) -> dict[str, Node]:
    """Find the named types that a schema defines, by full name."""
    return {
        fullname(node.schema, node.namespace): node
        for node in nodes(schema)
        if isinstance(node.schema, dict) and node.kind in NAMED
    }


def resolve(node: Node, names: Mapping[str, Node]) -> Node:
    """Follow a name to its definition, and unwrap `{"type": {...}}`; unknown names stay."""
    while node.kind == "nested":
        node = Node(path=(*node.path, "type"), schema=node.schema["type"], namespace=node.namespace)
    kind = node.kind
    if kind in PRIMITIVES or kind in NAMED or kind in {"array", "map", "union"}:
        return node
    full = kind if "." in kind or not node.namespace else f"{node.namespace}.{kind}"
    found = names.get(full, names.get(kind))
    return node if found is None else found


def is_nullable(schema: Schema) -> bool:
    """Tell whether a field's type is a union with null."""
    return isinstance(schema, list) and "null" in schema


def without_null(schema: Schema) -> Schema:
    """Give the type that a nullable type adds null to; other types stay."""
    if not is_nullable(schema):
        return schema
    rest = [branch for branch in schema if branch != "null"]
    return rest[0] if len(rest) == 1 else rest


def logical_type(node: Node) -> tuple[object, ...]:
    """Tell a type's logical type, with precision and scale where they matter."""
    if not isinstance(node.schema, dict):
        return (None,)
    schema = node.schema
    logical = schema.get("logicalType")
    if logical != "decimal":
        return (logical,)
    return (logical, schema.get("precision"), schema.get("scale", 0))


def describe(node: Node) -> str:
    """Name a type in a message: `decimal(10, 2)`, `date`, `enum Kind`, `string`."""
    logical = logical_type(node)
    if logical[0] == "decimal":
        return f"decimal({logical[1]}, {logical[2]})"
    if logical[0] is not None:
        return f"{logical[0]} on {node.kind}"
    if node.kind in NAMED:
        return f"{node.kind} {fullname(node.schema, node.namespace)}"
    return node.kind
