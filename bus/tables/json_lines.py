"""JSON Lines: one object a line, its names are the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, cast

from bus.errors import DocumentError, Finding
from bus.tables.encoding import Encoding
from bus.tables.lines import REPLACEMENT, read_lines
from bus.tables.problems import Problem, ProblemKind
from bus.tables.table import EMPTY_ROW, BadRow, Cell, FoundRow, Row

_COLUMNS_MAX: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLinesFile:
    """A JSON Lines file about which everything is known but its rows."""

    path: Path
    encoding: Encoding
    skip_rows: int

    def columns(self) -> tuple[str, ...]:
        """Collect the names of all objects, in the order of first use.

        The whole file is read: a name that first appears late would otherwise be lost.

        Raises: DocumentError: no object with a value, or more than 1,000 names.
        """
        names: dict[str, None] = {}
        for found in self.rows():
            if isinstance(found, Row):
                names.update(dict.fromkeys(found.cells))
            if len(names) > _COLUMNS_MAX:
                raise self._unusable(f"more than {_COLUMNS_MAX:,} different names")
        if not names:
            raise self._unusable("no line with an object that has a value")
        return tuple(names)

    def rows(self) -> Iterator[FoundRow]:
        """Read the objects line by line."""
        lines = read_lines(self.path, self.encoding, skip_rows=self.skip_rows)
        for number, line in enumerate(lines, start=self.skip_rows + 1):
            if not line.strip():
                yield EMPTY_ROW
                continue
            cells = self._cells(line)
            if isinstance(cells, Problem):
                yield BadRow(number=number, problems=(cells,))
            elif all(cell is None for cell in cells.values()):
                yield EMPTY_ROW
            else:
                yield Row(number=number, cells=cells)

    def _cells(self, line: str) -> dict[str, Cell] | Problem:
        if REPLACEMENT in line:
            return Problem(kind=ProblemKind.UNREADABLE_SIGN, expected=self.encoding)
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return Problem(kind=ProblemKind.NOT_A_JSON_OBJECT)
        if not isinstance(pairs, _Pairs):
            return Problem(kind=ProblemKind.NOT_A_JSON_OBJECT)
        cells: dict[str, Cell] = {}
        for name, value in pairs:
            if name in cells:
                return Problem(kind=ProblemKind.DOUBLED_NAME, column=name)
            if isinstance(value, list):
                return Problem(kind=ProblemKind.NESTED_VALUE, column=name)
            if isinstance(value, str) and "\0" in value:
                return Problem(kind=ProblemKind.NUL_BYTE, column=name)
            stripped = value.strip() or None if isinstance(value, str) else value
            cells[name] = cast("Cell", stripped)
        return cells

    def _unusable(self, found: str) -> DocumentError:
        finding = Finding(
            path=str(self.path),
            found=found,
            expected="one JSON object a line, with at most a few hundred names",
            remedy="State the encoding or the rows to skip, or export the table again.",
        )
        return DocumentError(f"{self.path}: no table can be read", (finding,))


class _Pairs(list[tuple[str, object]]):
    """An object as its pairs, so that a doubled name can be seen; nested ones are lists too."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
