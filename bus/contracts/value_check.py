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
from bus.errors import Finding, Words
from bus.texts import finding_at, message

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
                yield _misfit(path, value, message("error.value.list"))
        case MapShape():
            yield from _map_misfits(shape, value, path)
        case _:
            expected = _scalar_misfit(shape, value)
            if expected is not None:
                yield _misfit(path, value, expected)


def _record_misfits(shape: RecordShape, value: object, path: str) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield _misfit(path, value, message("error.value.mapping_of_fields"))
        return
    known = {field.name for field in shape.fields}
    for name in value:
        if name not in known:
            yield finding_at(
                path or "record",
                "error.value.unknown_field",
                name=name,
                known=", ".join(sorted(known)),
            )
    for field in shape.fields:
        inner = f"{path}.{field.name}".lstrip(".")
        if field.name in value:
            yield from _misfits(field.shape, value[field.name], inner)
        else:
            yield finding_at(inner, "error.value.missing_field")


def _union_misfits(shape: UnionShape, value: object, path: str) -> Iterator[Finding]:
    given = shape.given
    if given is not None and value is not None:
        yield from _misfits(given, value, path)
    elif all(find_misfits(branch, value, path) for branch in shape.branches):
        yield _misfit(path, value, message("error.value.of_the_union"))


def _map_misfits(shape: MapShape, value: object, path: str) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield _misfit(path, value, message("error.value.mapping"))
        return
    for key, item in value.items():
        expected = _text_misfit(TextShape(), key)
        if expected is not None:
            yield _misfit(f"{path}[]", key, message("error.value.as_key", expected=expected))
        yield from _misfits(shape.values, item, f"{path}[]")


def _misfit(path: str, value: object, expected: Words) -> Finding:
    # Why no value: it may be personal data, and this text reaches logs and tickets.
    return Finding(
        path=path or "record",
        found=message("error.value.of_type", type=type(value).__name__),
        expected=expected,
        remedy=message("error.value.mend"),
    )


def _scalar_misfit(  # noqa: C901 - a case for each shape
    shape: Shape, value: object
) -> Words | None:
    """Tell what is expected instead of a value that does not fit, or None."""
    match shape:
        case NullShape():
            return None if value is None else "None"
        case BooleanShape():
            return None if isinstance(value, bool) else message("error.value.boolean")
        case IntegerShape(is_time_of_day=True):
            return _time_misfit(shape, value)
        case IntegerShape(resolution=None | Resolution.NANOSECOND):
            fits = type(value) is int and shape.minimum <= value <= shape.maximum
            limits = {"minimum": shape.minimum, "maximum": shape.maximum}
            return None if fits else message("error.value.whole_number", **limits)
        case IntegerShape(resolution=Resolution.DAY):
            return None if type(value) is date else message("error.value.date")
        case IntegerShape():
            return _moment_misfit(shape, value)
        case FloatShape():
            return _float_misfit(shape, value)
        case TextShape():
            return _text_misfit(shape, value)
        case EnumShape():
            symbols = ", ".join(shape.symbols)
            return None if value in shape.symbols else message("error.value.symbol", known=symbols)
        case BinaryShape(decimal=decimal) if decimal is not None:
            return _decimal_misfit(decimal, value)
        case BinaryShape():
            fits = isinstance(value, bytes) and shape.size_bytes in (None, len(value))
            return None if fits else _bytes_expected(shape)
        case _:
            raise AssertionError(shape)


def _bytes_expected(shape: BinaryShape) -> Words:
    if not shape.size_bytes:
        return message("error.value.bytes")
    return message("error.value.bytes_of_size", size_bytes=shape.size_bytes)


def _time_misfit(shape: IntegerShape, value: object) -> Words | None:
    if not isinstance(value, time) or value.tzinfo is not None:
        return message("error.value.time")
    if shape.maximum < Resolution.MILLISECOND and value.microsecond % 1_000:
        return message("error.value.whole_milliseconds")
    return None


def _moment_misfit(shape: IntegerShape, value: object) -> Words | None:
    if not isinstance(value, datetime) or (value.tzinfo is None) != shape.is_local:
        wanted = "error.value.local_moment" if shape.is_local else "error.value.moment"
        return message(wanted)
    if shape.resolution is Resolution.MILLISECOND and value.microsecond % 1_000:
        return message("error.value.no_microseconds")
    moment = value.replace(tzinfo=UTC) if shape.is_local else value
    assert shape.resolution is not None
    units = (moment - _EPOCH) // _MICROSECOND * shape.resolution // Resolution.MICROSECOND
    return None if shape.minimum <= units <= shape.maximum else message("error.value.year")


def _float_misfit(shape: FloatShape, value: object) -> Words | None:
    limit, whole_limit = (_FLOAT_MAX, 2**24) if shape.size_bytes == 4 else (math.inf, 2**53)  # noqa: PLR2004 - Avro's float
    if type(value) is int:
        fits = abs(value) <= whole_limit
        return None if fits else message("error.value.whole_number_up_to", limit=whole_limit)
    fits = isinstance(value, float) and math.isfinite(value) and abs(value) <= limit
    return None if fits else message("error.value.finite")


def _text_misfit(shape: TextShape, value: object) -> Words | None:
    if shape.is_uuid and isinstance(value, UUID):
        return None
    if not isinstance(value, str):
        return message("error.value.text")
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        return message("error.value.clean_text")
    is_other = shape.is_uuid and is_uuid(value) is None
    return message("error.value.uuid") if is_other else None


def _decimal_misfit(shape: DecimalShape, value: object) -> Words | None:
    expected = message("error.value.decimal", precision=shape.precision, scale=shape.scale)
    if not isinstance(value, Decimal) or not value.is_finite():
        return expected
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    shift = exponent + shape.scale
    if not 0 <= shift <= shape.precision:
        return expected
    unscaled = int("".join(map(str, digits))) * 10**shift
    return None if unscaled < 10**shape.precision else expected
