"""From a value as JSON and YAML can write it to the value that Python has for an Avro field."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Final

from bus.contracts.schema_shape import (
    ArrayShape,
    BinaryShape,
    FloatShape,
    IntegerShape,
    MapShape,
    RecordShape,
    Resolution,
    Shape,
    UnionShape,
)
from bus.contracts.value_check import find_misfits

_WHOLE_MAX: Final = 2**1023
"""A larger whole number is none that a double can hold, and is told as any misfit."""


def from_json(shape: Shape, value: object) -> object:
    """Turn texts into days, moments, times, decimals and bytes where the schema has them.

    Args:
        shape: Of the value.
        value: Days and moments as ISO 8601 writes them, moments with a time zone or `Z`; decimals
            as texts or whole numbers; bytes in base64; everything else as it is.

    Returns: The value, or what was given where it has another form: `bus.contracts.value_check`
        says what is expected there.
    """
    match shape:
        case RecordShape() if isinstance(value, Mapping):
            shapes = {field.name: field.shape for field in shape.fields}
            return {
                name: from_json(shapes[name], item) if name in shapes else item
                for name, item in value.items()
            }
        case ArrayShape() if isinstance(value, list):
            return [from_json(shape.items, item) for item in value]
        case MapShape() if isinstance(value, Mapping):
            return {name: from_json(shape.values, item) for name, item in value.items()}
        case UnionShape() if value is not None:
            return _of_union(shape, value)
        case FloatShape() if type(value) is int and abs(value) <= _WHOLE_MAX:
            return float(value)
        case IntegerShape() | BinaryShape():
            return _scalar(shape, value)
        case _:
            return value


def _of_union(shape: UnionShape, value: object) -> object:
    """Take a value as the first of a union's types that it fits."""
    if shape.given is not None:
        return from_json(shape.given, value)
    made = ((branch, from_json(branch, value)) for branch in shape.branches)
    return next((item for branch, item in made if not find_misfits(branch, item, "")), value)


def _scalar(shape: IntegerShape | BinaryShape, value: object) -> object:
    read: Callable[[str], object] | None = None
    match shape:
        case BinaryShape(decimal=decimal) if decimal is not None:
            if type(value) is int:
                return Decimal(value)
            read = Decimal
        case BinaryShape():
            read = _bytes
        case IntegerShape(is_time_of_day=True):
            read = time.fromisoformat
        case IntegerShape(resolution=Resolution.DAY):
            read = date.fromisoformat
        case IntegerShape(resolution=Resolution.MILLISECOND | Resolution.MICROSECOND):
            read = datetime.fromisoformat
    if read is None or not isinstance(value, str):
        return value
    try:
        return read(value)
    except (ValueError, InvalidOperation):
        return value


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
