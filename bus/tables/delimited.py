"""CSV and its kin, read so that a broken row costs itself and never its neighbours."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from bus.errors import DocumentError, Finding, Words
from bus.tables.encoding import Encoding
from bus.tables.lines import REPLACEMENT, read_lines
from bus.tables.problems import Problem, ProblemKind
from bus.tables.table import EMPTY_ROW, BadRow, Cell, FoundRow, Row, column_names, positions
from bus.texts import message

DELIMITERS: Final = (";", ",", "\t", "|")
RECORD_LINES_MAX: Final = 100
_SNIFFED_RECORDS_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How cells are written."""

    delimiter: str
    quote: str
    """Empty: cells are never quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelimitedFile:
    """A delimited file about which everything is known but its rows."""

    path: Path
    encoding: Encoding
    dialect: Dialect
    header: bool
    skip_rows: int

    def columns(self) -> tuple[tuple[str, ...], int | None]:
        """Read the column names and the line they stand in; None without a header.

        Raises: DocumentError: no row at all, a header that can't be read, or doubled names.
        """
        for number, found, _ in self._records():
            problem = found if isinstance(found, Problem) else self._problem(found, len(found))
            if problem is not None:
                raise self._unusable(number, problem)
            assert not isinstance(found, Problem)
            if not any(found):
                continue
            if not self.header:
                return positions(len(found)), None
            cells = [cell or None for cell in found]
            return column_names(cells, file=str(self.path), row=number), number
        raise self._unusable(self.skip_rows + 1, message("error.tables.no_row"))

    def rows(self, columns: tuple[str, ...], header_row: int | None) -> Iterator[FoundRow]:
        """Read the rows below the header."""
        for number, found, raw in self._records():
            if header_row is not None and number <= header_row:
                continue
            row = self._row(number, found, columns)
            yield replace(row, raw=raw) if isinstance(row, BadRow) else row

    def first_rows(self, count: int) -> list[tuple[int, tuple[Cell, ...]]]:
        """Read the first records as they stand: line and cells, those that are broken left out."""
        return [
            (number, tuple(cell or None for cell in found))
            for number, found, _ in islice(self._records(), count)
            if not isinstance(found, Problem)
        ]

    def _row(self, number: int, found: list[str] | Problem, columns: tuple[str, ...]) -> FoundRow:
        problem = found if isinstance(found, Problem) else self._problem(found, len(columns))
        if problem is not None:
            return BadRow(number=number, problems=(problem,))
        assert not isinstance(found, Problem)
        if not any(found):
            return EMPTY_ROW
        cells = (cell or None for cell in found)
        return Row(number=number, cells=dict(zip(columns, cells, strict=False)))

    def _problem(self, cells: list[str], width: int) -> Problem | None:
        whole = "".join(cells)
        if "\0" in whole:
            return Problem(kind=ProblemKind.NUL_BYTE)
        if REPLACEMENT in whole:
            return Problem(kind=ProblemKind.UNREADABLE_SIGN, expected=self.encoding)
        # Why: a surplus of empty cells is a habit of exporters and loses nothing.
        if any(cells[width:]):
            return Problem(kind=ProblemKind.TOO_MANY_CELLS, expected=str(width))
        if len(cells) < width and whole:
            return Problem(kind=ProblemKind.TOO_FEW_CELLS, expected=str(width))
        return None

    def _records(self) -> Iterator[tuple[int, list[str] | Problem, str]]:
        """Give each record's first line and its stripped cells, or why it has none, and itself."""
        source = read_lines(self.path, self.encoding, skip_rows=self.skip_rows)
        lines = _Lines(source, first_number=self.skip_rows + 1)
        reader = _reader(lines, self.dialect)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _EndlessRecordError) as error:
                lines.give_back()
                yield lines.number, _problem_of(error), lines.taken
                reader = _reader(lines, self.dialect)
            else:
                yield lines.number, [cell.strip() for cell in cells], lines.taken
            lines.begin()

    def _unusable(self, line: int, found: Words) -> DocumentError:
        wanted = "error.tables.row_of_names" if self.header else "error.tables.row_of_values"
        finding = Finding(
            path=f"{self.path}:{line}",
            found=found,
            expected=message(wanted),
            remedy=message("error.tables.state_how_to_read"),
        )
        return DocumentError(message("error.tables.no_first_row", path=self.path), (finding,))


def sniff_delimiter(sample: list[str], quote: str) -> str:
    """Choose the delimiter that cuts most lines into one and the same number of cells.

    Args:
        sample: Lines from the file's start.
        quote: Sign around cells that may contain a delimiter; empty: none.

    Returns: Ties go to the delimiter that makes more cells; `;` when none makes two.
    """

    def fitness(delimiter: str) -> float:
        dialect = Dialect(delimiter=delimiter, quote=quote)
        widths: Counter[int] = Counter()
        try:
            for cells in _reader(iter(sample), dialect, strict=False):
                if cells:
                    widths[len(cells)] += 1
        except csv.Error:
            return 0.0
        if not widths:
            return 0.0
        width, rows = max(widths.items(), key=lambda item: (item[1], item[0]))
        return rows / widths.total() * (1 - 1 / width)

    return max(DELIMITERS, key=fitness)


def sniffed_lines(path: Path, encoding: Encoding, *, skip_rows: int) -> list[str]:
    """Read the lines that `sniff_delimiter` looks at."""
    lines = read_lines(path, encoding, skip_rows=skip_rows)
    return [line for line, _ in zip(lines, range(_SNIFFED_RECORDS_MAX), strict=False)]


class _EndlessRecordError(Exception):
    """A quoted cell goes on for too many lines; csv.reader is left by it."""


class _Lines:
    """Hands lines to csv.reader, and takes back those of a record that turned out broken."""

    def __init__(self, source: Iterator[str], *, first_number: int) -> None:
        self.number = first_number
        """Line in the file at which the present record begins."""
        self._source = source
        self._again: deque[str] = deque()
        self._taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self._taken) >= RECORD_LINES_MAX:
            raise _EndlessRecordError
        line = self._again.popleft() if self._again else next(self._source)
        self._taken.append(line)
        return line

    @property
    def taken(self) -> str:
        """Lines of the present record."""
        return "".join(self._taken).rstrip("\r\n")

    def begin(self) -> None:
        """Start the next record after the lines taken."""
        self.number += len(self._taken)
        self._taken.clear()

    def give_back(self) -> None:
        """Keep only the first line of the present record; the others are read again."""
        self._again.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]


def _reader(lines: Iterator[str], dialect: Dialect, *, strict: bool = True) -> Iterator[list[str]]:
    if not dialect.quote:
        return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE, strict=strict)
    return csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=strict)


def _problem_of(error: Exception) -> Problem:
    told = str(error)
    if "field limit" in told:
        limit = str(csv.field_size_limit())
        return Problem(kind=ProblemKind.CELL_TOO_LARGE, expected=limit)
    if isinstance(error, _EndlessRecordError) or "unexpected end" in told:
        return Problem(kind=ProblemKind.QUOTE_NOT_CLOSED, expected=str(RECORD_LINES_MAX))
    return Problem(kind=ProblemKind.QUOTE_INSIDE)
