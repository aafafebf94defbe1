"""PostgreSQL's own format of logical decoding, `pgoutput`, version 1: bytes in, changes out. Pure.

Why our own: psycopg reads the stream and leaves its content alone, and a decoder of the few
messages that one table needs is shorter than what it would take to adapt a foreign one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias


class _Unchanged:
    """The type of `UNCHANGED`."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = _Unchanged()
"""A large value (TOAST) that an update left as it was, and that is not sent again: no null."""

Value: TypeAlias = bytes | _Unchanged | None
"""As text; None is null."""
Tuple: TypeAlias = list[Value]

_BEGIN: Final = Struct("!QqI").unpack_from
_COMMIT: Final = Struct("!BQQq").unpack_from
_COLUMN: Final = Struct("!Ii").unpack_from
_INT: Final = Struct("!I").unpack_from
_SHORT: Final = Struct("!H").unpack_from
_NULL, _SAME = ord("n"), ord("u")
_OLD_KEY, _OLD_ROW = ord("K"), ord("O")


@dataclass(slots=True)
class Begin:
    """A transaction begins."""

    commit: int
    """Where its commit lies."""
    at_us: int
    """When that was, microseconds since 2000 UTC."""


@dataclass(slots=True)
class Commit:
    """It ends."""

    end: int
    """Behind its commit: who reads on from here gets everything that was committed later."""


@dataclass(slots=True)
class Relation:
    """What the columns of a table are, before its first change and after each change of them."""

    table: int
    name: str
    columns: tuple[tuple[str, int], ...]
    """Name and type."""


@dataclass(slots=True)
class Change:
    """A row was inserted (no old one), updated, or deleted (no new one)."""

    table: int
    old: Tuple | None
    """None in an update too, where the table's replica identity is its key and that is the same."""
    new: Tuple | None
    is_old_whole: bool = False
    """Else it has values of its key alone."""
    is_insert: bool = False


@dataclass(slots=True)
class Truncate:
    """All rows of these tables are gone at once."""

    tables: Sequence[int]


@dataclass(slots=True)
class Note:
    """`pg_logical_emit_message`."""

    prefix: str
    content: bytes


Event: TypeAlias = Begin | Commit | Relation | Change | Truncate | Note


def decoded(data: bytes) -> Event | None:
    """Decode one message; None: one that says nothing about rows (an origin, a type).

    Raises:
        ValueError: It is none of protocol version 1.
    """
    match data[0:1]:
        case b"I":
            table = _INT(data, 1)[0]
            return Change(table, None, _tuple(data, 6)[0], is_insert=True)
        case b"U" | b"D":
            return _with_old(data)
        case b"B":
            commit, at_us, _ = _BEGIN(data, 1)
            return Begin(commit, at_us)
        case b"C":
            return Commit(_COMMIT(data, 1)[2])
        case b"R":
            return _relation(data)
        case b"T":
            count = _INT(data, 1)[0]
            return Truncate([_INT(data, 6 + 4 * place)[0] for place in range(count)])
        case b"M":
            prefix, start = _text(data, 10)
            return Note(prefix, data[start + 4 :])
        case b"O" | b"Y":
            return None
        case kind:
            raise ValueError(f"message {kind!r}")


def _with_old(data: bytes) -> Change:
    table, kind, start = _INT(data, 1)[0], data[5], 6
    old: Tuple | None = None
    if kind in {_OLD_KEY, _OLD_ROW}:
        old, start = _tuple(data, 6)
        start += 1  # the letter of the new one
    new = None if data[0:1] == b"D" else _tuple(data, start)[0]
    return Change(table, old, new, is_old_whole=kind == _OLD_ROW)


def _tuple(data: bytes, start: int) -> tuple[Tuple, int]:
    """Read the values of a row; also where they end."""
    count, place = _SHORT(data, start)[0], start + 2
    values: Tuple = []
    for _ in range(count):
        kind = data[place]
        place += 1
        if kind == _NULL:
            values.append(None)
        elif kind == _SAME:
            values.append(UNCHANGED)
        else:
            end = place + 4 + _INT(data, place)[0]
            values.append(data[place + 4 : end])
            place = end
    return values, place


def _relation(data: bytes) -> Relation:
    schema, place = _text(data, 5)
    name, place = _text(data, place)
    count, place = _SHORT(data, place + 1)[0], place + 3
    columns = []
    for _ in range(count):
        column, place = _text(data, place + 1)
        columns.append((column, _COLUMN(data, place)[0]))
        place += 8
    return Relation(_INT(data, 1)[0], f"{schema}.{name}", tuple(columns))


def _text(data: bytes, start: int) -> tuple[str, int]:
    """Read a text that ends with a zero; also where what follows begins."""
    end = data.index(0, start)
    return data[start:end].decode(), end + 1
