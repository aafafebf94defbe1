"""Values as PostgreSQL writes them, in a change or in an answer, as cells. Pure.

One function for both, so that a row is the same whether it was read in the table or in the log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import Format

from connectors.source import Cell

AS_WRITTEN: Final = (
    "-c datestyle=ISO -c timezone=UTC -c intervalstyle=iso_8601 -c extra_float_digits=1"
    " -c bytea_output=hex"
)
"""Settings of every session whose values are read here."""

Reading: TypeAlias = Callable[[bytes], Cell]


def number(text: str) -> Cell:
    """Read a number of JSON: as text where a float would change it."""
    found = float(text)
    return found if repr(found) == text else text


def json_cell(data: bytes | str) -> Cell:
    """Read JSON."""
    found: Cell = json.loads(data, parse_float=number)
    return found


def _float(data: bytes) -> float:
    found = float(data)
    if not math.isfinite(found):
        raise ValueError(data.decode())
    return found


def _numeric(data: bytes) -> str:
    if not data.strip(b"-0123456789."):
        return data.decode()
    raise ValueError(data.decode())


def _day(data: bytes) -> date:
    return date.fromisoformat(data.decode())


def _moment(data: bytes) -> datetime:
    return datetime.fromisoformat(data.decode())


def _text(data: bytes) -> str:
    return data.decode()


def _bytes(data: bytes) -> str:
    return data.decode().removeprefix("\\x")


_BY_TYPE: Final[Mapping[str, Reading]] = {
    "bool": lambda data: data == b"t",
    "int2": int,
    "int4": int,
    "int8": int,
    "float4": _float,
    "float8": _float,
    "numeric": _numeric,
    "date": _day,
    "timestamp": _moment,
    "timestamptz": _moment,
    "json": json_cell,
    "jsonb": json_cell,
    "bytea": _bytes,
}


def reading_of(oid: int) -> Reading:
    """Find what reads values of a type; what has no cell of its own is read as text.

    Args:
        oid: Of the type. What is given raises ValueError for a value that no cell can hold.
    """
    known = psycopg.adapters.types.get(oid)
    if known is None:
        return _text
    if oid == known.array_oid:
        loader = Transformer().get_loader(oid, Format.TEXT)
        return lambda data: _plain(loader.load(data))
    return _BY_TYPE.get(known.name, _text)


def _plain(value: Any) -> Cell:  # noqa: ANN401 - whatever an array holds
    match value:
        case None | bool() | str() | int() | date() | dict():
            return value
        case float() if math.isfinite(value):
            return value
        case Decimal() if value.is_finite():
            return format(value, "f")
        case list():
            return [_plain(one) for one in value]
        case bytes():
            return value.hex()
        case float() | Decimal():
            raise ValueError(str(value))
        case _:
            return str(value)


def raw_of(names: Sequence[str], values: Sequence[object]) -> str:
    """Write a row that can't be read, as it stands in the source."""
    shown = {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value
        for name, value in zip(names, values, strict=False)
    }
    return json.dumps(shown, ensure_ascii=False, default=repr)
