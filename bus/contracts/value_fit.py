"""The quick question before the long answer: does a value fit its schema?

Nearly every row that is published does, and looking for what is wrong takes several times as long
as seeing that nothing is. So a schema is made into one function, which says yes or leaves the
value to `bus.contracts.value_check`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final, TypeAlias

from bus.contracts.schema_shape import (
    ArrayShape,
    BooleanShape,
    EnumShape,
    IntegerShape,
    RecordShape,
    Resolution,
    Shape,
    TextShape,
    UnionShape,
)
from bus.contracts.value_check import find_misfits

Fits: TypeAlias = Callable[[object], bool]
"""True: the value fits. False: `find_misfits` has the last word, and may find nothing."""

_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")


def fits_of(shape: Shape) -> Fits:
    """Make the quick question for one schema, or a part of it."""
    match shape:
        case RecordShape():
            return _record_fits(shape)
        case UnionShape():
            return _union_fits(shape)
        case ArrayShape():
            item = fits_of(shape.items)
            return lambda value: type(value) is list and all(map(item, value))
        case TextShape(is_uuid=False):
            return lambda value: type(value) is str and _NO_TEXT.search(value) is None
        case EnumShape(symbols=symbols):
            known = frozenset(symbols)
            return lambda value: type(value) is str and value in known
        case BooleanShape():
            return lambda value: value is True or value is False
        case IntegerShape(is_time_of_day=False, resolution=None | Resolution.NANOSECOND):
            minimum, maximum = shape.minimum, shape.maximum
            return lambda value: type(value) is int and minimum <= value <= maximum
        case IntegerShape(is_time_of_day=False, resolution=Resolution.DAY):
            return lambda value: type(value) is date
        case _:
            return lambda value: not find_misfits(shape, value, "")


def _record_fits(shape: RecordShape) -> Fits:
    fields = tuple((field.name, fits_of(field.shape)) for field in shape.fields)

    def fits(value: object) -> bool:
        if type(value) is not dict or len(value) != len(fields):
            return False
        return all(name in value and is_fit(value[name]) for name, is_fit in fields)

    return fits


def _union_fits(shape: UnionShape) -> Fits:
    branches = tuple(map(fits_of, shape.branches))
    if shape.given is not None and len(branches) == 2:  # noqa: PLR2004 - null and another
        given = fits_of(shape.given)
        return lambda value: value is None or given(value)
    return lambda value: any(fits(value) for fits in branches)
