"""Read a parsed Avro schema into shapes, refusing what lets few bytes exhaust a worker.

Refused though Avro allows it: recursive types, arrays and maps whose items take no bytes, nesting
deeper than `DEPTH_MAX`, and types so reused that spelling them out takes more than `SHAPES_MAX`
shapes. A logical type that does not fit its base type is ignored, as Avro demands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from bus.contracts.scalar_shapes import LOGICAL, PRIMITIVES
from bus.contracts.schema_shape import (
    ArrayShape,
    BinaryShape,
    DecimalShape,
    EnumShape,
    FieldShape,
    MapShape,
    NullShape,
    RecordShape,
    Shape,
    UnionShape,
    depth_of,
    is_empty,
)
from bus.errors import DocumentError, Finding
from bus.texts import finding_at, message

DEPTH_MAX: Final = 16
"""Records, arrays and maps inside one another, the record at the top counted."""
SHAPES_MAX: Final = 2_000
"""Types of one schema, a reused one counted at each use."""
PRECISION_MAX: Final = 1_000
"""Digits of a decimal, the most that PostgreSQL keeps."""
BRANCHES_MAX: Final = 64
"""Branches of one union: their index is then always one byte."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMPLEX: Final = frozenset({"record", "array", "map", "enum", "fixed"})


def read_shape(schema: Mapping[str, object], *, where: str) -> RecordShape:
    """Resolve the schema of a dataset into shapes.

    Args:
        schema: Parsed `.avsc`, a record at the top.
        where: Name of the schema in findings, e.g. `educational-institutions v1`.

    Raises:
        DocumentError: with every finding: not Avro, an unknown name, or one of the dangers above.
    """
    reader = _Reader(where)
    shape = reader.read(schema, _Place())
    if isinstance(shape, RecordShape) and not reader.findings:
        reader.check_with_fastavro(schema)
        if not reader.findings:
            return shape
    elif not reader.findings:
        reader.find(_Place(), "error.schema.no_record", type=schema.get("type"))
    raise DocumentError(message("error.schema.unreadable", where=where), reader.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in the schema the reader is."""

    path: str = ""
    namespace: str = ""
    around: tuple[str, ...] = ()
    """Full names of the records, and `array` or `map`, that this place lies in."""


class _Reader:
    """Walks one schema; keeps its named types, its size and what is wrong with it."""

    def __init__(self, where: str) -> None:
        self.findings: list[Finding] = []
        self._where = where
        self._named: dict[str, tuple[Shape, int]] = {}
        self._size = 0
        self._is_size_told = False

    def find(self, place: _Place, key: str, **values: object) -> NullShape:
        """Note what is wrong; the shape given back only lets the walk go on."""
        path = f"{self._where} {place.path}".rstrip()
        self.findings.append(finding_at(path, key, **values))
        return NullShape()

    def read(self, schema: object, place: _Place) -> Shape:
        """Read one type at its place."""
        self._size += 1
        if self._size > SHAPES_MAX:
            return self._find_size(place)
        match schema:
            case str():
                return self._read_name(schema, place)
            case list():
                return self._read_union(schema, place)
            case dict():
                return self._read_object(schema, place)
            case _:
                return self._find_unknown(schema, place)

    def check_with_fastavro(self, schema: Mapping[str, object]) -> None:
        """Find what consumers' readers refuse besides: names, doubled names, symbols."""
        try:
            fastavro.parse_schema(dict(schema))
        except (SchemaParseException, UnknownType, ValueError, TypeError) as error:
            self.find(_Place(), "error.schema.not_avro", problem=error)

    def _read_name(self, name: str, place: _Place) -> Shape:
        if name in PRIMITIVES:
            return PRIMITIVES[name]
        full = name if "." in name or not place.namespace else f"{place.namespace}.{name}"
        if full in place.around:
            return self.find(place, "error.schema.recursion", name=full)
        if full not in self._named:
            return self.find(place, "error.schema.unknown_type", name=name)
        shape, size = self._named[full]
        self._size += size
        if self._size > SHAPES_MAX:
            return self._find_size(place)
        if len(place.around) + depth_of(shape) > DEPTH_MAX:
            return self._find_depth(place)
        return shape

    def _read_union(self, schemas: list[object], place: _Place) -> Shape:
        if not 1 <= len(schemas) <= BRANCHES_MAX:
            return self.find(
                place, "error.schema.branches", count=len(schemas), branches_max=BRANCHES_MAX
            )
        if any(isinstance(schema, list) for schema in schemas) or schemas.count("null") > 1:
            return self.find(place, "error.schema.union_in_union")
        return UnionShape(branches=tuple(self.read(schema, place) for schema in schemas))

    def _read_object(self, schema: Mapping[str, Any], place: _Place) -> Shape:
        match schema:
            case {"type": "record" | "array" | "map"} if len(place.around) >= DEPTH_MAX:
                return self._find_depth(place)
            case {"type": "record", "name": str(), "fields": [*fields]}:
                return self._read_record(schema, fields, place)
            case {"type": "array" as kind, "items": items}:
                return self._read_items(kind, items, place)
            case {"type": "map" as kind, "values": items}:
                return self._read_items(kind, items, place)
            case {"type": "enum", "name": str(), "symbols": [str(), *_] as symbols}:
                return self._name(schema, EnumShape(symbols=tuple(map(str, symbols))), place, 1)
            case {"type": "fixed", "name": str(), "size": int(size)} if size >= 0:
                decimal = self._read_decimal(schema, place, digits_max=_digits_of(size))
                shape = BinaryShape(size_bytes=size, decimal=decimal)
                return self._name(schema, shape, place, 1)
            case {"type": str(base)} if base in PRIMITIVES:
                return self._read_primitive(schema, base, place)
            case {"type": dict() | list() as inner}:
                return self.read(inner, place)
            case {"type": str(name)} if name not in _COMPLEX:
                return self._read_name(name, place)
            case _:
                return self._find_unknown(schema, place)

    def _read_record(self, schema: Mapping[str, Any], fields: list[Any], place: _Place) -> Shape:
        full = _full_name(schema, place)
        if not all(map(_is_field, fields)):
            return self.find(place, "error.schema.no_field")
        names = [field["name"] for field in fields]
        if len(set(names)) < len(names):
            return self.find(place, "error.schema.doubled_field")
        size_before = self._size
        inside = replace(place, namespace=full.rpartition(".")[0], around=(*place.around, full))
        shape = RecordShape(
            fields=tuple(
                FieldShape(
                    name=name,
                    shape=self.read(
                        field["type"], replace(inside, path=f"{place.path}.{name}".lstrip("."))
                    ),
                )
                for name, field in zip(names, fields, strict=True)
            )
        )
        return self._name(schema, shape, place, self._size - size_before)

    def _read_items(self, kind: str, schema: object, place: _Place) -> Shape:
        known = len(self.findings)
        inside = replace(place, path=f"{place.path}[]", around=(*place.around, kind))
        items = self.read(schema, inside)
        if is_empty(items) and len(self.findings) == known:
            return self.find(place, "error.schema.empty_items", kind=kind)
        return ArrayShape(items=items) if kind == "array" else MapShape(values=items)

    def _read_primitive(self, schema: Mapping[str, Any], base: str, place: _Place) -> Shape:
        if base == "bytes":
            return BinaryShape(size_bytes=None, decimal=self._read_decimal(schema, place))
        return LOGICAL.get((base, str(schema.get("logicalType"))), PRIMITIVES[base])

    def _read_decimal(
        self, schema: Mapping[str, Any], place: _Place, *, digits_max: int = PRECISION_MAX
    ) -> DecimalShape | None:
        if schema.get("logicalType") != "decimal":
            return None
        match schema:
            case {"precision": int(precision)} if 0 < precision <= digits_max:
                scale = schema.get("scale", 0)
                if isinstance(scale, int) and 0 <= scale <= precision:
                    return DecimalShape(precision=precision, scale=scale)
        self.find(
            place,
            "error.schema.decimal",
            precision=schema.get("precision"),
            scale=schema.get("scale", 0),
            digits_max=digits_max,
        )
        return None

    def _name(self, schema: Mapping[str, Any], shape: Shape, place: _Place, size: int) -> Shape:
        self._named[_full_name(schema, place)] = (shape, size)
        return shape

    def _find_depth(self, place: _Place) -> NullShape:
        return self.find(place, "error.schema.depth", depth_max=DEPTH_MAX)

    def _find_size(self, place: _Place) -> NullShape:
        if self._is_size_told:
            return NullShape()
        self._is_size_told = True
        return self.find(place, "error.schema.size", shapes_max=SHAPES_MAX)

    def _find_unknown(self, schema: object, place: _Place) -> NullShape:
        return self.find(place, "error.schema.no_type", schema=schema)


def _digits_of(size_bytes: int) -> int:
    """Tell how many decimal digits a fixed can hold, whichever they are."""
    largest = 2 ** (8 * min(size_bytes, PRECISION_MAX) - 1) if size_bytes else 1
    return min(PRECISION_MAX, len(str(largest)) - 1)


def _full_name(schema: Mapping[str, Any], place: _Place) -> str:
    name = str(schema["name"])
    namespace = schema.get("namespace", place.namespace)
    return f"{namespace}.{name}" if namespace and "." not in name else name


def _is_field(field: object) -> bool:
    """Tell a field whose name is Avro's: it stands in generated code, so nothing else may pass."""
    if not isinstance(field, dict) or "type" not in field:
        return False
    name = field.get("name")
    return isinstance(name, str) and _NAME.fullmatch(name) is not None
