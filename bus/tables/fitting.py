"""Fitting rows to a schema: the values of each field, or every reason why there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bus.contracts.json_value import from_json
from bus.contracts.schema_shape import Shape
from bus.contracts.value_check import find_misfits
from bus.contracts.yaml_document import some_of
from bus.model.record import Operation
from bus.tables.mapping import FieldSource, RowCondition
from bus.tables.problems import Problem, ProblemKind
from bus.tables.table import BadRow, Cell, Row
from bus.tables.targets import Target
from bus.tables.values import Notation, Refused, as_text, value_of

_SPACES: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedRow:
    """One row as values that an Avro encoder takes for the schema."""

    number: int
    values: Mapping[str, object]
    """By field; fields without a source are absent, their default or null applies."""
    version: int | None = None
    """The record's version, where the mapping says which column keeps it."""
    operation: Operation | None = None
    """What the row does to its entry, where the mapping says which column tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A table's columns joined to a schema's fields."""

    fields: tuple[BoundField, ...]
    conditions: tuple[RowCondition, ...]
    version: BoundField | None
    operation: BoundField | None
    unmapped_columns: tuple[str, ...]
    """Columns of the table that no field takes; their values are not published."""
    unfilled_fields: tuple[str, ...]
    """Fields that no column fills and that do without: null or their default."""

    def apply(self, row: Row) -> MappedRow | BadRow | None:
        """Fit one row to the schema.

        Returns: The values; or every reason why they can't be had; or None when the mapping's
            conditions pass the row over.
        """
        problems = [
            Problem(kind=ProblemKind.NESTED_VALUE, column=condition.column)
            for condition in self.conditions
            if _is_nested(row.cells.get(condition.column))
        ]
        if problems:
            return BadRow(number=row.number, problems=tuple(problems))
        if not all(_holds(condition, row) for condition in self.conditions):
            return None
        values = {field.target.name: field.value(row, problems) for field in self.fields}
        version = None if self.version is None else self.version.value(row, problems)
        operation = None if self.operation is None else self.operation.value(row, problems)
        if problems:
            return BadRow(number=row.number, problems=tuple(problems))
        assert version is None or isinstance(version, int)
        return MappedRow(
            number=row.number,
            values=values,
            version=version,
            operation=None if operation is None else Operation(str(operation)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundField:
    """One field and where its value comes from."""

    target: Target
    source: FieldSource
    notation: Notation
    personal: bool
    """The field's values stay out of messages."""

    def value(self, row: Row, problems: list[Problem]) -> object:
        """Take this field's value from a row.

        Args:
            row: Of the table.
            problems: Is given every reason why there is no value; what is returned is none then.
        """
        cell = self._cell(row)
        if self.target.shape is not None and cell is not None:
            return self._json_value(cell, self.target.shape, problems)
        if _is_nested(cell):
            problems.append(self._problem(Refused(ProblemKind.NESTED_VALUE), None))
            return None
        ready = _prepared(cell, self.source)
        value: object = ready
        if ready is None and not self.target.nullable:
            value, cell = Refused(ProblemKind.VALUE_MISSING), None
        elif ready is not None and not isinstance(ready, Refused):
            value = value_of(ready, self.target, self.notation)
        if isinstance(value, Refused):
            problems.append(self._problem(value, cell))
        return value

    def _json_value(self, cell: Cell, shape: Shape, problems: list[Problem]) -> object:
        """Take a cell whole, as a value that JSON can write; its misfits are told without it."""
        value = from_json(shape, cell)
        problems += [
            Problem(
                kind=ProblemKind.MISFIT,
                field=misfit.path,
                column=self.source.column,
                found=misfit.found,
                expected=misfit.expected,
            )
            for misfit in find_misfits(shape, value, self.target.name)
        ]
        return value

    def _cell(self, row: Row) -> Cell:
        """Take the cell; of several that are joined, the first that is nested."""
        cells = [row.cells.get(column) for column in self.source.sources]
        if self.source.columns is not None:
            joined = self.source.join.join(text for text in map(as_text, cells) if text) or None
            return next(filter(_is_nested, cells), joined)
        return cells[0] if cells else self.source.constant

    def _problem(self, refused: Refused, cell: Cell) -> Problem:
        return Problem(
            kind=refused.kind,
            field=self.target.name,
            column=", ".join(self.source.sources) or None,
            found=None if self.personal or cell is None else as_text(cell),
            expected=refused.expected,
        )


def _is_nested(cell: Cell) -> bool:
    return isinstance(cell, (list, dict))


def _holds(condition: RowCondition, row: Row) -> bool:
    text = as_text(row.cells.get(condition.column))
    if condition.starts_with is not None:
        return text.startswith(condition.starts_with)
    if condition.one_of is not None:
        return text in condition.one_of
    assert condition.matches is not None
    return re.search(condition.matches, text) is not None


def _prepared(cell: Cell, source: FieldSource) -> Cell | Refused:
    """Do the mapping's steps to a cell; a cell that needs none keeps its type."""
    if cell is None:
        return None
    original = as_text(cell)
    text = _cleaned(original, source)
    if source.pattern is not None:
        match = re.search(source.pattern, text)
        if match is None or match[1] is None:
            return Refused(ProblemKind.PATTERN_NOT_FOUND, source.pattern)
        text = match[1].strip()
    if not text or text in source.empty:
        return None
    if source.map is not None:
        if text not in source.map:
            return Refused(ProblemKind.NOT_IN_MAP, some_of(source.map))
        return source.map[text]
    if source.pad_left is not None:
        text = text.rjust(source.pad_left.width, source.pad_left.sign)
    return cell if text == original else text


def _cleaned(text: str, source: FieldSource) -> str:
    if source.strip is not None:
        text = text.strip(source.strip + " ")
    if source.collapse_spaces:
        text = " ".join(text.split())
    if source.remove is not None:
        if " " in source.remove:
            text = _SPACES.sub("", text)
        text = text.translate({ord(sign): None for sign in source.remove})
    return text.strip()
