"""Kinds of rules that a contract may hold: documents people write, each field checked on reading.

A rule says what is demanded of one field (or of two, `compare`) of a registry record. Rules are
compiled into one function per schema version by `bus.contracts.compile`; nothing here is called
for a record.

Which values meet a rule: a null meets every kind but `required` and `cel`, so an optional field is
judged only when it is given; a `cel` expression says itself what holds for null. A field inside a
nested record is written with dots, `address.oktmo`; it is null when a record around it is null.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum, unique
from typing import Annotated, Literal, Self, TypeAlias, assert_never

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)

from bus.contracts.cel_syntax import paths_read
from bus.contracts.check_digits import Algorithm
from bus.model.verdict import Severity
from bus.texts import message

RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
FieldPath = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")
]
Limit: TypeAlias = StrictInt | Decimal | date | AwareDatetime
"""A limit of a range: a number, a day, or a moment with its time zone."""


class _Document(BaseModel):
    """Frozen, and unknown keys are refused: a misspelt key must not pass for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(_Document):
    """Words for people, in both languages of the region's users."""

    ru: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
    en: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _RuleBase(_Document):
    """What every kind of rule has."""

    id: RuleId
    """Unique in its contract; stands in violations, metrics and tickets."""
    severity: Severity = Severity.QUARANTINE
    text: Text
    """What is demanded, for the agency that has to mend its record."""
    versions: tuple[int, ...] | None = None
    """Schema versions that it holds for; None: all that have its fields."""


class RequiredRule(_RuleBase):
    """The field has a value: not null, not a text of blanks alone, not an empty list or map."""

    kind: Literal["required"]
    field: FieldPath


class PatternRule(_RuleBase):
    """The whole text matches a regular expression (Python syntax, anchored at both ends).

    A text of more than 1,000 characters breaks the rule without being searched.
    """

    kind: Literal["pattern"]
    field: FieldPath
    pattern: Annotated[str, StringConstraints(min_length=1)]

    @model_validator(mode="after")
    def _is_an_expression(self) -> Self:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(
                message("error.rule.expects.pattern", pattern=self.pattern, problem=error)
            ) from error
        return self


class RangeRule(_RuleBase):
    """A number, day or moment lies between limits, both included; one of them may be left out."""

    kind: Literal["range"]
    field: FieldPath
    minimum: Limit | None = None
    maximum: Limit | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError(message("error.rule.expects.range_limit"))
        return self


class LengthRule(_RuleBase):
    """A text has so many characters, or a list or map so many items; both limits included."""

    kind: Literal["length"]
    field: FieldPath
    minimum: Annotated[int, Field(ge=0)] | None = None
    maximum: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _has_limits_in_order(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError(message("error.rule.expects.length_limit"))
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            limits = {"minimum": self.minimum, "maximum": self.maximum}
            raise ValueError(message("error.rule.expects.limits_in_order", **limits))
        return self


class EnumerationRule(_RuleBase):
    """The value is one of those listed here."""

    kind: Literal["enumeration"]
    field: FieldPath
    values: Annotated[tuple[StrictStr | StrictInt, ...], Field(min_length=1)]


class CodePeriod(_Document):
    """A code and the days on which it may be used, both included; None: without an end."""

    code: Annotated[StrictStr, StringConstraints(min_length=1)]
    valid_from: date | None = None
    valid_to: date | None = None


def _plain_code(entry: object) -> object:
    """Let a list of codes be written plainly when they hold for ever."""
    return {"code": entry} if isinstance(entry, str) else entry


class CodeListRule(_RuleBase):
    """The text is a code of a list, valid on a day.

    The list stands here (`codes`) or in a file beside the contract (`file`), which the reader of
    the contract turns into codes with `with_codes` before the rule is compiled. One code may
    stand several times with different periods.
    """

    kind: Literal["code_list"]
    field: FieldPath
    codes: tuple[Annotated[CodePeriod, BeforeValidator(_plain_code)], ...] = ()
    file: str | None = None
    at: FieldPath | None = None
    """Field (a day or moment) that says when the code must be valid; None, or null in the
    record: the day of the broker's append time, UTC."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if bool(self.codes) == (self.file is not None):
            raise ValueError(message("error.rule.expects.codes"))
        return self

    def with_codes(self, codes: tuple[CodePeriod, ...]) -> CodeListRule:
        """Return the rule with the content of its file in place of the file's name.

        Raises: pydantic.ValidationError: `codes` is empty.
        """
        fields = dict(self) | {"codes": codes, "file": None}
        return CodeListRule.model_validate(fields)


class CheckDigitsRule(_RuleBase):
    """The text is an identifier of a known kind whose form and check digits are right."""

    kind: Literal["check_digits"]
    field: FieldPath
    algorithm: Algorithm


@unique
class Operator(StrEnum):
    """How `field` stands to `other`."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"


class CompareRule(_RuleBase):
    """Two fields stand in order: `field` `operator` `other`; holds when either is null."""

    kind: Literal["compare"]
    field: FieldPath
    operator: Operator
    other: FieldPath


class EventTimeRule(_RuleBase):
    """A day or moment is plausible: not after the broker's append time, not before a day.

    A field that is a day has no time zone, so it is measured where the day begins first
    (UTC+14): a record of today's date, sent just after local midnight, is not in the future.
    """

    kind: Literal["event_time"]
    field: FieldPath
    tolerance_s: Annotated[int, Field(ge=0)] = 300
    """Allowed advance of the agency's clock over the broker's."""
    not_before: date | None = None


def _expression(text: str) -> str:
    paths_read(text)  # refuses what is no expression
    return text


class CelRule(_RuleBase):
    """An expression in Common Expression Language (CEL) over the record's fields is true.

    A null is `null`. A day or moment is a timestamp (days begin at 00:00 UTC), a decimal the whole
    number of its last place (`12.50` of scale 2 is 1250), an enum or UUID its text. `appended_at`
    is the broker's append time. What can't be evaluated breaks the rule. Only scalar fields can be
    read, no moment without a time zone and no nullable moment inside a record.
    """

    kind: Literal["cel"]
    field: FieldPath
    """The field to mend; named in the violation."""
    expression: Annotated[
        str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(_expression)
    ]


Rule: TypeAlias = Annotated[
    RequiredRule
    | PatternRule
    | RangeRule
    | LengthRule
    | EnumerationRule
    | CodeListRule
    | CheckDigitsRule
    | CompareRule
    | EventTimeRule
    | CelRule,
    Field(discriminator="kind"),
]


def fields_of(rule: Rule) -> tuple[str, ...]:
    """Tell which field paths a rule reads, its own field first."""
    match rule:
        case CompareRule():
            return (rule.field, rule.other)
        case CodeListRule():
            return (rule.field,) if rule.at is None else (rule.field, rule.at)
        case CelRule():
            return (rule.field, *(p for p in paths_read(rule.expression) if p != rule.field))
        case RequiredRule() | PatternRule() | RangeRule() | LengthRule() | EnumerationRule():
            return (rule.field,)
        case CheckDigitsRule() | EventTimeRule():
            return (rule.field,)
        case _:
            assert_never(rule)


def rules_for_version(
    rules: Iterable[Rule], *, number: int, paths: frozenset[str]
) -> tuple[Rule, ...]:
    """Choose the rules that hold for one schema version, in the contract's order.

    Args:
        rules: All rules of the contract.
        number: The schema version, from 1.
        paths: Field paths that this version has (`bus.contracts.schema_shape.field_paths`).

    A rule that names `versions` is chosen by them alone, so that the compiler can report a field
    it lacks; any other is chosen when the version has all of its fields.
    """
    return tuple(
        rule
        for rule in rules
        if (paths.issuperset(fields_of(rule)) if rule.versions is None else number in rule.versions)
    )
