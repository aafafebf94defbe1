"""XLSX, XLS and ODS, read by calamine; the whole workbook is in memory while it is read."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Final, TypeAlias

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from bus.errors import DocumentError, Finding
from bus.tables.problems import Problem, ProblemKind
from bus.tables.table import (
    EMPTY_ROW,
    BadRow,
    Cell,
    FoundRow,
    MergedCells,
    Row,
    column_names,
    positions,
)
from bus.texts import finding_at, message

CELLS_MAX: Final = 20_000_000
SIZE_BYTES_MAX: Final = 64 * 2**20
UNPACKED_BYTES_MAX: Final = 1024 * 2**20
_CHUNK_BYTES: Final = 2**20
_SHEET: Final = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_FILLED_CELL: Final = re.compile(
    rb"""<(?:\w+:)?c\s[^>]*?\br=["']([A-Z]{1,3})([0-9]{1,7})["']([^>]*)>"""
)
_CELL_BYTES: Final = 256
_DIGITS_KEPT: Final = 15
"""Excel keeps 15 significant digits of a number; what follows is made up."""

_Stored: TypeAlias = int | float | str | bool | time | date | datetime | timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRows:
    """One sheet with data."""

    path: Path
    name: str
    other_names: tuple[str, ...]
    rows: tuple[tuple[int, tuple[Cell, ...]], ...]
    """Row number in the sheet and its cells, without the skipped and leading empty ones."""
    merged: tuple[MergedCells, ...]
    header: bool

    def columns(self) -> tuple[tuple[str, ...], int | None]:
        """Tell the column names and the row they stand in; None without a header."""
        number, first = self.rows[0]
        if not self.header:
            return positions(len(first)), None
        return column_names(first, file=f"{self.path}[{self.name}]", row=number), number

    def found_rows(self, columns: tuple[str, ...], header_row: int | None) -> Iterator[FoundRow]:
        """Give the rows below the header."""
        for number, cells in self.rows:
            if header_row is not None and number <= header_row:
                continue
            yield _found_row(number, dict(zip(columns, cells, strict=True)))


def read_sheet(path: Path, *, sheet: str | None, header: bool, skip_rows: int) -> SheetRows:
    """Read one sheet of a workbook.

    Args:
        path: An XLSX, XLS or ODS file of at most 64 MiB.
        sheet: Its name; None: the first visible sheet with data.
        header: Whether the first row below `skip_rows` names the columns.
        skip_rows: Rows of the sheet to pass over.

    Raises: DocumentError: not a workbook, too large, under a password, no such sheet, no data.
    """
    _refuse_large(path)
    _refuse_wide(path)
    try:
        with CalamineWorkbook.from_path(str(path)) as workbook:
            names = _visible_names(workbook)
            if sheet is not None and sheet not in workbook.sheet_names:
                raise _no_sheet(path, sheet, workbook.sheet_names)
            with_data = [
                name for name in names if workbook.get_sheet_by_name(name).start is not None
            ]
            chosen = sheet or next(iter(with_data), None)
            rows = () if chosen is None else _rows(workbook.get_sheet_by_name(chosen), skip_rows)
            merged = () if chosen is None else _merged(workbook.get_sheet_by_name(chosen))
    except PasswordError as error:
        raise _unreadable(path, "error.tables.workbook_locked") from error
    except CalamineError as error:
        raise _unreadable(path, "error.tables.workbook_damaged", problem=error) from error
    if chosen is None or not rows:
        if chosen is None:
            raise _unreadable(path, "error.tables.no_sheet_with_data")
        raise _unreadable(path, "error.tables.sheet_without_data", sheet=chosen)
    others = tuple(name for name in with_data if name != chosen)
    return SheetRows(
        path=path, name=chosen, other_names=others, rows=rows, merged=merged, header=header
    )


def _rows(sheet: CalamineSheet, skip_rows: int) -> tuple[tuple[int, tuple[Cell, ...]], ...]:
    numbered = (
        (number, tuple(_cell(stored) for stored in row))
        for number, row in enumerate(sheet.iter_rows(), start=1)
        if number > skip_rows
    )
    rows = list(numbered)
    while rows and all(cell is None for cell in rows[0][1]):
        rows.pop(0)
    return tuple(rows)


def _merged(sheet: CalamineSheet) -> tuple[MergedCells, ...]:
    return tuple(
        MergedCells(
            first_row=first[0] + 1,
            last_row=last[0] + 1,
            first_column=first[1] + 1,
            last_column=last[1] + 1,
        )
        for first, last in sheet.merged_cell_ranges or ()
    )


def _cell(stored: _Stored) -> Cell:
    """Turn what the workbook stores into a cell; a whole number is an int.

    calamine itself gives a moment at midnight as a day, and an error value (`#N/A`) as empty.
    """
    if isinstance(stored, str):
        return stored.strip() or None
    if isinstance(stored, bool):
        return stored
    if isinstance(stored, float):
        return int(stored) if stored.is_integer() else stored
    if isinstance(stored, time):
        return stored.isoformat()
    if isinstance(stored, timedelta):
        return str(stored)
    return stored


def _found_row(number: int, cells: dict[str, Cell]) -> FoundRow:
    if all(cell is None for cell in cells.values()):
        return EMPTY_ROW
    problems = tuple(
        Problem(kind=ProblemKind.DIGITS_LOST, column=column, expected=str(_DIGITS_KEPT))
        for column, cell in cells.items()
        if isinstance(cell, int) and abs(cell) >= 10**_DIGITS_KEPT
    )
    if not problems:
        return Row(number=number, cells=cells)
    raw = json.dumps(cells, ensure_ascii=False, default=str)
    return BadRow(number=number, problems=problems, raw=raw)


def _visible_names(workbook: CalamineWorkbook) -> list[str]:
    return [
        sheet.name
        for sheet in workbook.sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
    ]


def _refuse_large(path: Path) -> None:
    """Refuse before anything is unpacked: a small archive can hold a machine's whole memory."""
    size_bytes = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked_bytes = sum(member.file_size for member in archive.infolist())
    else:
        unpacked_bytes = size_bytes
    if size_bytes > SIZE_BYTES_MAX or unpacked_bytes > UNPACKED_BYTES_MAX:
        sizes = {"size_bytes": size_bytes, "unpacked_bytes": unpacked_bytes}
        raise _unreadable(path, "error.tables.workbook_large", **sizes)


def _refuse_wide(path: Path) -> None:
    """Refuse an XLSX whose cells lie so far apart that the table between them fills the memory.

    Why before it is opened: calamine makes room for every cell of the rectangle at once, and ends
    the process where there is none. Of ODS it counts them itself; an XLS has 16.8 million at most.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if _SHEET.fullmatch(name):
                with archive.open(name) as part:
                    rows, columns = _extent(part)
                if rows * columns > CELLS_MAX:
                    told = {"cells": rows * columns, "cells_max": CELLS_MAX}
                    raise _unreadable(path, "error.tables.workbook_wide", **told)


def _extent(part: IO[bytes]) -> tuple[int, int]:
    """Tell the last row and the last column of a sheet's cells that hold something."""
    rows = columns = 0
    rest = b""
    while chunk := part.read(_CHUNK_BYTES):
        text = rest + chunk
        for letters, digits, more in _FILLED_CELL.findall(text):
            if not more.endswith(b"/"):
                rows, columns = max(rows, int(digits)), max(columns, _column(letters))
        rest = text[-_CELL_BYTES:]
    return rows, columns


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _no_sheet(path: Path, sheet: str, names: Sequence[str]) -> DocumentError:
    finding = finding_at(
        str(path), "error.tables.unknown_sheet", sheet=sheet, sheets=", ".join(names)
    )
    return DocumentError(message("error.tables.no_sheet", path=path), (finding,))


def _unreadable(path: Path, key: str, **values: object) -> DocumentError:
    """Refuse a workbook; `key` names the texts of what was found and of the remedy."""
    finding = Finding(
        path=str(path),
        found=message(f"{key}.found", **values),
        expected=message("error.tables.workbook_with_data", size_bytes_max=SIZE_BYTES_MAX),
        remedy=message(f"{key}.remedy", **values),
    )
    return DocumentError(message("error.tables.unreadable", path=path), (finding,))
