"""JSON Lines: one object a line, its names are the columns; a cell may hold lists and objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, cast

from bus.errors import DocumentError, Finding, Words
from bus.tables.encoding import Encoding
from bus.tables.lines import REPLACEMENT, read_lines
from bus.tables.problems import Problem, ProblemKind
from bus.tables.table import EMPTY_ROW, BadRow, Cell, FoundRow, Row
from bus.texts import message

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
                raise self._unusable(message("error.tables.many_names", count=_COLUMNS_MAX))
        if not names:
            raise self._unusable(message("error.tables.no_object"))
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
                yield BadRow(number=number, problems=(cells,), raw=line.rstrip("\r\n"))
            elif all(cell is None for cell in cells.values()):
                yield EMPTY_ROW
            else:
                yield Row(number=number, cells=cells)

    def _cells(self, line: str) -> dict[str, Cell] | Problem:
        if REPLACEMENT in line:
            return Problem(kind=ProblemKind.UNREADABLE_SIGN, expected=self.encoding)
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs, parse_constant=_refuse_constant)
            return _cells_of(pairs)
        except (ValueError, RecursionError):
            return Problem(kind=ProblemKind.NOT_A_JSON_OBJECT)

    def _unusable(self, found: Words) -> DocumentError:
        finding = Finding(
            path=str(self.path),
            found=found,
            expected=message("error.tables.object_a_line"),
            remedy=message("error.tables.state_or_export"),
        )
        return DocumentError(message("error.tables.unreadable", path=self.path), (finding,))


class _Pairs(list[tuple[str, object]]):
    """An object as its pairs, so that a doubled name can be seen; nested ones are lists too."""


def _cells_of(pairs: object) -> dict[str, Cell] | Problem:
    if not isinstance(pairs, _Pairs):
        return Problem(kind=ProblemKind.NOT_A_JSON_OBJECT)
    cells: dict[str, Cell] = {}
    for name, value in pairs:
        if name in cells:
            return Problem(kind=ProblemKind.DOUBLED_NAME, column=name)
        kind = _problem_inside(value)
        if kind is not None:
            return Problem(kind=kind, column=name)
        plain = value.strip() or None if isinstance(value, str) else _plain(value)
        cells[name] = cast("Cell", plain)
    return cells


def _problem_inside(value: object) -> ProblemKind | None:
    """Find a NUL character or a doubled name at any depth of one value.

    The doubled name itself is not told: in a map it may be personal data.
    """
    inner: list[object] = []
    match value:
        case str():
            return ProblemKind.NUL_BYTE if "\0" in value else None
        case _Pairs():
            if len({name for name, _ in value}) < len(value):
                return ProblemKind.DOUBLED_NAME_INSIDE
            inner = [part for pair in value for part in pair]
        case list():
            inner = value
    return next(filter(None, map(_problem_inside, inner)), None)


def _plain(value: object) -> object:
    """Make mappings of the objects in a value whose names are known to differ."""
    match value:
        case _Pairs():
            return {name: _plain(item) for name, item in value}
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
