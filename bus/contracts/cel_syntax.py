"""What an expression in Common Expression Language (CEL) reads, told from its syntax alone.

The parser hands its tree over in the language's own protobuf form (`cel/expr/syntax.proto`);
fields have the numbers below. Types are checked later, by `bus.contracts.cel_source`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from bus.texts import message

APPENDED_AT: Final = "appended_at"
"""Name under which an expression knows the broker's append time; never a field."""

_CONTENT: Final = 2
"""Of the outermost message: the parsed expression. Of that one: the expression itself."""
_IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 4, 5, 6, 7, 8, 9
_PARTS: Final = {_SELECT: (1,), _CALL: (1, 3), _LIST: (1,), _STRUCT: (2,)}
"""Kind of node → numbers of the nodes inside it."""
_NAME: Final = 1
_OPERAND, _MEMBER = 1, 2
_ENTRY_KEY, _ENTRY_VALUE = 3, 4
_ITERATION, _RANGE, _RESULT, _RESULT_BEGINS, _GOES_ON, _STEP, _OUTCOME, _SECOND = range(1, 9)
_VARINT, _BYTES = 0, 2
_FIXED_BYTES: Final = {1: 8, 5: 4}
"""Way of writing a number → its size."""
_PLACE: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ")


def expression_fault(error: Exception) -> str:
    """Put the library's message about an expression into one line: where, and what."""
    first, *_ = str(error).partition("\n")
    told = _PLACE.sub(r"line \1, column \2: ", first).removeprefix("INVALID_ARGUMENT: ")
    return told.replace(" (in container '')", "").partition(" expecting {")[0]


@cache
def paths_read(expression: str) -> tuple[str, ...]:
    """Tell which fields an expression reads, dotted, in the order of their first reading.

    Raises: ValueError: not an expression; the message says where.
    """
    # Why here: the library is loaded only where a contract has such rules.
    from cel_expr_python import cel  # noqa: PLC0415

    try:
        parsed = cel.NewEnv().compile(expression, disable_check=True).serialize()
    except RuntimeError as error:
        fault = expression_fault(error)
        raise ValueError(message("error.cel.no_expression", fault=fault)) from error
    tree = _one(_one(parsed, _CONTENT), _CONTENT)
    found = dict.fromkeys(_paths(tree, frozenset()))
    found.pop(APPENDED_AT, None)
    return tuple(found)


def _paths(node: bytes, bound: frozenset[str]) -> Iterator[str]:
    """Walk one node; `bound` are the names that macros around it give to list items."""
    path = _path(node)
    if path is not None:
        if path.partition(".")[0] not in bound:
            yield path
        return
    for kind, value in _fields(node):
        if not isinstance(value, bytes):
            continue
        if kind == _COMPREHENSION:
            yield from _comprehension(value, bound)
        for part in (part for number in _PARTS.get(kind, ()) for part in _all(value, number)):
            if kind == _STRUCT:
                for half in (*_all(part, _ENTRY_KEY), *_all(part, _ENTRY_VALUE)):
                    yield from _paths(half, bound)
            else:
                yield from _paths(part, bound)


def _comprehension(node: bytes, bound: frozenset[str]) -> Iterator[str]:
    names = (*_all(node, _ITERATION), *_all(node, _RESULT), *_all(node, _SECOND))
    inside = bound | {name.decode() for name in names}
    for part in (*_all(node, _RANGE), *_all(node, _RESULT_BEGINS)):
        yield from _paths(part, bound)
    for number in (_GOES_ON, _STEP, _OUTCOME):
        for part in _all(node, number):
            yield from _paths(part, inside)


def _path(node: bytes) -> str | None:
    """Read an identifier, or members of one joined with dots; None: another kind of node."""
    for ident in _all(node, _IDENT):
        return _one(ident, _NAME).decode()
    for select in _all(node, _SELECT):
        path = _path(_one(select, _OPERAND))
        return None if path is None else f"{path}.{_one(select, _MEMBER).decode()}"
    return None


def _one(message: bytes, number: int) -> bytes:
    return next(iter(_all(message, number)), b"")


def _all(message: bytes, number: int) -> list[bytes]:
    return [value for n, value in _fields(message) if n == number and isinstance(value, bytes)]


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Read the fields of a protobuf message: number, and a number or the bytes of a part."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            number, at = _varint(message, at)
            yield tag >> 3, number
        elif kind == _BYTES:
            size, at = _varint(message, at)
            yield tag >> 3, message[at : at + size]
            at += size
        else:
            at += _FIXED_BYTES[kind]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the bit that says more follow
            return number, at
