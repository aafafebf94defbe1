"""CSV, TSV, JSON Lines, XLSX, XLS and ODS, by the bus's own reader of tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bus.client import BadRow, Grid, MergedCells, Table, TableOptions, TableRow, open_grid
from bus.errors import DocumentError
from connectors.source import Bad, Cell, Row
from connectors.sources.formats.found import Rows, Unreadable, words_of
from connectors.sources.formats.header import LOOKED_AT_ROWS, Layout, find_layout
from connectors.sources.formats.options import FileOptions


def read_sheets(path: Path, name: str, options: FileOptions) -> Rows:
    """Read a table, or each sheet of a workbook.

    Args:
        path: Where it is.
        name: What its people call it.
        options: What is stated of it.

    Raises:
        Unreadable: It is none, or damaged, or has no header.
    """
    try:
        first = _opened(path, options, options.sheets[0] if options.sheets else None)
        yield from _rows_of(first, name, options)
        others = options.sheets[1:] if options.sheets else first.assumptions.other_sheets
        for sheet in others:
            yield from _rows_of(_opened(path, options, sheet), name, options)
    except DocumentError as problem:
        raise Unreadable(words_of(problem)) from problem


def _opened(path: Path, options: FileOptions, sheet: str | None) -> Grid | Table:
    stated = TableOptions(
        encoding=options.encoding, delimiter=options.delimiter, quote=options.quote, sheet=sheet
    )
    return open_grid(path, stated)


def _rows_of(table: Grid | Table, name: str, options: FileOptions) -> Rows:
    sheet = table.assumptions.sheet
    place = name if sheet is None else f"{name}[{sheet}]"
    if isinstance(table, Table):
        yield from (_found(one, place) for one in table)
        return
    try:
        layout = find_layout(table.first_rows(LOOKED_AT_ROWS), table.merged, options)
    except Unreadable as problem:
        yield Bad(raw="", why=problem.why, place=place)
        return
    fill = _filler(table.merged, layout) if options.fill_merged else _as_it_is
    for row in table.rows_below(layout.columns, layout.last_row):
        if isinstance(row, BadRow):
            yield _found(row, place)
        elif isinstance(row, TableRow) and not is_total(row.cells, options):
            yield Row(fill(row.number, row.cells), place=f"{place}:{row.number}")


def _found(row: TableRow | BadRow, place: str) -> Row | Bad:
    if isinstance(row, TableRow):
        return Row(row.cells, place=f"{place}:{row.number}")
    problem = row.problems[0]
    return Bad(raw=row.raw, why=problem, place=f"{place}:{row.number}", column=problem.column)


def is_total(cells: Mapping[str, Cell], options: FileOptions) -> bool:
    """Tell whether a row sums up others: one of its first two columns says so."""
    first = [cell for _, cell in zip(range(2), cells.values(), strict=False)]
    text = next((one for one in first if one is not None), None)
    if not isinstance(text, str) or not options.totals:
        return False
    said = " ".join(text.casefold().split()).rstrip(" :.")
    return said in options.totals or said.startswith(f"{options.totals[0]} ")


Fill = Callable[[int, Mapping[str, Cell]], Mapping[str, Cell]]


def _as_it_is(_number: int, cells: Mapping[str, Cell]) -> Mapping[str, Cell]:
    return cells


def _filler(merged: tuple[MergedCells, ...], layout: Layout) -> Fill:
    """Make what gives the value of cells merged downwards to each row that they cover."""
    wanted: dict[int, list[MergedCells]] = {}
    for one in merged:
        if one.first_row > (layout.last_row or 0):
            for number in range(one.first_row, one.last_row + 1):
                wanted.setdefault(number, []).append(one)
    values: dict[MergedCells, Any] = {}

    def fill(number: int, cells: Mapping[str, Cell]) -> Mapping[str, Cell]:
        covering = wanted.get(number)
        if covering is None:
            return cells
        filled = dict(cells)
        for one in covering:
            column = layout.columns[one.first_column - 1]
            if number == one.first_row:
                values[one] = cells[column]
            elif filled[column] is None:
                filled[column] = values.get(one)
        return filled

    return fill
