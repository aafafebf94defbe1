"""A table of any database that SQLAlchemy reaches, polled by a cursor or read whole.

Most databases do not tell which transactions still run. So a row waits until it is `settle_s` old
by the database's clock, and each pass begins `overlap_s` before the last row: a row that was drawn
early and is seen late comes if its transaction was shorter than both together. What is read again
is a repeat to the bus, for each pass reads what stands now, never what stood. Where that is not
enough, and for tables without any cursor, `mode: whole` reads all rows each time; PostgreSQL has a
source without this limit, `postgres-table`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Engine, func, select

from bus.errors import DocumentError, Finding
from bus.model.record import Operation
from connectors.source import (
    NOT_HERE,
    Bad,
    Cell,
    Item,
    Json,
    Mark,
    Row,
    Source,
    Stream,
)
from connectors.sources.endings import ENDINGS, ended, standing
from connectors.sources.key_memory import KeyMemory
from connectors.sources.postgres_cells import Unreadable, UnreadableCell, cell_of, raw_of
from connectors.sources.sql_reading import (
    SqlTableShape,
    faults,
    opened,
    present,
    python_type,
    read_back,
    rows,
    shape,
    value_of,
    written,
)
from connectors.sources.sql_survey import streams
from connectors.sources.sql_table_config import SqlTableConfig
from connectors.texts import finding_at, message

_PAGE_ROWS: Final = 1_000
_VANISHED_FEW: Final = 10
"""So many may vanish at once from a table of any size."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """What one pass over a cursor reads."""

    since: object
    """Where it begins, overlap included; None: at the beginning."""
    until: object
    """Where it ends; None: nothing may be read yet."""
    ahead: Json
    """For numbers: the highest one, and when it was seen."""


class SqlTable(Source[SqlTableConfig]):
    """A table of any database that SQLAlchemy reaches, polled by a cursor or read whole."""

    Config = SqlTableConfig

    async def read(self, position: Json) -> AsyncIterator[Item]:
        """See `Source.read`."""
        config = self.config
        engine = await self._blocking(self._engine)
        table = await self._blocking(self._shape, engine)
        reading = self._by_cursor if config.mode == "cursor" else self._whole
        items = reading(engine, table, position if isinstance(position, Mapping) else {})
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()  # type: ignore[attr-defined]  # both are generators

    async def check(self) -> Sequence[Finding]:
        """See `Source.check`."""
        engine = await self._blocking(self._engine)
        try:
            table = await self._blocking(self._shape, engine)
        except DocumentError as problem:
            return problem.findings
        if table.cursor is None:
            return []
        column = table.table.c[table.cursor]
        place, kind = f"{self.config.table}.{column.name}", python_type(column)
        if not issubclass(kind, (date, int, float)) and kind.__name__ != "Decimal":
            return [finding_at(place, "sql-table.cursor_type", type=kind.__name__)]
        query = select(func.count()).select_from(table.table).where(column.is_(None))
        empty = (await self._blocking(rows, engine, query))[0][0]
        return [finding_at(place, "sql-table.cursor_empty", rows=empty)] if empty else []

    async def discover(self) -> Sequence[Stream]:
        """See `Source.discover`."""
        return await self._blocking(lambda: streams(self._engine()))

    async def acked(self, position: Json) -> None:
        """See `Source.acked`: what a run that has ended did not see need not be known any more."""
        if (
            self.config.vanished == "cease"
            and isinstance(position, Mapping)
            and "ended" in position
        ):
            await asyncio.to_thread(self._memory.forget, position["ended"])

    @property
    def _memory(self) -> KeyMemory:
        return KeyMemory(self.context.spool)

    def _engine(self) -> Engine:
        password = self.config.password
        return opened(self.config.url, password.get_secret_value() if password else None)

    def _shape(self, engine: Engine) -> SqlTableShape:
        config = self.config
        beside = (config.version_column, config.deleted_column)
        return shape(
            engine,
            config.table,
            key=config.key,
            columns=config.columns,
            extra=tuple(one for one in beside if one),
            cursor=config.cursor,
        )

    async def _blocking(self, do: Callable[..., T], *given: Any) -> T:  # noqa: ANN401 - as `do`
        """Do what blocks in a thread."""
        with faults():
            return await asyncio.to_thread(do, *given)

    async def _by_cursor(
        self, engine: Engine, table: SqlTableShape, position: Mapping[str, Json]
    ) -> AsyncIterator[Item]:
        given = position.get("after")
        columns = [table.table.c[name] for name in table.order]
        last = None if given is None else [*map(read_back, columns, given)]
        window = await self._blocking(self._window, engine, table, last, position.get("ahead"))
        # Why a mark at once: the highest number must be known the next time, rows or none.
        kept: dict[str, Json] = (
            {"after": given} if window.ahead is None else {"after": given, "ahead": window.ahead}
        )
        yield Mark(kept)
        after: list[Any] | None = None
        is_full = window.until is not None
        while is_full:
            query = table.page(
                table.order,
                after=after,
                since=window.since,
                until=window.until,
                rows_max=_PAGE_ROWS,
            )
            found = await self._blocking(rows, engine, query)
            for values in found:
                place = values[len(table.columns) + len(table.extra) :]
                after = [*map(value_of, columns, place)]
                if any(isinstance(part, Unreadable) for part in after):
                    raise DocumentError(message("sql-table.no_place", table=self.config.table))
                is_new = last is None or after[0] > last[0]
                if is_new:
                    kept = {**kept, "after": [*map(written, after)]}
                items = self._items(table, values, was_never_told=given is None)
                for item in _positioned(items, kept if is_new else NOT_HERE):
                    yield item
            yield Mark(kept)
            is_full = len(found) == _PAGE_ROWS

    def _window(
        self, engine: Engine, table: SqlTableShape, last: Sequence[Any] | None, ahead: Json
    ) -> _Window:
        assert table.cursor is not None, "of its mode"
        config, column = self.config, table.table.c[table.cursor]
        now: Any = present(engine, config.clock_sql)
        begin: Any = None if last is None else last[0]
        settle = timedelta(seconds=config.settle_s)
        if issubclass(python_type(column), date):
            is_moment = issubclass(python_type(column), datetime)
            if not getattr(column.type, "timezone", False):
                now = now.replace(tzinfo=None)
            if begin is not None:
                begin -= timedelta(seconds=config.overlap_s) + timedelta(days=not is_moment)
            until = now - settle
            return _Window(since=begin, until=until if is_moment else until.date(), ahead=None)
        if begin is not None:
            begin -= config.overlap_numbers
        until = None
        if ahead is not None:
            until = read_back(column, ahead[0])
            if now - datetime.fromisoformat(ahead[1]) < settle:
                return _Window(since=begin, until=last and last[0], ahead=ahead)
        top = rows(engine, select(func.max(column)))[0][0]
        return _Window(since=begin, until=until, ahead=[written(top), now.isoformat()])

    async def _whole(
        self, engine: Engine, table: SqlTableShape, position: Mapping[str, Json]
    ) -> AsyncIterator[Item]:
        run, given = int(position.get("run", position.get("ended", 0) + 1)), position.get("after")
        is_first = not position
        if self.config.vanished == "cease":
            run, is_rest = await asyncio.to_thread(self._memory.begin, position.get("run"))
            given = given if is_rest else None
        columns = [table.table.c[name] for name in table.key]
        after = None if given is None else [*map(read_back, columns, given)]
        is_full = True
        while is_full:
            query = table.page(table.key, after=after, rows_max=_PAGE_ROWS)
            found = await self._blocking(rows, engine, query)
            told = [
                (self._items(table, values, was_never_told=is_first), values) for values in found
            ]
            if self.config.vanished == "cease":
                await asyncio.to_thread(self._memory.note, run, _cells_by_place(told))
            for items, values in told:
                after = [*map(value_of, columns, values[-len(columns) :])]
                place = {"run": run, "after": [*map(written, after)]}
                for item in _positioned(items, place):
                    yield item
            is_full = len(found) == _PAGE_ROWS
        if self.config.vanished == "cease":
            for row in await asyncio.to_thread(self._vanished, run):
                yield row
        yield Mark({"ended": run, "at": self.context.clock().isoformat()})

    def _vanished(self, run: int) -> Sequence[Row]:
        """Tell the rows that are gone.

        Raises:
            DocumentError: So many are gone at once that the table is rather being loaded anew.
        """
        known, gone = self._memory.vanished(run)
        if len(gone) > max(_VANISHED_FEW, known * self.config.vanished_share_max):
            told = {"table": self.config.table, "rows": len(gone), "known": known}
            raise DocumentError(message("sql-table.vanished", **told))
        return [Row(cells, place=place, operation=Operation.CEASE) for place, cells in gone]

    def _items(
        self, table: SqlTableShape, values: Sequence[Any], *, was_never_told: bool
    ) -> Sequence[Row | Bad]:
        """Make items of one row."""
        config, names = self.config, (*table.columns, *table.extra)
        key = values[-len(table.key) :]
        place = f"{table.table.name}/{','.join(map(str, key))}"
        named = {
            name: value_of(table.table.c[name], value)
            for name, value in zip(names, values, strict=False)
        }
        cells: dict[str, Cell] = {}
        column = ""
        try:
            for column in table.columns:
                cells[column] = cell_of(named[column])
            column = config.version_column or ""
            version = _version(named[column]) if column else None
        except UnreadableCell as problem:
            why = message("sql-table.unreadable", column=column, found=problem)
            raw = raw_of({name: named[name] for name in table.columns})
            return [Bad(raw=raw, why=why, place=place, column=column)]
        if config.deleted_column is not None and named[config.deleted_column]:
            operation = ENDINGS[config.deleted_means]
            return ended(cells, place, version, operation, was_never_told=was_never_told)
        if config.deleted_column is not None or config.vanished == "cease":
            return [standing(cells, place, version)]
        return [Row(cells, place=place, version=version)]


def _positioned(items: Sequence[Row | Bad], position: Json) -> Sequence[Item]:
    """Let the last item of a row carry the position behind the row."""
    return [*items[:-1], *(replace(one, position=position) for one in items[-1:])]


def _cells_by_place(
    told: Sequence[tuple[Sequence[Row | Bad], object]],
) -> Mapping[str, Mapping[str, Cell]]:
    """Give the cells of what stands, by place; of what can't be read, that it is there."""
    return {
        one.place: one.cells if isinstance(one, Row) else {}
        for items, _ in told
        for one in items[-1:]
    }


def _version(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise UnreadableCell(str(value))
