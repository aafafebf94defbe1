"""Fields as rules see them: where a path leads, and limits turned into the field's own unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from bus.contracts.rules import Limit
from bus.contracts.schema_shape import (
    BinaryShape,
    BooleanShape,
    EnumShape,
    FloatShape,
    IntegerShape,
    NullShape,
    RecordShape,
    Resolution,
    Shape,
    TextShape,
    UnionShape,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1)
_MICROSECONDS_PER_S: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldValue:
    """A field, and the local variable that holds its decoded value."""

    path: str
    shape: Shape
    """Without null: of a given value."""
    is_nullable: bool
    """It, or a record around it, may be null."""
    local: str


def follow(record: RecordShape, path: str) -> tuple[Shape, bool] | None:
    """Follow a dotted path through records and nullable records.

    Returns: the shape of a given value and whether it may be null, or None: no such field.
    """
    name, _, rest = path.partition(".")
    shape = next((field.shape for field in record.fields if field.name == name), None)
    if shape is None:
        return None
    is_nullable = isinstance(shape, NullShape)
    if isinstance(shape, UnionShape):
        is_nullable = any(isinstance(branch, NullShape) for branch in shape.branches)
        shape = shape.given or shape
    if not rest:
        return shape, is_nullable
    inner = follow(shape, rest) if isinstance(shape, RecordShape) else None
    return None if inner is None else (inner[0], inner[1] or is_nullable)


def lower_limit(shape: Shape, limit: Limit) -> int | float | None:
    """Turn a minimum into the field's unit, rounded up; None: it can't limit such a field."""
    exact = _in_unit(shape, limit)
    return exact if exact is None or isinstance(exact, float) else math.ceil(exact)


def upper_limit(shape: Shape, limit: Limit) -> int | float | None:
    """Turn a maximum into the field's unit, rounded down; a day includes all its moments."""
    exact = _in_unit(shape, limit)
    if exact is None or isinstance(exact, float):
        return exact
    if isinstance(shape, IntegerShape) and shape.resolution and not isinstance(limit, datetime):
        return math.floor(exact) + shape.resolution - 1
    return math.floor(exact)


def _in_unit(shape: Shape, limit: Limit) -> Fraction | float | None:
    match shape, limit:
        case IntegerShape(resolution=Resolution() as resolution, is_local=is_local), datetime():
            if is_local or resolution is Resolution.DAY:
                return None
            since = limit - _EPOCH
            seconds = Fraction(since.days * 86_400 + since.seconds)
            seconds += Fraction(since.microseconds, _MICROSECONDS_PER_S)
            return seconds * resolution / 86_400
        case IntegerShape(resolution=Resolution() as resolution), date():
            return Fraction((limit - _EPOCH_DAY).days * resolution)
        case IntegerShape(resolution=None), int() | Decimal():
            return Fraction(limit)
        case BinaryShape(decimal=decimal), int() | Decimal() if decimal is not None:
            return Fraction(limit) * int(10**decimal.scale)
        case FloatShape(), int() | Decimal():
            return float(limit)
        case _:
            return None


def common_factors(left: Shape, right: Shape) -> tuple[int, int] | None:
    """Tell what two fields are multiplied by to be compared exactly; None: they can't be.

    Days count as their first moment (UTC). A moment with a time zone and one without do not
    compare, nor do a binary float and a decimal.
    """
    match left, right:
        case (TextShape() | EnumShape(), TextShape() | EnumShape()) | (
            BooleanShape(),
            BooleanShape(),
        ):
            return 1, 1
        case (
            IntegerShape(resolution=Resolution() as first),
            IntegerShape(resolution=Resolution() as second),
        ):
            if Resolution.DAY not in (first, second) and left.is_local != right.is_local:
                return None
            finest = max(first, second)
            return finest // first, finest // second
        case (
            IntegerShape(resolution=None) | FloatShape(),
            IntegerShape(resolution=None) | FloatShape(),
        ):
            return 1, 1
        case _:
            first_scale, second_scale = _scale(left), _scale(right)
            if first_scale is None or second_scale is None:
                return None
            finest_scale = max(first_scale, second_scale)
            return 10 ** (finest_scale - first_scale), 10 ** (finest_scale - second_scale)


def _scale(shape: Shape) -> int | None:
    match shape:
        case IntegerShape(resolution=None):
            return 0
        case BinaryShape(decimal=decimal) if decimal is not None:
            return decimal.scale
        case _:
            return None
