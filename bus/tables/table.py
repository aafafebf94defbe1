"""What a table is, whatever file it came from: columns, rows, and what was assumed of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum, unique
from typing import Final, TypeAlias

from bus.errors import DocumentError, Finding
from bus.tables.encoding import Encoding
from bus.tables.problems import Problem
from bus.texts import finding_at, message

Nested: TypeAlias = list[object] | dict[str, object]
"""A list or an object of a JSON Lines file, its texts as they stand there."""
Cell: TypeAlias = str | int | float | bool | date | datetime | Nested | None
"""One value without padding; None is an empty cell."""


@unique
class Format(StrEnum):
    """Kinds of files that are read."""

    DELIMITED = "delimited"
    """CSV, TSV and their kin."""
    JSON_LINES = "json_lines"
    XLSX = "xlsx"
    XLS = "xls"
    ODS = "ods"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row with at least one value."""

    number: int
    """Line (text formats: of the row's first line) or row (Excel) in the file, from 1."""
    cells: Mapping[str, Cell]
    """By column, in the table's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that can't be used, with every reason that is known."""

    number: int
    problems: tuple[Problem, ...]
    raw: str = field(default="", repr=False, compare=False)
    """As it stands there, as far as it is text; empty: not kept."""


@dataclass(frozen=True, slots=True)
class EmptyRow:
    """A row without any value; skipped and counted by `Table`."""


EMPTY_ROW: Final = EmptyRow()
FoundRow: TypeAlias = Row | BadRow | EmptyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedCells:
    """Cells of a sheet that are one: the value stands in the first, the others read as empty."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int
    """All from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What was detected or stated about a file, for the sender to confirm before it is used."""

    format: Format
    encoding: Encoding | None = None
    """None: Excel."""
    encoding_confidence: float = 1.0
    """0 to 1; 1.0 when stated, when a byte order mark says it, or when all bytes agree."""
    delimiter: str | None = None
    """None: not a delimited file."""
    quote: str | None = None
    """None: not a delimited file; empty: cells are never quoted."""
    header_row: int | None = None
    """Line or row of the column names; None: columns are called `1`, `2` and so on."""
    sheet: str | None = None
    other_sheets: tuple[str, ...] = ()
    """Sheets with data that were not read."""
    merged_ranges: int = 0
    """Merged cells below the header: all but the first cell of each are read as empty."""
    stated: frozenset[str] = frozenset()
    """Names of the above that the caller stated."""


@dataclass(slots=True, kw_only=True)
class Table:
    """A table whose rows are read while iterating; each iteration reads from the start."""

    assumptions: Assumptions
    columns: tuple[str, ...]
    rows_total_hint: int
    """Rows to expect: exact for Excel, for text formats the lines below the header."""
    read: Callable[[], Iterator[FoundRow]] = field(repr=False)
    empty_rows: int = 0
    """Empty rows that the latest iteration has passed so far."""

    @property
    def holds_json(self) -> bool:
        """Tell whether cells may hold lists and objects."""
        return self.assumptions.format is Format.JSON_LINES

    def __iter__(self) -> Iterator[Row | BadRow]:
        self.empty_rows = 0
        for found in self.read():
            if isinstance(found, EmptyRow):
                self.empty_rows += 1
            else:
                yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table before anything in it is taken to be its header."""

    assumptions: Assumptions
    merged: tuple[MergedCells, ...]
    first_rows: Callable[[int], Sequence[tuple[int, tuple[Cell, ...]]]] = field(repr=False)
    """Number of each of so many first rows, from 1, and its cells."""
    rows_below: Callable[[tuple[str, ...], int | None], Iterator[FoundRow]] = field(repr=False)
    """Rows below that number, by these columns."""


def column_names(header: Sequence[Cell], *, file: str, row: int) -> tuple[str, ...]:
    """Take the column names from a header's cells; a column without a name gets its position.

    Args:
        header: Cells of the header, left to right.
        file: Name of the file, for the message.
        row: Where the header stands in it, from 1.

    Raises: DocumentError: two columns have one name, so a cell could not be told by its column.
    """
    names: list[str] = []
    findings: list[Finding] = []
    for position, cell in enumerate(header, start=1):
        name = " ".join(str(cell).split()) if cell is not None else str(position)
        if name in names:
            findings.append(
                finding_at(
                    f"{file}:{row}",
                    "error.tables.doubled_column",
                    name=name,
                    first=names.index(name) + 1,
                    second=position,
                )
            )
        names.append(name)
    if findings:
        raise DocumentError(message("error.tables.doubled_columns", file=file), findings)
    return tuple(names)


def positions(count: int) -> tuple[str, ...]:
    """Name the columns of a table without a header: `1`, `2` and so on."""
    return tuple(str(position) for position in range(1, count + 1))
