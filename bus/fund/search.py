"""Searching current entries by the fields that a contract declares searchable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from psycopg import sql

from bus.fund.columns import Column
from bus.fund.layout import DatasetLayout

INDEXED_CHARACTERS: Final = 100
"""Of a text: a longer one would not fit an index, and the record could not be written."""
_TEXT: Final = "text"


def sought(column: Column) -> sql.Composed:
    """Write the expression that the index of a searchable column is on."""
    name = sql.Identifier(column.name)
    if column.sql_type == _TEXT:
        return sql.SQL("left({}, {})").format(name, sql.Literal(INDEXED_CHARACTERS))
    return sql.SQL("{}").format(name)


def condition(layout: DatasetLayout, wanted: Mapping[str, str]) -> sql.Composed:
    """Write what an entry found must meet; parameters are named like the columns, `sought_<name>`.

    Args:
        layout: Of the dataset.
        wanted: Searchable field → the text that its value must be equal to.
    """
    columns = {column.name: column for column in layout.searchable}
    return sql.SQL(" AND ").join(_equal(columns[name]) for name in sorted(wanted))


def parameters(wanted: Mapping[str, str]) -> dict[str, str]:
    """Give the parameters that `condition` names."""
    return {f"sought_{name}": value for name, value in wanted.items()}


def _equal(column: Column) -> sql.Composed:
    name = sql.Identifier("standing", column.name)
    given = sql.SQL("{}::{}").format(
        # Safe as SQL text: types come from the closed list in `bus.fund.columns`.
        sql.Placeholder(f"sought_{column.name}"),
        sql.SQL(column.sql_type),
    )
    whole = sql.SQL("{} = {}").format(name, given)
    if column.sql_type != _TEXT:
        return whole
    begun = sql.SQL("left({}, {}) = left({}, {})").format(
        name, sql.Literal(INDEXED_CHARACTERS), given, sql.Literal(INDEXED_CHARACTERS)
    )
    return sql.SQL("{} AND {}").format(begun, whole)
