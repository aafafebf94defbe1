"""Values of PostgreSQL as cells, and its types as Avro types."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from psycopg import AsyncConnection, DataError
from psycopg.abc import Buffer
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader
from psycopg.types.string import TextLoader

from connectors.source import Cell

_AS_TEXT: Final = (
    *("interval", "time", "timetz", "money", "inet", "cidr", "macaddr", "xml"),
    *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
)
"""Types whose text says more than an object of Python would."""
_AVRO: Final[Mapping[str, Mapping[str, Any] | str]] = {
    "boolean": "boolean",
    "smallint": "int",
    "integer": "int",
    "bigint": "long",
    "real": "float",
    "double precision": "double",
    "bytea": "bytes",
    "date": {"type": "int", "logicalType": "date"},
    "uuid": {"type": "string", "logicalType": "uuid"},
    "timestamp with time zone": {"type": "long", "logicalType": "timestamp-micros"},
    "timestamp without time zone": {"type": "long", "logicalType": "local-timestamp-micros"},
}
_NUMERIC: Final = re.compile(r"numeric\((\d+),(\d+)\)")
_PRECISION: Final = re.compile(r"\(\d+\)")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that no cell can hold: a day that never comes, a number that is none."""

    written: str


class UnreadableCell(Exception):
    """A row holds a value that no cell can; `args` say which."""


class _Day(DateLoader):
    def load(self, data: Buffer) -> Any:  # noqa: ANN401 - as the base
        try:
            return super().load(data)
        except DataError:
            return Unreadable(bytes(data).decode())


class _Moment(TimestampLoader):
    def load(self, data: Buffer) -> Any:  # noqa: ANN401 - as the base
        try:
            return super().load(data)
        except DataError:
            return Unreadable(bytes(data).decode())


class _MomentSomewhere(TimestamptzLoader):
    def load(self, data: Buffer) -> Any:  # noqa: ANN401 - as the base
        try:
            return super().load(data)
        except DataError:
            return Unreadable(bytes(data).decode())


def load_softly(session: AsyncConnection[Any]) -> None:
    """Let one value that can't be read spoil its row, and no other."""
    adapters = session.adapters
    adapters.register_loader("date", _Day)
    adapters.register_loader("timestamp", _Moment)
    adapters.register_loader("timestamptz", _MomentSomewhere)
    for name in _AS_TEXT:
        adapters.register_loader(name, TextLoader)


def cell_of(value: object) -> Cell:
    """Make a cell of a value.

    Raises:
        UnreadableCell: No cell can hold it.
    """
    match value:
        case None | bool() | str() | int() | datetime() | date() | dict():
            return value
        case float() if math.isfinite(value):
            return value
        case Decimal() if value.is_finite():
            return format(value, "f")
        case float() | Decimal():
            raise UnreadableCell(str(value))
        case list():
            return [cell_of(one) for one in value]
        case bytes():
            return value.hex()
        case Unreadable(written):
            raise UnreadableCell(written)
        case _:
            return str(value)


def raw_of(values: Mapping[str, object]) -> str:
    """Write a row that can't be read, as it stands in the table."""
    return json.dumps(values, ensure_ascii=False, default=_written)


def _written(value: object) -> str:
    return value.written if isinstance(value, Unreadable) else str(value)


def avro_of(type_name: str) -> Mapping[str, Any] | str:
    """Propose an Avro type for one of PostgreSQL, as `format_type` names it."""
    if type_name.endswith("[]"):
        return {"type": "array", "items": avro_of(type_name.removesuffix("[]"))}
    exact = _NUMERIC.fullmatch(type_name)
    if exact is not None and int(exact[2]) <= int(exact[1]):
        precision, scale = int(exact[1]), int(exact[2])
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    return _AVRO.get(_PRECISION.sub("", type_name), "string")
