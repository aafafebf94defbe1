"""Tables of any SQL database by SQLAlchemy: what they are, pages of them, values. It blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    MetaData,
    Select,
    Table,
    and_,
    create_engine,
    exc,
    func,
    make_url,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.pool import NullPool
from sqlalchemy.types import NullType

from bus.errors import DocumentError
from connectors.source import Json, SourceDown
from connectors.sources.postgres_cells import Unreadable
from connectors.texts import finding_at, message

_WRITTEN: Final[Mapping[type, Any]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    Decimal: Decimal,
    UUID: UUID,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlTableShape:
    """A table, and what is read of it."""

    table: Table
    key: tuple[str, ...]
    columns: tuple[str, ...]
    extra: tuple[str, ...]
    cursor: str | None

    @property
    def order(self) -> tuple[str, ...]:
        """Columns by which rows follow each other."""
        return (*((self.cursor,) if self.cursor else ()), *self.key)

    def page(
        self,
        order: Sequence[str],
        *,
        after: Sequence[object] | None,
        since: object = None,
        until: object = None,
        rows_max: int,
    ) -> Select[Any]:
        """Ask for rows in an order, behind a place in it, between two values of its first column.

        Args:
            order: Columns, the last of which make it unique.
            after: A value for each of them; None: from the beginning.
            since: Included; None: open.
            until: Included; None: open.
            rows_max: Rows to give.
        """
        columns = [self.table.c[name] for name in order]
        # Why without types: one value that is none would spoil the page, and not only its row.
        read = [
            type_coerce(self.table.c[name], NullType()).label(f"c{number}")
            for number, name in enumerate((*self.columns, *self.extra, *order))
        ]
        query = cast("Select[Any]", select(*read).order_by(*columns).limit(rows_max))
        query = query.where(columns[0].is_not(None))
        if since is not None:
            query = query.where(columns[0] >= since)
        if until is not None:
            query = query.where(columns[0] <= until)
        return query if after is None else query.where(_behind(columns, after))


def _behind(columns: Sequence[Column[Any]], after: Sequence[object]) -> ColumnElement[bool]:
    """Write `(a, b) > (x, y)` so that every database knows it."""
    return or_(
        *(
            and_(
                *(column == value for column, value in zip(columns[:n], after[:n], strict=True)),
                columns[n] > after[n],
            )
            for n in range(len(columns))
        )
    )


def opened(url: str, password: str | None) -> Engine:
    """Make an engine; nothing is connected yet, and nothing stays so."""
    whole = make_url(url)
    whole = whole if password is None else whole.set(password=password)
    return create_engine(whole, poolclass=NullPool)


def shape(
    engine: Engine,
    table: str,
    *,
    key: tuple[str, ...],
    columns: tuple[str, ...],
    extra: tuple[str, ...],
    cursor: str | None,
) -> SqlTableShape:
    """Look at a table.

    Raises:
        DocumentError: It can't be read so: every finding at once.
    """
    schema, _, name = table.rpartition(".")
    try:
        found = Table(name, MetaData(), schema=schema or None, autoload_with=engine)
    except exc.NoSuchTableError:
        findings = [finding_at(table, "sql-table.no_table", table=table)]
        raise DocumentError(message("sql-table.wrong", table=table), findings) from None
    names = tuple(column.name for column in found.columns)
    chosen = key or tuple(column.name for column in found.primary_key)
    read = columns or names
    asked = dict.fromkeys((*read, *extra, *chosen, *((cursor,) if cursor else ())))
    findings = [
        finding_at(f"{table}.{one}", "sql-table.no_column", column=one, known=", ".join(names))
        for one in asked
        if one not in names
    ]
    if not chosen:
        findings.append(finding_at(table, "sql-table.no_key"))
    if findings:
        raise DocumentError(message("sql-table.wrong", table=table), findings)
    return SqlTableShape(table=found, key=chosen, columns=read, extra=extra, cursor=cursor)


def rows(engine: Engine, query: Select[Any]) -> list[Sequence[Any]]:
    """Give rows."""
    with engine.connect() as session:
        return [tuple(row) for row in session.execute(query)]


def present(engine: Engine, clock_sql: str | None) -> object:
    """Tell the database's present, as its cursor writes moments."""
    with engine.connect() as session:
        if clock_sql is None:
            return session.execute(select(func.current_timestamp())).scalar_one()
        found = session.execute(text(f"SELECT {clock_sql}")).scalar_one()
    return datetime.fromisoformat(found) if isinstance(found, str) else found


def value_of(column: Column[Any], found: object) -> object:
    """Make the value of what the driver gave, where the database has no such type of its own."""
    kind = python_type(column)
    try:
        if kind is bool and isinstance(found, int):
            return bool(found)
        if kind in (dict, list) and isinstance(found, str):
            return json.loads(found)
        if isinstance(found, str) and kind in _WRITTEN:
            return _WRITTEN[kind](found)
    except (ValueError, ArithmeticError):
        return Unreadable(str(found))
    return found


def python_type(column: Column[Any]) -> type:
    """Tell which type of Python a column's values have; `str` where nobody knows."""
    try:
        return column.type.python_type
    except NotImplementedError:
        return str


def written(value: object) -> Json:
    """Write a part of a place as JSON."""
    if isinstance(value, (str, int)) or value is None:
        return value
    return value.isoformat() if isinstance(value, date) else str(value)


def read_back(column: Column[Any], value: Json) -> object:
    """Read a part of a place."""
    kind = python_type(column)
    return _WRITTEN[kind](value) if isinstance(value, str) and kind in _WRITTEN else value


@contextmanager
def faults() -> Iterator[None]:
    """Tell faults of a database, without the values of its query.

    Raises:
        SourceDown: It may pass.
        DocumentError: It will not.
    """
    try:
        yield
    except (exc.ProgrammingError, exc.DataError, exc.NoSuchModuleError, exc.ArgumentError) as one:
        told = getattr(one, "orig", None) or type(one).__name__
        raise DocumentError(message("sql-table.refused", problem=told)) from None
    except exc.SQLAlchemyError as one:
        told = getattr(one, "orig", None) or type(one).__name__
        raise SourceDown(message("sql-table.down", problem=told)) from None
