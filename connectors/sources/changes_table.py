"""Rows that were in the table before it was captured: read in pieces, each by a mark in the log.

While a piece is read the table goes on changing. So the log is given a mark behind the piece, and
rows whose key appears in the log from before the piece up to its mark are left out of it: the log
tells them. What is left is told at the mark, where it is true. Nothing is locked, and a kill costs
one piece. Why a piece waits until older transactions have ended: PostgreSQL streams a commit before
it lets others see it, and a change may lie in the log long before its commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql
from psycopg.pq import Format

from connectors.sources.changes_cells import Reading, reading_of
from connectors.sources.changes_position import lsn_of
from connectors.sources.changes_slot import Names

Connection = AsyncConnection[tuple[Any, ...]]

PREFIX: Final = "bus.changes"
"""Of our marks in the log."""
_LOOK_S: Final = 0.02
_LOOK_MAX_S: Final = 1.0


@dataclass(slots=True)
class Columns:
    """Columns as a table has them at some moment."""

    names: tuple[str, ...]
    readings: tuple[Reading, ...]
    key: int
    """Which of them is the key; -1: none."""

    @classmethod
    def of(cls, columns: Sequence[tuple[str, int]], key: str) -> Columns:
        """Take names and types."""
        names = tuple(name for name, _ in columns)
        return cls(
            names=names,
            readings=tuple(reading_of(oid) for _, oid in columns),
            key=names.index(key) if key in names else -1,
        )


@dataclass(slots=True, kw_only=True)
class Piece:
    """A piece of the table, and what came meanwhile."""

    token: str = field(default_factory=lambda: token_hex(8))
    changed: set[bytes] = field(default_factory=set)
    """Keys that appeared in the log since it was begun."""
    passed: asyncio.Event = field(default_factory=asyncio.Event)
    """The log has come to its mark."""
    columns: Columns | None = None
    rows: list[list[bytes | None]] = field(default_factory=list)
    last_key: str | None = None
    is_last: bool = False
    is_void: bool = False
    """The table was emptied meanwhile."""
    lsn: int = 0
    """Place in the log since which changes are noted: that of the position before it, so that the
    piece has the same one when it is read again. Its rows are as old, for those who number them:
    what was told before lies before it, what is told later behind it, or was noted."""


async def read_piece(
    session: Connection,
    names: Names,
    piece: Piece,
    *,
    after: str | None,
    since: str | None = None,
    until: str | None = None,
    rows_max: int,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Piece:
    """Read the piece behind a key, and mark it in the log.

    Args:
        session: Autocommit, in text.
        names: Of the table and its key.
        piece: To be filled; changes of the log are noted in it already.
        after: Key, exclusive; None: from the first.
        since: Key, inclusive; None: from the first.
        until: Key, exclusive; None: to the last.
        rows_max: How many.
        sleep: Waits for transactions that are under way.
    """
    await until_ended(session, await reached(session), sleep)
    columns = await _columns(session, names)
    piece.columns = Columns.of(columns, names.key)
    conditions = [(">", after), (">=", since), ("<", until)]
    found = await session.execute(_query(names, columns, conditions, rows_max))
    result = found.pgresult
    assert result is not None, "a query has a result"
    assert result.fformat(0) == Format.TEXT, "read as the log writes it"
    width = range(result.nfields)
    piece.rows = [[result.get_value(row, one) for one in width] for row in range(result.ntuples)]
    piece.is_last = len(piece.rows) < rows_max
    if piece.rows:
        piece.last_key = (piece.rows[-1][piece.columns.key] or b"").decode()
    await session.execute(
        "SELECT pg_logical_emit_message(true, %s, %s::text)", [PREFIX, piece.token]
    )
    return piece


def _query(
    names: Names,
    columns: Sequence[tuple[str, int]],
    conditions: Sequence[tuple[LiteralString, str | None]],
    rows_max: int,
) -> sql.Composed:
    key = sql.Identifier(names.key)
    wanted = [
        sql.SQL("{} " + operator + " {}").format(key, sql.Literal(value))
        for operator, value in conditions
        if value is not None
    ]
    return sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT {}").format(
        sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns),
        names.quoted,
        sql.SQL(" AND ").join(wanted) if wanted else sql.SQL("true"),
        key,
        sql.Literal(rows_max),
    )


async def reached(session: Connection) -> int:
    """Draw a transaction id: every transaction that has written anything has a lower one.

    Why drawn: the upper end of a snapshot is behind the last that has ended, and one that still
    runs may be higher.
    """
    return int(await _one(session, "SELECT pg_current_xact_id()::text"))


async def until_ended(
    session: Connection, ahead: int, sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Wait until all transactions have ended that had begun to write.

    Args:
        session: Autocommit.
        ahead: Transaction id that none of them has reached: `reached`.
        sleep: Waits.
    """
    pause = _LOOK_S
    while int(await _one(session, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text")) < ahead:
        await sleep(pause)
        pause = min(pause * 2, _LOOK_MAX_S)


async def present(session: Connection) -> int:
    """Tell where the log is now."""
    return lsn_of(await _one(session, "SELECT pg_current_wal_insert_lsn()::text"))


async def _columns(session: Connection, names: Names) -> list[tuple[str, int]]:
    """Find the columns that the log tells too, in its order: all but generated ones."""
    schema, table = names.table.split(".", 1)
    found = await session.execute(
        "SELECT part.attname, part.atttypid::bigint FROM pg_attribute AS part"
        " JOIN pg_class AS one ON one.oid = part.attrelid"
        " JOIN pg_namespace AS space ON space.oid = one.relnamespace"
        " WHERE space.nspname = %s AND one.relname = %s AND part.attnum > 0"
        " AND NOT part.attisdropped AND part.attgenerated = '' ORDER BY part.attnum",
        [schema, table],
    )
    return [(str(name), int(oid)) for name, oid in await found.fetchall()]


async def _one(session: Connection, query: LiteralString) -> str:
    found = await session.execute(query)
    row = await found.fetchone()
    assert row is not None, "one row"
    return str(row[0])
