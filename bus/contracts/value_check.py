"""Check Python values against a schema before they are encoded: exact types, ranges, no loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from bus.contracts.schema_shape import (
    ArrayShape,
    BinaryShape,
    BooleanShape,
    DecimalShape,
    EnumShape,
    FloatShape,
    IntegerShape,
    MapShape,
    NullShape,
    RecordShape,
    Resolution,
    Shape,
    TextShape,
    UnionShape,
)
from bus.contracts.uuid_text import is_uuid
from bus.errors import Finding

_FLOAT_MAX: Final = (2 - 2**-23) * 2.0**127
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def find_misfits(shape: Shape, value: object, path: str) -> list[Finding]:
    """Tell everything about a value that its schema does not allow.

    Args:
        shape: Of the schema, or of the part at `path`.
        value: As Python has it: dates and aware datetimes for days and moments, Decimal for
            decimals, mappings for records and maps, lists for arrays.
        path: Of the field; the empty string for the whole record.

    Returns: findings that name field, expectation and the kind of what was found, but no value.
    """
    return list(_misfits(shape, value, path))


def _misfits(shape: Shape, value: object, path: str) -> Iterator[Finding]:
    match shape:
        case RecordShape():
            yield from _record_misfits(shape, value, path)
        case UnionShape():
            yield from _union_misfits(shape, value, path)
        case ArrayShape():
            if isinstance(value, list | tuple):
                for item in value:
                    yield from _misfits(shape.items, item, f"{path}[]")
            else:
                yield _misfit(path, value, "a list")
        case MapShape():
            yield from _map_misfits(shape, value, path)
        case _:
            expected = _scalar_misfit(shape, value)
            if expected is not None:
                yield _misfit(path, value, expected)


def _record_misfits(shape: RecordShape, value: object, path: str) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield _misfit(path, value, "a mapping of fields")
        return
    known = {field.name for field in shape.fields}
    for name in value:
        if name not in known:
            yield Finding(
                path=path or "record",
                found=f"field {name!r}",
                expected=f"fields {', '.join(sorted(known))}",
                remedy="Leave it out, or add it to the contract in a new schema version.",
            )
    for field in shape.fields:
        inner = f"{path}.{field.name}".lstrip(".")
        if field.name in value:
            yield from _misfits(field.shape, value[field.name], inner)
        else:
            yield Finding(
                path=inner,
                found="no such field in the record",
                expected="a value, or None where null is allowed",
                remedy="Give every field of the schema.",
            )


def _union_misfits(shape: UnionShape, value: object, path: str) -> Iterator[Finding]:
    given = shape.given
    if given is not None and value is not None:
        yield from _misfits(given, value, path)
    elif all(find_misfits(branch, value, path) for branch in shape.branches):
        yield _misfit(path, value, "a value of one of the union's types")


def _map_misfits(shape: MapShape, value: object, path: str) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield _misfit(path, value, "a mapping")
        return
    for key, item in value.items():
        expected = _text_misfit(TextShape(), key)
        if expected is not None:
            yield _misfit(f"{path}[]", key, f"as key {expected}")
        yield from _misfits(shape.values, item, f"{path}[]")


def _misfit(path: str, value: object, expected: str) -> Finding:
    # Why no value: it may be personal data, and this text reaches logs and tickets.
    return Finding(
        path=path or "record",
        found=f"a value of type {type(value).__name__}",
        expected=expected,
        remedy="Mend the value or the mapping that makes it.",
    )


def _scalar_misfit(  # noqa: C901 - a case for each shape
    shape: Shape, value: object
) -> str | None:
    """Tell what is expected instead of a value that does not fit, or None."""
    match shape:
        case NullShape():
            return None if value is None else "None"
        case BooleanShape():
            return None if isinstance(value, bool) else "True or False"
        case IntegerShape(is_time_of_day=True):
            return _time_misfit(shape, value)
        case IntegerShape(resolution=None | Resolution.NANOSECOND):
            fits = type(value) is int and shape.minimum <= value <= shape.maximum
            return None if fits else f"a whole number from {shape.minimum} to {shape.maximum}"
        case IntegerShape(resolution=Resolution.DAY):
            return None if type(value) is date else "a date without time"
        case IntegerShape():
            return _moment_misfit(shape, value)
        case FloatShape():
            return _float_misfit(shape, value)
        case TextShape():
            return _text_misfit(shape, value)
        case EnumShape():
            return None if value in shape.symbols else f"one of {', '.join(shape.symbols)}"
        case BinaryShape(decimal=decimal) if decimal is not None:
            return _decimal_misfit(decimal, value)
        case BinaryShape():
            fits = isinstance(value, bytes) and shape.size_bytes in (None, len(value))
            return None if fits else f"bytes{f' of {shape.size_bytes}' * bool(shape.size_bytes)}"
        case _:
            raise AssertionError(shape)


def _time_misfit(shape: IntegerShape, value: object) -> str | None:
    if not isinstance(value, time) or value.tzinfo is not None:
        return "a time without zone"
    in_milliseconds = shape.maximum < Resolution.MILLISECOND
    return "whole milliseconds" if in_milliseconds and value.microsecond % 1_000 else None


def _moment_misfit(shape: IntegerShape, value: object) -> str | None:
    if not isinstance(value, datetime) or (value.tzinfo is None) != shape.is_local:
        return f"a datetime {'without' if shape.is_local else 'with'} time zone"
    if shape.resolution is Resolution.MILLISECOND and value.microsecond % 1_000:
        return "whole milliseconds: the schema keeps no microseconds"
    moment = value.replace(tzinfo=UTC) if shape.is_local else value
    assert shape.resolution is not None
    units = (moment - _EPOCH) // _MICROSECOND * shape.resolution // Resolution.MICROSECOND
    return None if shape.minimum <= units <= shape.maximum else "a year from 1 to 9999 in UTC"


def _float_misfit(shape: FloatShape, value: object) -> str | None:
    limit, whole_limit = (_FLOAT_MAX, 2**24) if shape.size_bytes == 4 else (math.inf, 2**53)  # noqa: PLR2004 - Avro's float
    if type(value) is int:
        return None if abs(value) <= whole_limit else f"a whole number up to {whole_limit}"
    fits = isinstance(value, float) and math.isfinite(value) and abs(value) <= limit
    return None if fits else "a finite number"


def _text_misfit(shape: TextShape, value: object) -> str | None:
    if shape.is_uuid and isinstance(value, UUID):
        return None
    if not isinstance(value, str):
        return "text"
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        return "text without NUL and lone surrogates"
    return "a UUID" if shape.is_uuid and is_uuid(value) is None else None


def _decimal_misfit(shape: DecimalShape, value: object) -> str | None:
    expected = f"a Decimal of {shape.precision} digits, {shape.scale} of them after the point"
    if not isinstance(value, Decimal) or not value.is_finite():
        return expected
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    shift = exponent + shape.scale
    if not 0 <= shift <= shape.precision:
        return expected
    unscaled = int("".join(map(str, digits))) * 10**shift
    return None if unscaled < 10**shape.precision else expected
