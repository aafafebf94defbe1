"""Where a table's header stands, and what its columns are called. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bus.client import MergedCells
from connectors.source import Cell
from connectors.sources.formats.found import Unreadable
from connectors.sources.formats.options import FileOptions
from connectors.texts import message

LOOKED_AT_ROWS: Final = 200
_NUMBERED_COLUMNS_MIN: Final = 5
_HEADER_ROWS_MAX: Final = 6
_JOINT: Final = " / "

Numbered = tuple[int, tuple[Cell, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A table's columns, and the last row that is none of its data."""

    columns: tuple[str, ...]
    last_row: int | None
    """Of header, preamble or column numbers; None: data begin with the first row."""


def find_layout(
    rows: Sequence[Numbered], merged: Sequence[MergedCells], options: FileOptions
) -> Layout:
    """Tell the columns of a table.

    Args:
        rows: Its first rows as they stand, with their numbers.
        merged: Its merged cells; a text has none.
        options: What is stated of it.

    Raises:
        Unreadable: There is no row, or two columns have one name.
    """
    filled = [
        (number, cells)
        for number, cells in rows
        if number > (options.skip_rows or 0) and any(cells)
    ]
    if not filled:
        raise Unreadable(message("folder.no_row"))
    if options.header_rows == 0:
        widths = Counter(len(cells) for _, cells in filled)
        width = max(widths, key=lambda one: (widths[one], one))
        return Layout(
            columns=tuple(str(place) for place in range(1, width + 1)),
            last_row=options.skip_rows or None,
        )
    start = 0 if options.skip_rows is not None else _start(filled, merged)
    header, below = _header(filled[start:], merged, options)
    last_row = header[-1][0]
    if below and _are_column_numbers(below[0][1], options.column_numbers):
        last_row = below[0][0]
    return Layout(columns=_names(header, merged), last_row=last_row)


def _start(filled: Sequence[Numbered], merged: Sequence[MergedCells]) -> int:
    """Find the first row that is as wide as a header: what stands above is a title, a date."""
    width = max(_count(cells) for _, cells in filled)
    for place, (number, cells) in enumerate(filled):
        spread = sum(
            one.last_column - one.first_column
            for one in merged
            if one.first_row <= number <= one.last_row and one.last_column > one.first_column
        )
        if _count(cells) >= min(2, width) and _count(cells) + spread >= width / 2:
            return place
    return 0


def _header(
    rows: Sequence[Numbered], merged: Sequence[MergedCells], options: FileOptions
) -> tuple[Sequence[Numbered], Sequence[Numbered]]:
    """Part the rows of the header from those below."""
    if options.header_rows is not None:
        return rows[: options.header_rows], rows[options.header_rows :]
    if options.column_numbers is not False:
        for count in range(1, min(_HEADER_ROWS_MAX, len(rows) - 1) + 1):
            if _are_column_numbers(rows[count][1], options.column_numbers):
                return rows[:count], rows[count:]
    first = rows[0][0]
    last = max((one.last_row for one in merged if one.first_row == first), default=first)
    count = max(1, sum(number <= last for number, _ in rows[:_HEADER_ROWS_MAX]))
    return rows[:count], rows[count:]


def _are_column_numbers(cells: Sequence[Cell], stated: bool | None) -> bool:  # noqa: FBT001 - three values
    if stated is False:
        return False
    numbers = [str(cell).strip() for cell in cells if cell is not None]
    least = 1 if stated else _NUMBERED_COLUMNS_MIN
    wanted = [str(place) for place in range(1, len(numbers) + 1)]
    return len(numbers) >= least and numbers == wanted and not any(cells[len(numbers) :])


def _names(header: Sequence[Numbered], merged: Sequence[MergedCells]) -> tuple[str, ...]:
    width = max(len(cells) for _, cells in header)
    levels = [
        _spread(number, cells, width, merged, is_last=number == header[-1][0])
        for number, cells in header
    ]
    names: list[str] = []
    for place in range(width):
        parts = dict.fromkeys(" ".join(level[place].split()) for level in levels)
        names.append(_JOINT.join(filter(None, parts)) or str(place + 1))
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise Unreadable(message("folder.columns_doubled", names=", ".join(doubled)))
    return tuple(names)


def _spread(
    number: int,
    cells: Sequence[Cell],
    width: int,
    merged: Sequence[MergedCells],
    *,
    is_last: bool,
) -> list[str]:
    """Write a row of the header with the texts of merged cells over all columns they cover."""
    texts = ["" if cell is None else str(cell) for cell in cells]
    texts += [""] * (width - len(texts))
    for one in merged:
        if one.first_row == number:
            text = texts[one.first_column - 1]
            for place in range(one.first_column - 1, min(one.last_column, width)):
                texts[place] = text
    if not merged and not is_last:
        # Why: a text has lost its merged cells; a group's title stands over its first column.
        for place in range(1, width):
            texts[place] = texts[place] or texts[place - 1]
    return texts


def _count(cells: Sequence[Cell]) -> int:
    return sum(cell is not None for cell in cells)
