"""Avro's primitive and logical types as shapes, with the limits that they set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bus.contracts.schema_shape import (
    BinaryShape,
    BooleanShape,
    FloatShape,
    IntegerShape,
    NullShape,
    Resolution,
    Shape,
    TextShape,
)

_INT: Final = IntegerShape(bits=32, minimum=-(2**31), maximum=2**31 - 1)
_LONG: Final = IntegerShape(bits=64, minimum=-(2**63), maximum=2**63 - 1)
PRIMITIVES: Final[Mapping[str, Shape]] = {
    "null": NullShape(),
    "boolean": BooleanShape(),
    "int": _INT,
    "long": _LONG,
    "float": FloatShape(size_bytes=4),
    "double": FloatShape(size_bytes=8),
    "string": TextShape(),
    "bytes": BinaryShape(size_bytes=None),
}
_FIRST_DAY: Final = -719_162
"""0001-01-01, in days from 1970: Python and PostgreSQL have no earlier year in common use."""
_END_DAY: Final = 2_932_897
"""The day after 9999-12-31."""


def _moment(resolution: Resolution, *, bits: int, is_local: bool = False) -> IntegerShape:
    """Limit a day or moment to years 1 to 9999 (a long of nanoseconds never leaves them)."""
    limit = 2 ** (bits - 1)
    return IntegerShape(
        bits=bits,
        minimum=max(-limit, _FIRST_DAY * resolution),
        maximum=min(limit - 1, _END_DAY * resolution - 1),
        resolution=resolution,
        is_local=is_local,
    )


def _time_of_day(resolution: Resolution, *, bits: int) -> IntegerShape:
    return IntegerShape(bits=bits, minimum=0, maximum=resolution - 1, is_time_of_day=True)


LOGICAL: Final[Mapping[tuple[str, str], Shape]] = {
    ("int", "date"): _moment(Resolution.DAY, bits=32),
    ("int", "time-millis"): _time_of_day(Resolution.MILLISECOND, bits=32),
    ("long", "time-micros"): _time_of_day(Resolution.MICROSECOND, bits=64),
    ("long", "timestamp-millis"): _moment(Resolution.MILLISECOND, bits=64),
    ("long", "timestamp-micros"): _moment(Resolution.MICROSECOND, bits=64),
    ("long", "timestamp-nanos"): _moment(Resolution.NANOSECOND, bits=64),
    ("long", "local-timestamp-millis"): _moment(Resolution.MILLISECOND, bits=64, is_local=True),
    ("long", "local-timestamp-micros"): _moment(Resolution.MICROSECOND, bits=64, is_local=True),
    ("long", "local-timestamp-nanos"): _moment(Resolution.NANOSECOND, bits=64, is_local=True),
    ("string", "uuid"): TextShape(is_uuid=True),
}
