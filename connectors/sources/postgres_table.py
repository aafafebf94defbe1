"""A table or view of PostgreSQL, polled so that no row is lost to a transaction that ends late.

**What goes wrong without care.** `id > last` and `updated > last` lose rows: a number is drawn and
`now()` is fixed when a transaction begins to write, or only begins, and its rows are seen when it
ends. What ends later and was drawn earlier stands behind the place where reading goes on. Waiting
until no transaction runs that could still write (the snapshot's horizon) does not mend that by
itself: a transaction may take its `now()`, or a number out of its session's cache, before it takes
a transaction id; the horizon knows nothing of it, moves past its successors, and its rows come with
an earlier cursor.

**What is done here.** The cursor does not say what is new; the row's transaction id does. A pass
reads the rows with `since <= xmin < horizon`, where `since` is the horizon of the pass before, and
the horizon is `pg_snapshot_xmin(pg_current_snapshot())`. Why nothing is missed:

1. Below the horizon no transaction runs, and none ever will: ids only grow. Their rows are seen
   from this snapshot on, or were rolled back. So no row can come to be in a stretch that was read.
2. Whatever changes a row writes it anew under the id of its own transaction. That transaction has
   not ended before the horizon that its id is at or past; so the pass that passes it sees the row.
3. A subtransaction's id is higher than its parent's, and the horizon stays below the parent's until
   it ends. Prepared transactions hold it too. It is of no importance when numbers or times were
   drawn, how long a transaction was open, or that somebody wrote by hand without the cursor.

What is left is arithmetic. `xmin` has 32 bits and stays as it was when its row is frozen; ids and
horizons are kept in 64 bits, and rows are compared by `age(xmin)`, counted from the same id within
one transaction. A frozen row whose id is of an earlier round can look new once in a round: it is
told again, equal, and so nothing is sent. A position older than two thousand million transactions,
of another server, timeline (after a failover, ids are given out again), database or table (after a
restore), or ahead of the server's horizon, means reading everything again: what differs is sent.

**What the cursor is for.** `xmin` has no index. A pass with a cursor looks only at rows that stand
at its bound or behind, by the cursor's index; the bound lies an overlap behind the highest value
given. Rows that this leaves out are found by a sweep over the whole table every `sweep_s`; without
a cursor every pass is one (a million rows take some 50 ms). The cursor thus decides how soon a row
comes, never whether.

Within a pass rows come in order of the key. The rows of a stretch that has ended can only become
fewer, and one that changes gets an id behind it; so going on behind the last key misses nothing.
A long transaction that has written holds back what was written after it began: the position waits,
and `bus connector check` names the session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from typing import Any, Final

from psycopg import AsyncConnection

from bus.errors import DocumentError, Finding
from connectors.source import (
    Bad,
    Cell,
    Item,
    Json,
    Mark,
    Row,
    Source,
    Span,
    Stream,
)
from connectors.sources.endings import ENDINGS, ended, standing
from connectors.sources.postgres_cells import Unreadable, UnreadableCell, cell_of, raw_of
from connectors.sources.postgres_progress import Moment, Progress
from connectors.sources.postgres_relation import MOMENT, Relation, relation
from connectors.sources.postgres_session import fetched, reading_session
from connectors.sources.postgres_survey import checked, streams
from connectors.sources.postgres_table_config import PostgresTableConfig
from connectors.texts import message

_PAGE_ROWS: Final = 1_000


class PostgresTable(Source[PostgresTableConfig]):
    """A table or view of PostgreSQL, read again and again by a role that may only SELECT.

    Gives each row as it stands, once for each change that is seen; a change that is overtaken
    between two looks is not told. Rows that are deleted for good are not noticed: mark them in a
    column (`deleted_column`), or read the changes themselves (`postgres-changes`).
    """

    Config = PostgresTableConfig

    async def read(self, position: Json) -> AsyncIterator[Item]:
        """See `Source.read`."""
        config, context = self.config, self.context
        async with self._session() as session:
            table = await relation(session, config.wanted)
            moment = await _moment(session)
            progress = Progress.read(position, table.place, len(table.cursor), moment)
            is_rest = progress.to is not None
            while True:
                if progress.to is None:
                    now_s = context.clock().timestamp()
                    begun = progress.begun(moment, now_s, config.sweep_s)
                    if begun is None:
                        return
                    progress = begun
                done, is_full = 0, True
                while is_full:
                    rows, moment = await _page(session, table, progress)
                    for row in rows:
                        progress = _behind(table, progress, row)
                        items = list(self._items(table, row, is_first=progress.is_first))
                        for item in _positioned(items, progress):
                            yield item
                    is_full, done = len(rows) == _PAGE_ROWS, done + len(rows)
                    context.progress(done, max(table.rows, done) if progress.is_first else None)
                now = context.clock().astimezone(UTC)
                progress = progress.done(table.kinds, now, config.overlap_s)
                yield Mark(progress.position)
                if not is_rest:
                    return
                is_rest = False

    async def check(self) -> Sequence[Finding]:
        """See `Source.check`."""
        async with self._session() as session:
            return await checked(session, self.config.wanted, self.context.sleep)

    async def discover(self) -> Sequence[Stream]:
        """See `Source.discover`."""
        async with self._session() as session:
            return await streams(session)

    async def backfill(self, span: Span) -> AsyncIterator[Row | Bad]:
        """Give the rows of a stretch of the first cursor, or without one of the key."""
        async with self._session() as session:
            table = await relation(session, self.config.wanted)
            total = (await fetched(session, *table.history(span, None, None)))[0][0]
            done, after, is_full = 0, None, True
            while is_full:
                rows = await fetched(session, *table.history(span, after, _PAGE_ROWS))
                for row in rows:
                    after = _texts(table, row)[0]
                    items = list(self._items(table, row, is_first=True))
                    if any(
                        isinstance(one, Row) and one.operation in ENDINGS.values() for one in items
                    ):
                        continue  # history never ends what it creates; what is new does
                    for item in items:
                        yield item
                is_full, done = len(rows) == _PAGE_ROWS, done + len(rows)
                self.context.progress(done, max(total, done))

    def _session(self) -> Any:  # noqa: ANN401 - an asynchronous context of psycopg's
        config = self.config
        return reading_session(
            config.dsn,
            config.password,
            connector=self.context.connector,
            statement_s=config.statement_s,
        )

    def _items(
        self, table: Relation, values: Sequence[Any], *, is_first: bool
    ) -> Iterator[Row | Bad]:
        """Make items of one row; of a deleted one, what it was and that it is."""
        config = self.config
        place = f"{table.name}/{','.join(_texts(table, values)[0])}"
        named = dict(zip(table.columns, values, strict=False))
        extra = dict(zip(table.extra, values[len(table.columns) :], strict=False))
        try:
            column = ""
            cells: dict[str, Cell] = {}
            for column, value in named.items():
                cells[column] = cell_of(value)
            column = config.version_column or ""
            version = _version(extra[column]) if column else None
        except UnreadableCell as problem:
            why = message("postgres-table.unreadable", column=column, found=problem)
            yield Bad(raw=raw_of(named), why=why, place=place, column=column)
            return
        mark = config.deleted_column
        if mark is None:
            yield Row(cells, place=place, version=version)
        elif not _is_deleted(extra[mark]):
            yield standing(cells, place, version)
        else:
            operation = ENDINGS[config.deleted_means]
            yield from ended(cells, place, version, operation, was_never_told=is_first)


def _positioned(items: Sequence[Row | Bad], progress: Progress) -> Iterator[Item]:
    """Let the last item of a row carry the position behind the row."""
    for left, item in zip(reversed(range(len(items))), items, strict=True):
        yield item if left else replace(item, position=progress.position)


def _behind(table: Relation, progress: Progress, values: Sequence[Any]) -> Progress:
    key, cursors = _texts(table, values)
    return progress.behind(key, cursors, table.kinds)


def _texts(
    table: Relation, values: Sequence[Any]
) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """Give key and cursors of a row as the server writes them.

    Raises:
        DocumentError: A part of the key is null, so that nothing can be read on behind it.
    """
    texts = tuple(values[len(table.columns) + len(table.extra) :])
    key = texts[: len(table.key)]
    if None in key:
        named = ", ".join(table.key)
        raise DocumentError(message("postgres-table.key_null", table=table.name, key=named))
    return key, texts[len(table.key) :]


def _version(value: object) -> int:
    match value:
        case bool():
            pass
        case int():
            return value
        case Decimal() if value.is_finite() and value == value.to_integral_value():
            return int(value)
    raise UnreadableCell(str(value))


def _is_deleted(value: object) -> bool:
    """Tell whether a mark says that its row is deleted; `infinity` is a day that never comes."""
    return bool(value) and not isinstance(value, Unreadable)


async def _moment(session: AsyncConnection[Any]) -> Moment:
    """Look at the server; within a transaction `age` counts from this very moment."""
    return Moment.of(*(await fetched(session, MOMENT))[0])


async def _page(
    session: AsyncConnection[Any], table: Relation, progress: Progress
) -> tuple[Sequence[Sequence[Any]], Moment]:
    """Give the next rows of a pass."""
    async with session.transaction():
        moment = await _moment(session)
        return await fetched(session, *table.page(progress, moment, _PAGE_ROWS)), moment
