"""What changed between two schema versions of a contract, for people and for tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bus.contracts.avro_types import (
    Node,
    children,
    definitions,
    describe,
    fields_of_record,
    resolve,
)
from bus.contracts.contract import Compatibility, SchemaVersion
from bus.contracts.evolution import Break, Direction, breaks_between


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field of another type than before."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two schema versions held against each other."""

    older: int
    newer: int
    added: Mapping[str, str]
    """Path → type."""
    removed: Mapping[str, str]
    changed: tuple[FieldChange, ...]
    rules_added: tuple[str, ...]
    """Ids, in the contract's order."""
    rules_removed: tuple[str, ...]
    backward: tuple[Break, ...]
    """Why the newer can't read what the older wrote; empty: it can."""
    forward: tuple[Break, ...]
    """Why the older can't read what the newer writes; empty: it can."""

    @property
    def compatible(self) -> str:
        """Name what holds between the two, as a contract's `bus.compatibility` does."""
        if self.backward:
            return "NONE" if self.forward else "FORWARD"
        return "BACKWARD" if self.forward else "FULL"


def difference(older: SchemaVersion, newer: SchemaVersion) -> Difference:
    """Tell everything that differs between two versions, the lower number first."""
    before, after = field_types(older.schema), field_types(newer.schema)
    old_rules, new_rules = ([rule.id for rule in version.rules] for version in (older, newer))
    return Difference(
        older=older.number,
        newer=newer.number,
        added={path: type_ for path, type_ in after.items() if path not in before},
        removed={path: type_ for path, type_ in before.items() if path not in after},
        changed=tuple(
            FieldChange(path=path, before=before[path], after=type_)
            for path, type_ in after.items()
            if path in before and before[path] != type_
        ),
        rules_added=tuple(rule for rule in new_rules if rule not in old_rules),
        rules_removed=tuple(rule for rule in old_rules if rule not in new_rules),
        backward=tuple(breaks_between(older, newer, Direction.BACKWARD)),
        forward=tuple(breaks_between(older, newer, Direction.FORWARD)),
    )


def promised_breaks(found: Difference, compatibility: Compatibility) -> tuple[Break, ...]:
    """Pick the breaks that a contract promised not to have."""
    level = compatibility.removesuffix("_TRANSITIVE")
    backward = found.backward if level in {"BACKWARD", "FULL"} else ()
    return backward + (found.forward if level in {"FORWARD", "FULL"} else ())


def field_types(schema: Mapping[str, object]) -> dict[str, str]:
    """Name the type of each field, dotted where it stands inside another, in the schema's order."""
    names = definitions(schema)
    found: dict[str, str] = {}

    def visit(node: Node, prefix: str) -> None:
        for field, child in zip(
            fields_of_record(node.schema),
            children(node.schema, node.path, node.namespace),
            strict=True,
        ):
            path = f"{prefix}{field['name']}"
            found[path] = _type(child, names)
            for record in _records_in(child, names):
                visit(record, f"{path}.")

    visit(Node(path=(), schema=schema, namespace=""), "")
    return found


def _type(node: Node, names: Mapping[str, Node]) -> str:
    node = resolve(node, names)
    if node.kind == "union":
        parts = [_type(part, names) for part in children(node.schema, node.path, node.namespace)]
        return " or ".join(sorted(parts, key=lambda part: part == "null"))
    if node.kind in {"array", "map"}:
        (item,) = children(node.schema, node.path, node.namespace)
        return f"{node.kind} of {_type(item, names)}"
    if node.kind == "enum":
        return f"{describe(node)} ({', '.join(node.schema['symbols'])})"
    if node.kind == "fixed":
        return f"{describe(node)} ({node.schema['size']} bytes)"
    return describe(node)


def _records_in(node: Node, names: Mapping[str, Node]) -> list[Node]:
    """Find the records whose fields are parts of this field."""
    node = resolve(node, names)
    if node.kind in {"record", "error"}:
        return [node]
    if node.kind in {"union", "array", "map"}:
        parts = children(node.schema, node.path, node.namespace)
        return [record for part in parts for record in _records_in(part, names)]
    return []
