"""What a schema expects of each field that a table is to fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final, cast

from bus.contracts.schema_reader import read_shape
from bus.contracts.schema_shape import Shape
from bus.errors import Words
from bus.texts import message


@unique
class TargetType(StrEnum):
    """Types of Avro that one cell can fill; the Python values stand beside them."""

    STRING = "string"
    """str"""
    BOOLEAN = "boolean"
    """bool"""
    INT = "int"
    """int of 32 bits"""
    LONG = "long"
    """int of 64 bits"""
    FLOAT = "float"
    """float"""
    DOUBLE = "double"
    """float"""
    ENUM = "enum"
    """str, one of the symbols"""
    DECIMAL = "decimal"
    """Decimal, of the digits that the schema states"""
    DATE = "date"
    """date"""
    TIMESTAMP_MILLIS = "timestamp-millis"
    """datetime with a time zone"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One field of a record schema."""

    name: str
    type: TargetType | None
    """None: no single cell can fill it (a record, a list, bytes, several types at once)."""
    shape: Shape | None = None
    """What a JSON value must be that fills it whole; None: it has a type, or no JSON comes."""
    described: Words
    """The type in words, for messages."""
    nullable: bool
    has_default: bool
    symbols: tuple[str, ...] = ()
    """Of an enum."""
    precision: int = 0
    """Of a decimal: digits at most."""
    scale: int = 0
    """Of a decimal: digits after the point at most."""

    @property
    def required(self) -> bool:
        """Tell whether a record can't do without this field having a source."""
        return not self.nullable and not self.has_default


_PRIMITIVES: Final = frozenset({"string", "boolean", "int", "long", "float", "double"})
_LOGICAL: Final[Mapping[tuple[str, str], TargetType]] = MappingProxyType(
    {
        ("int", "date"): TargetType.DATE,
        ("long", "timestamp-millis"): TargetType.TIMESTAMP_MILLIS,
        ("string", "uuid"): TargetType.STRING,
        ("bytes", "decimal"): TargetType.DECIMAL,
        ("fixed", "decimal"): TargetType.DECIMAL,
    }
)


def targets_of(schema: Mapping[str, object], *, json: bool = False) -> dict[str, Target]:
    """Tell the fields of a record schema, in its order.

    Args:
        schema: A parsed `.avsc` with a record at the top.
        json: Cells may hold JSON values, which fill the fields that no single cell can.

    Raises: DocumentError: `json`, and the bus can't read this schema.
    """
    shapes: dict[str, Shape] = {}
    if json:
        top = read_shape(schema, where=str(schema["name"]))
        shapes = {field.name: field.shape for field in top.fields}
    enums: dict[str, Mapping[str, object]] = {}
    namespace = str(schema.get("namespace", ""))
    fields = cast("list[Mapping[str, object]]", schema["fields"])
    return {str(field["name"]): _target(field, enums, namespace, shapes) for field in fields}


def _target(
    field: Mapping[str, object],
    enums: dict[str, Mapping[str, object]],
    namespace: str,
    shapes: Mapping[str, Shape],
) -> Target:
    name, declared = str(field["name"]), field["type"]
    branches = declared if isinstance(declared, list) else [declared]
    filled = [branch for branch in branches if branch != "null"]
    kind: TargetType | None = None
    branch: object = None
    described: Words = message("error.tables.several_types")
    if len(filled) == 1:
        described = _described(filled[0])
    if len(filled) == 1:
        branch = _known(filled[0], enums, namespace)
        kind = _type_of(branch)
    details = branch if isinstance(branch, Mapping) else {}
    return Target(
        name=name,
        type=kind,
        shape=shapes.get(name) if kind is None else None,
        described=described,
        nullable=len(filled) < len(branches),
        has_default="default" in field,
        symbols=tuple(cast("list[str]", details.get("symbols", ()))),
        precision=int(details.get("precision", 0)),
        scale=int(details.get("scale", 0)),
    )


def _known(branch: object, enums: dict[str, Mapping[str, object]], namespace: str) -> object:
    """Note an enum under its names, or put the enum in place of a name noted before."""
    if isinstance(branch, Mapping) and branch.get("type") == "enum":
        name = str(branch["name"])
        space = str(branch.get("namespace", namespace))
        enums[name.rpartition(".")[2]] = branch
        enums[name if "." in name or not space else f"{space}.{name}"] = branch
    return enums.get(branch, branch) if isinstance(branch, str) else branch


def _type_of(branch: object) -> TargetType | None:
    if isinstance(branch, str):
        return TargetType(branch) if branch in _PRIMITIVES else None
    if not isinstance(branch, Mapping):
        return None
    base = str(branch.get("type"))
    logical = branch.get("logicalType")
    if logical is not None:
        # Why: an unknown logical type gives other values than its base; none is guessed.
        return _LOGICAL.get((base, str(logical)))
    if base == "enum":
        return TargetType.ENUM
    return TargetType(base) if base in _PRIMITIVES else None


def _described(branch: object) -> str:
    if not isinstance(branch, Mapping):
        return str(branch)
    return str(branch.get("logicalType") or branch.get("type"))
