"""Which characters the parts of a regular expression read. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from re import _parser  # type: ignore[attr-defined] # the only reader of Python's own syntax
from typing import Any, Final

_SAMPLES: Final = frozenset("0٣aAzZяЯ_ \t\n-.,!\u2028\u00a0€")
"""A character of every class that a pattern can name by a letter, and of none."""


def reads(operation: str, value: Any, one: str, flags: int) -> bool:  # noqa: ANN401 - the parser's own
    """Tell whether an operation that reads one character reads this one.

    Args:
        operation: Its name in Python's parser.
        value: What goes with it there.
        one: The character.
        flags: Of the pattern, as `re` numbers them.
    """
    if operation == "ANY":
        return one != "\n" or bool(flags & re.DOTALL)
    named = [(operation, value)] if operation != "IN" else [(str(o), v) for o, v in value]
    is_negated = named[0][0] == "NEGATE"
    written = {one, one.lower(), one.upper()} if flags & re.IGNORECASE else {one}
    return is_negated != any(_names(o, v, case) for o, v in named for case in written)


def _names(operation: str, value: Any, one: str) -> bool:  # noqa: ANN401 - the parser's own
    match operation:
        case "LITERAL":
            return one == chr(value)
        case "NOT_LITERAL":
            return one != chr(value)
        case "RANGE":
            return len(one) == 1 and value[0] <= ord(one) <= value[1]
        case "CATEGORY":
            kind = str(value).removeprefix("CATEGORY_")
            belongs = {
                "DIGIT": one.isdecimal(),
                "SPACE": one.isspace(),
                "WORD": one.isalnum() or one == "_",
            }
            return belongs[kind.removeprefix("NOT_")] != kind.startswith("NOT_")
        case _:
            return False


def _nested(tree: object) -> Iterator[tuple[str, Any]]:
    """Give every operation of a tree, however deep."""
    for item in tree if isinstance(tree, list | tuple | _parser.SubPattern) else ():
        if isinstance(item, tuple) and len(item) == 2 and hasattr(item[0], "name"):  # noqa: PLR2004 - a pair
            yield str(item[0]), item[1]
            yield from _nested(item[1])
        else:
            yield from _nested(item)


def flags_within(tree: object) -> int:
    """Join the flags that groups set for themselves: they may read more, never less."""
    flags = 0
    for operation, value in _nested(tree):
        if operation == "SUBPATTERN":
            flags |= value[1]
    return flags


def samples_of(tree: object) -> frozenset[str]:
    """Choose characters so that two sets which share any character share one of these."""
    return _SAMPLES | frozenset(_characters_named(tree))


def _characters_named(tree: object) -> Iterator[str]:
    """Give a character on each side of every limit that the pattern draws."""
    for operation, value in _nested(tree):
        ends = [value] if operation in {"LITERAL", "NOT_LITERAL"} else []
        if operation == "RANGE":
            ends = [value[0] - 1, *value, value[1] + 1]
        for end in ends:
            if 0 <= end <= sys.maxunicode:
                yield from {chr(end), chr(end).lower(), chr(end).upper()}
