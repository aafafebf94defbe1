"""What a SQL database has to be read. It blocks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    Column,
    Engine,
    MetaData,
    Numeric,
    Select,
    Table,
    inspect,
    select,
    type_coerce,
)
from sqlalchemy.types import NullType

from connectors.source import Cell, Stream
from connectors.sources.postgres_cells import UnreadableCell, cell_of
from connectors.sources.sql_reading import python_type, rows, value_of

_STREAMS_MAX: Final = 500
_SAMPLES: Final = 3
_AVRO: Final[Mapping[type, Mapping[str, Any] | str]] = {
    bool: "boolean",
    int: "long",
    float: "double",
    bytes: "bytes",
    datetime: {"type": "long", "logicalType": "timestamp-micros"},
    date: {"type": "int", "logicalType": "date"},
    UUID: {"type": "string", "logicalType": "uuid"},
}


def streams(engine: Engine) -> list[Stream]:
    """Tell the tables and views of the user's own schema."""
    found = inspect(engine)
    names = [*found.get_table_names(), *found.get_view_names()]
    return [_stream(engine, name) for name in sorted(names)[:_STREAMS_MAX]]


def _stream(engine: Engine, name: str) -> Stream:
    table = Table(name, MetaData(), autoload_with=engine)
    key = [column.name for column in table.primary_key]
    read = [type_coerce(column, NullType()).label(column.name) for column in table.columns]
    query = cast("Select[Any]", select(*read).limit(_SAMPLES))
    return Stream(
        name=name,
        key=key[0] if len(key) == 1 else None,
        columns={column.name: _avro(column) for column in table.columns},
        samples=[
            {
                column.name: _shown(value_of(column, value))
                for column, value in zip(table.columns, values, strict=True)
            }
            for values in rows(engine, query)
        ],
        config={"table": name, **({} if key else {"key": []}), "mode": "whole"},
    )


def _avro(column: Column[Any]) -> Mapping[str, Any] | str:
    kind = python_type(column)
    if kind is Decimal and isinstance(column.type, Numeric):
        precision, scale = column.type.precision, column.type.scale or 0
        exact = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
        return exact if precision else "string"
    return _AVRO.get(kind, "string")


def _shown(value: object) -> Cell:
    try:
        return cell_of(value)
    except UnreadableCell as problem:
        return str(problem)
