"""An Avro schema as a tree of shapes: names resolved, logical types turned into limits.

`bus.contracts.schema_reader` builds the tree. The compiler walks it to write a decoder
(`bus.contracts.avro_source`), the fault finder to explain bad bytes (`bus.contracts.avro_fault`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import TypeAlias


@unique
class Resolution(IntEnum):
    """How many of its units a day or moment has in one day."""

    DAY = 1
    MILLISECOND = 86_400_000
    MICROSECOND = 86_400_000_000
    NANOSECOND = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class NullShape:
    """No bytes."""


@dataclass(frozen=True, slots=True)
class BooleanShape:
    """One byte, 0 or 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerShape:
    """Avro int or long, with the limits that its type or logical type sets."""

    bits: int
    """32 or 64."""
    minimum: int
    maximum: int
    resolution: Resolution | None = None
    """Of a day or moment, counted from 1970; None for any other number."""
    is_local: bool = False
    """A moment without a time zone."""
    is_time_of_day: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatShape:
    """Avro float or double; NaN and infinities are refused."""

    size_bytes: int
    """4 or 8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextShape:
    """UTF-8 without NUL."""

    is_uuid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DecimalShape:
    """What a decimal adds to bytes: at most `precision` digits, `scale` of them after the point."""

    precision: int
    scale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryShape:
    """Avro bytes or fixed."""

    size_bytes: int | None
    """Of a fixed; None: as many as the value says."""
    decimal: DecimalShape | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumShape:
    """One of a list of symbols."""

    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayShape:
    """Items of one shape, each at least one byte."""

    items: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class MapShape:
    """Items of one shape under text keys, each at least one byte beside its key."""

    values: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class UnionShape:
    """One of several shapes, null among them or not."""

    branches: tuple[Shape, ...]

    @property
    def given(self) -> Shape | None:
        """The shape of a given value, where null is the only other branch or there is none."""
        rest = [branch for branch in self.branches if not isinstance(branch, NullShape)]
        return rest[0] if len(rest) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldShape:
    """One field of a record."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordShape:
    """Fields one after the other."""

    fields: tuple[FieldShape, ...]


Shape: TypeAlias = (
    NullShape
    | BooleanShape
    | IntegerShape
    | FloatShape
    | TextShape
    | BinaryShape
    | EnumShape
    | ArrayShape
    | MapShape
    | UnionShape
    | RecordShape
)


def count_optional(shape: RecordShape) -> int:
    """Count the top-level fields that may be null, or be something else."""
    return sum(
        isinstance(field.shape, UnionShape)
        and any(isinstance(branch, NullShape) for branch in field.shape.branches)
        for field in shape.fields
    )


def field_paths(shape: RecordShape) -> frozenset[str]:
    """Tell every path that a rule may name: fields, and with dots those of records inside."""
    paths: set[str] = set()
    for field in shape.fields:
        paths.add(field.name)
        inner = field.shape.given if isinstance(field.shape, UnionShape) else field.shape
        if isinstance(inner, RecordShape):
            paths.update(f"{field.name}.{path}" for path in field_paths(inner))
    return frozenset(paths)


def is_empty(shape: Shape) -> bool:
    """Tell whether a value of this shape takes no bytes."""
    match shape:
        case NullShape():
            return True
        case BinaryShape():
            return shape.size_bytes == 0
        case RecordShape():
            return all(is_empty(field.shape) for field in shape.fields)
        case _:
            return False


def depth_of(shape: Shape) -> int:
    """Count the records, arrays and maps inside one another, this shape included."""
    match shape:
        case RecordShape():
            return 1 + max((depth_of(field.shape) for field in shape.fields), default=0)
        case ArrayShape():
            return 1 + depth_of(shape.items)
        case MapShape():
            return 1 + depth_of(shape.values)
        case UnionShape():
            return max(map(depth_of, shape.branches))
        case _:
            return 0
