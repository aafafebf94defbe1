r"""The mapping file beside a contract: how a table's columns become the fields of a record.

```yaml
# mapping.oktmo.yaml
table: {encoding: windows-1251, delimiter: ";", header: false}
rows:
  - {column: 1, matches: "^36 6\\d\\d \\d\\d\\d$"}
fields:
  code: {column: 1, remove: " "}
  name: {column: 3, strip: "-/ ", collapse_spaces: true}
  source: {constant: ОК 033-2013}
```

What happens to a value, always in this order: its cells are taken and joined; `strip`,
`collapse_spaces`, `remove`; `pattern` takes a part; texts in `empty` become no value; `map`
replaces; `pad_left`; the result is read as the field's Avro type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bus.contracts.yaml_document import YamlDocument, findings_of, read_yaml
from bus.errors import DocumentError
from bus.tables.options import TableOptions
from bus.texts import message

_WIDTH_MAX: Final = 64

ColumnName = Annotated[str, Field(min_length=1, coerce_numbers_to_str=True)]
"""A header's name, or the position of a column (from 1) in a table without a header."""


class _Document(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )


class PadLeft(_Document):
    """Bring a text to a width; Excel, for one, drops the zeros a code begins with."""

    width: Annotated[int, Field(ge=1, le=_WIDTH_MAX)]
    sign: Annotated[str, Field(alias="with", min_length=1, max_length=1)] = "0"


class FieldSource(_Document):
    """Where the value of one field comes from, and what is done to it on the way."""

    column: ColumnName | None = None
    columns: Annotated[tuple[ColumnName, ...], Field(min_length=2)] | None = None
    """Several, joined with `join`; empty cells are left out."""
    join: str = " "
    constant: str | int | float | bool | None = None
    """The same value in every row."""
    strip: str | None = None
    """Signs taken off both ends; spaces are, always."""
    collapse_spaces: bool = False
    """Runs of spaces and line breaks become one space."""
    remove: str | None = None
    """Signs taken out everywhere; a space stands for every kind of space."""
    pattern: str | None = None
    """A regular expression with one group: the part that is the value."""
    empty: tuple[str, ...] = ()
    """Texts that mean no value, such as `-`; an empty cell always does."""
    map: Mapping[str, str | int | bool | None] | None = None
    """Value of the table → value of the field, null for none; others are refused."""
    pad_left: PadLeft | None = None
    decimal_comma: bool = False
    """Decimals stand after a comma, not after a point."""
    date_format: str | None = None
    """As in `strptime`: `%d.%m.%Y`; not stated: 2026-01-31 and 31.01.2026 are both read."""

    @field_validator("pattern")
    @classmethod
    def _pattern_has_one_group(cls, pattern: str | None) -> str | None:
        if pattern is not None and _compiled(pattern).groups != 1:
            raise ValueError(message("error.tables.expects.pattern_with_group"))
        return pattern

    @model_validator(mode="after")
    def _has_one_source(self) -> FieldSource:
        stated = {"column", "columns", "constant"} & self.model_fields_set
        if len(stated) != 1:
            raise ValueError(message("error.tables.expects.one_source"))
        if "join" in self.model_fields_set and self.columns is None:
            raise ValueError(message("error.tables.expects.join_beside_columns"))
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Columns that the value is made of."""
        if self.columns is not None:
            return self.columns
        return (self.column,) if self.column is not None else ()

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the options that make something else of a cell than what stands in it."""
        return tuple(
            name
            for name in type(self).model_fields
            if name not in {"column", "constant", "join"} and name in self.model_fields_set
        )


class RowCondition(_Document):
    """A row is taken only if the text of this column fits; an empty cell is an empty text."""

    column: ColumnName
    starts_with: str | None = None
    one_of: tuple[str, ...] | None = None
    matches: str | None = None
    """A regular expression that must be found in the text."""

    @field_validator("matches")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            _compiled(pattern)
        return pattern

    @model_validator(mode="after")
    def _has_one_test(self) -> RowCondition:
        tests = (self.starts_with, self.one_of, self.matches)
        if sum(test is not None for test in tests) != 1:
            raise ValueError(message("error.tables.expects.one_test"))
        return self


class TableMapping(_Document):
    """One mapping file."""

    table: TableOptions = TableOptions()
    rows: tuple[RowCondition, ...] = ()
    """All must hold; the other rows are passed over."""
    time_zone: str | None = None
    """Zone of moments that are written without one: `Europe/Samara`."""
    version: FieldSource | None = None
    """The record's version, where the contract says that a column keeps it."""
    operation: FieldSource | None = None
    """What a row does to its entry: create, correct, annul or cease, as they stand or by a `map`
    of the table's own words; empty or null: its values are so."""
    event_time: str | None = None
    """Field of the dataset's schema, a day or a moment, that says when a row's content came to be;
    without it, and where it is null: when the row is published."""
    fields: Annotated[Mapping[str, FieldSource], Field(min_length=1)]
    """By field of the dataset's newest schema."""

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise ValueError(message("error.tables.expects.zone")) from error
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingFile:
    """A mapping and the document it stands in, which knows the line of each part."""

    mapping: TableMapping
    document: YamlDocument


def read_mapping(file: str, content: bytes) -> MappingFile:
    """Read a mapping file.

    Args:
        file: Its name, for findings.
        content: Its bytes.

    Raises: DocumentError: not YAML, unknown or missing names, wrong values; every finding at once.
    """
    document = read_yaml(file, content)
    try:
        mapping = TableMapping.model_validate(document.value)
    except ValidationError as error:
        findings = findings_of(document, error, TableMapping)
        raise DocumentError(message("error.tables.mapping_invalid", file=file), findings) from error
    return MappingFile(mapping=mapping, document=document)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(message("error.tables.expects.pattern", problem=error)) from error
