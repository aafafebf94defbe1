"""Fitting rows to a schema: the values of each field, or every reason why there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bus.contracts.yaml_document import some_of
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A table's columns joined to a schema's fields."""

    fields: tuple[BoundField, ...]
    conditions: tuple[RowCondition, ...]
    version: BoundField | None
    unmapped_columns: tuple[str, ...]
    """Columns of the table that no field takes; their values are not published."""
    unfilled_fields: tuple[str, ...]
    """Fields that no column fills and that do without: null or their default."""

    def apply(self, row: Row) -> MappedRow | BadRow | None:
        """Fit one row to the schema.

        Returns: The values; or every reason why they can't be had; or None when the mapping's
            conditions pass the row over.
        """
        if not all(_holds(condition, row) for condition in self.conditions):
            return None
        values: dict[str, object] = {}
        problems: list[Problem] = []
        for field in self.fields:
            value = field.value(row)
            if isinstance(value, Problem):
                problems.append(value)
            else:
                values[field.target.name] = value
        version = None if self.version is None else self.version.value(row)
        if isinstance(version, Problem):
            problems.append(version)
        if problems:
            return BadRow(number=row.number, problems=tuple(problems))
        assert version is None or isinstance(version, int)
        return MappedRow(number=row.number, values=values, version=version)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundField:
    """One field and where its value comes from."""

    target: Target
    source: FieldSource
    notation: Notation
    personal: bool
    """The field's values stay out of messages."""

    def value(self, row: Row) -> object:
        """Take this field's value from a row; a `Problem` when there is none that fits."""
        cell = self._cell(row)
        ready = _prepared(cell, self.source)
        if isinstance(ready, Refused):
            return self._problem(ready, cell)
        if ready is None:
            if self.target.nullable:
                return None
            return self._problem(Refused(ProblemKind.VALUE_MISSING), None)
        value = value_of(ready, self.target, self.notation)
        return self._problem(value, cell) if isinstance(value, Refused) else value

    def _cell(self, row: Row) -> Cell:
        if self.source.columns is not None:
            texts = (as_text(row.cells.get(column)) for column in self.source.columns)
            return self.source.join.join(text for text in texts if text) or None
        if self.source.column is not None:
            return row.cells.get(self.source.column)
        return self.source.constant

    def _problem(self, refused: Refused, cell: Cell) -> Problem:
        return Problem(
            kind=refused.kind,
            field=self.target.name,
            column=", ".join(self.source.sources) or None,
            found=None if self.personal or cell is None else as_text(cell),
            expected=refused.expected,
        )


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
