"""Which Avro type a column's cells have, and which column is the registry number. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from connectors.source import Cell

_WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER: Final = re.compile(
    r"-?[0-9]{1,3}(?:[\s\u00a0\u202f]?[0-9]{3})*(?:[.,][0-9]+)?|-?[0-9]+[.,][0-9]+"
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}")
_MOMENT: Final = re.compile(rf"(?:{_DAY.pattern})[T ][0-9]{{2}}:[0-9]{{2}}.*")
_BOOLEANS: Final = frozenset({"true", "false", "да", "нет"})
_KEY_NAMES: Final = re.compile(
    r"(?:^|[^\w])(?:id|код|code|number|номер|инн|огрн|inn|ogrn|kod|guid|uuid)(?:$|[^\w])|_id$",
    re.IGNORECASE,
)
_MILLIS: Final = {"type": "long", "logicalType": "timestamp-millis"}

Is = Callable[[Cell], bool]


def type_of(cells: Sequence[Cell]) -> Mapping[str, Any] | str:
    """Tell the narrowest Avro type that takes every cell; empty cells say nothing.

    A number with a zero in front is a text: a code loses it as a number.
    """
    filled = [cell for cell in cells if cell is not None]
    for kind, takes in _TYPES:
        if filled and all(takes(cell) for cell in filled):
            return kind
    return "string"


def key_of(columns: Mapping[str, Sequence[Cell]], rows: int) -> str | None:
    """Tell the column that numbers the rows: filled and different in each, best by its name."""
    unique = [
        name
        for name, cells in columns.items()
        if rows > 1
        and len(cells) == rows
        and None not in cells
        and len({str(cell) for cell in cells}) == rows
        and type_of(cells) in ("string", "long")
    ]
    return next((name for name in unique if _KEY_NAMES.search(name)), next(iter(unique), None))


def _matches(pattern: re.Pattern[str]) -> Is:
    return lambda cell: isinstance(cell, str) and pattern.fullmatch(cell) is not None


def _is_boolean(cell: Cell) -> bool:
    return isinstance(cell, bool) or (isinstance(cell, str) and cell.casefold() in _BOOLEANS)


def _is_whole(cell: Cell) -> bool:
    return (isinstance(cell, int) and not isinstance(cell, bool)) or _matches(_WHOLE)(cell)


def _is_number(cell: Cell) -> bool:
    if isinstance(cell, str):
        is_code = len(cell) > 1 and cell[0] == "0" and cell[1].isdigit()
        return not is_code and _NUMBER.fullmatch(cell) is not None
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _is_day(cell: Cell) -> bool:
    if isinstance(cell, date):
        return not isinstance(cell, datetime)
    return _matches(_DAY)(cell)


def _is_moment(cell: Cell) -> bool:
    return isinstance(cell, date) or _matches(_MOMENT)(cell) or _matches(_DAY)(cell)


_TYPES: Final[Sequence[tuple[Mapping[str, Any] | str, Is]]] = (
    ("boolean", _is_boolean),
    ("long", _is_whole),
    ("double", _is_number),
    ({"type": "int", "logicalType": "date"}, _is_day),
    (_MILLIS, _is_moment),
)
