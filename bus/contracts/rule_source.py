"""Write Python that evaluates every rule of a contract on decoded fields, without a call for each.

Each rule becomes one condition that is true where the rule is broken; a broken rule adds its
violation to `found`, so violations come complete and in the contract's order. The values are in
local variables as `bus.contracts.avro_source` decodes them: limits of days, moments and decimals
are turned into the field's own unit here, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from bus.contracts.check_digits import CHECKS
from bus.contracts.code_periods import days_of, is_code_valid, periods_of
from bus.contracts.rule_fields import (
    FieldValue,
    common_factors,
    follow,
    lower_limit,
    upper_limit,
)
from bus.contracts.rules import (
    CheckDigitsRule,
    CodeListRule,
    CompareRule,
    EnumerationRule,
    EventTimeRule,
    LengthRule,
    Operator,
    PatternRule,
    RangeRule,
    RequiredRule,
    Rule,
    fields_of,
)
from bus.contracts.schema_shape import (
    ArrayShape,
    BinaryShape,
    EnumShape,
    IntegerShape,
    MapShape,
    RecordShape,
    Resolution,
    TextShape,
)
from bus.contracts.source_writer import SourceWriter
from bus.errors import Finding
from bus.model.verdict import Violation

_SIGNS: Final = {
    Operator.EQ: "==",
    Operator.NE: "!=",
    Operator.LT: "<",
    Operator.LE: "<=",
    Operator.GT: ">",
    Operator.GE: ">=",
}
_MS_PER_DAY: Final = int(Resolution.MILLISECOND)
_EARLIEST_ZONE_MS: Final = 14 * 3_600_000
"""UTC+14, where each day begins first."""
_NEVER: Final = "False"


PATTERN_TEXT_MAX: Final = 1_000
"""Characters; a longer text breaks every pattern rule without being searched."""


class RuleSource:
    """Turns rules into conditions; keeps which fields they read and which rules make no sense."""

    def __init__(self, writer: SourceWriter, record: RecordShape, *, where: str) -> None:
        """Prepare to write.

        Args:
            writer: Receives code and constants.
            record: What the rules speak of.
            where: Name of the schema in findings.
        """
        self.findings: list[Finding] = []
        self.fields: dict[str, FieldValue] = {}
        """Path → field that a condition reads and the decoder must therefore decode."""
        self._writer = writer
        self._record = record
        self._where = where

    def field(self, path: str) -> FieldValue | None:
        """Ask for the decoded value of a field; None: there is no such field."""
        if path not in self.fields:
            found = follow(self._record, path)
            if found is None:
                return None
            local = f"field_{len(self.fields)}_{path.replace('.', '_')}"
            shape, is_nullable = found
            self.fields[path] = FieldValue(
                path=path, shape=shape, is_nullable=is_nullable, local=local
            )
        return self.fields[path]

    def conditions(self, rules: Iterable[Rule]) -> list[tuple[Rule, str]]:
        """Give each rule its condition, an expression that is true where the rule is broken."""
        pairs = []
        for rule in rules:
            fields = [self.field(path) for path in fields_of(rule)]
            known = [field for field in fields if field is not None]
            if len(known) < len(fields):
                self._find(rule, f"field {' or '.join(fields_of(rule))}", "fields of this version")
                continue
            condition = self._condition(rule, known)
            if condition is None:
                shapes = ", ".join(type(field.shape).__name__ for field in known)
                self._find(rule, f"{rule.kind} on {shapes}", _SUITABLE[rule.kind])
            elif condition != _NEVER:
                pairs.append((rule, condition))
        return pairs

    def write(self, pairs: Iterable[tuple[Rule, str]]) -> None:
        """Write the conditions: `found` ends as the tuple of all violations."""
        self._writer.line("found = ()")
        for rule, condition in pairs:
            violation = Violation(rule=rule.id, path=rule.field, severity=rule.severity)
            name = self._writer.constant("VIOLATION", (violation,))
            self._writer.line(f"if {condition}: found += {name}  # {rule.id}")

    def _find(self, rule: Rule, found: str, expected: str) -> None:
        self.findings.append(
            Finding(
                path=f"{self._where} rule {rule.id}",
                found=found,
                expected=expected,
                remedy="Mend the rule, or name the schema versions it holds for in `versions`.",
            )
        )

    def _condition(self, rule: Rule, fields: Sequence[FieldValue]) -> str | None:
        """Write one rule's condition; None: no rule of this kind can judge such a field."""
        field = fields[0]
        match rule:
            case RequiredRule():
                return _required(field)
            case CompareRule():
                return _compare(rule, field, fields[1])
            case PatternRule():
                broken = self._pattern(rule, field)
            case RangeRule():
                broken = _range(rule, field)
            case LengthRule():
                broken = _length(rule, field)
            case EnumerationRule():
                broken = self._enumeration(rule, field)
            case CodeListRule():
                broken = self._code_list(rule, field, fields[1] if rule.at else None)
            case CheckDigitsRule():
                broken = self._check_digits(rule, field)
            case EventTimeRule():
                broken = _event_time(rule, field)
            case _:
                assert_never(rule)
        return broken if broken is None else _when_given(broken, field)

    def _pattern(self, rule: PatternRule, field: FieldValue) -> str | None:
        if not isinstance(field.shape, TextShape | EnumShape):
            return None
        matches = self._writer.constant("matches", re.compile(rule.pattern).fullmatch)
        # Why a limit: an expression may take a time that grows with the square of the text.
        return f"(len({field.local}) > {PATTERN_TEXT_MAX} or {matches}({field.local}) is None)"

    def _enumeration(self, rule: EnumerationRule, field: FieldValue) -> str | None:
        match field.shape:
            case TextShape() | EnumShape():
                kind: type = str
            case IntegerShape(resolution=None):
                kind = int
            case _:
                return None
        if not all(isinstance(value, kind) for value in rule.values):
            return None
        values = self._writer.constant("VALUES", frozenset(rule.values))
        return f"{field.local} not in {values}"

    def _code_list(
        self, rule: CodeListRule, field: FieldValue, at: FieldValue | None
    ) -> str | None:
        if not isinstance(field.shape, TextShape | EnumShape) or not rule.codes:
            return None
        day = f"append_time_ms // {_MS_PER_DAY}"
        if at is not None:
            if not isinstance(at.shape, IntegerShape) or at.shape.resolution is None:
                return None
            own_day = f"{at.local} // {at.shape.resolution.value}"
            day = f"({own_day} if {at.local} is not None else {day})" if at.is_nullable else own_day
        if all(code.valid_from is code.valid_to is None for code in rule.codes):
            codes = self._writer.constant("CODES", frozenset(code.code for code in rule.codes))
            return f"{field.local} not in {codes}"
        periods = self._writer.constant("PERIODS", periods_of(rule.codes))
        self._writer.namespace["is_code_valid"] = is_code_valid
        return f"not is_code_valid({periods}, {field.local}, {day})"

    def _check_digits(self, rule: CheckDigitsRule, field: FieldValue) -> str | None:
        if not isinstance(field.shape, TextShape):
            return None
        is_valid = self._writer.constant(f"is_{rule.algorithm}", CHECKS[rule.algorithm])
        return f"not {is_valid}({field.local})"


_SUITABLE: Final = {
    "required": "any field",
    "pattern": "a string or enum",
    "range": "a number, decimal, day or moment, with limits of the same kind",
    "length": "a string, bytes, array or map",
    "enumeration": "a string or enum with text values, or an int or long with whole numbers",
    "code_list": "a string or enum with codes that are read in, and `at` a day or moment",
    "check_digits": "a string",
    "compare": "two texts, two numbers, or two days or moments",
    "event_time": "a day or moment",
}


def _when_given(broken: str, *fields: FieldValue) -> str:
    given = [f"{field.local} is not None" for field in fields if field.is_nullable]
    return " and ".join([*given, f"({broken})" if given and " or " in broken else broken])


def _required(field: FieldValue) -> str:
    match field.shape:
        case TextShape():
            return f"not {field.local} or {field.local}.isspace()"
        case ArrayShape() | MapShape() | BinaryShape(decimal=None):
            return f"not {field.local}"
        case _:
            return f"{field.local} is None" if field.is_nullable else _NEVER


def _range(rule: RangeRule, field: FieldValue) -> str | None:
    low = high = None
    if rule.minimum is not None:
        low = lower_limit(field.shape, rule.minimum)
        if low is None:
            return None
    if rule.maximum is not None:
        high = upper_limit(field.shape, rule.maximum)
        if high is None:
            return None
    return _outside(low, field.local, high)


def _length(rule: LengthRule, field: FieldValue) -> str | None:
    match field.shape:
        case TextShape() | BinaryShape(decimal=None):
            return _outside(rule.minimum, f"len({field.local})", rule.maximum)
        case ArrayShape() | MapShape():
            return _outside(rule.minimum, field.local, rule.maximum)
        case _:
            return None


def _outside(low: float | None, expression: str, high: float | None) -> str:
    if low is None:
        return f"{expression} > {high}"
    if high is None:
        return f"{expression} < {low}"
    if low == high:
        return f"{expression} != {low}"
    return f"not {low} <= {expression} <= {high}"


def _compare(rule: CompareRule, left: FieldValue, right: FieldValue) -> str | None:
    factors = common_factors(left.shape, right.shape)
    if factors is None:
        return None
    first, second = (
        field.local if factor == 1 else f"{field.local} * {factor}"
        for field, factor in zip((left, right), factors, strict=True)
    )
    return _when_given(f"not {first} {_SIGNS[rule.operator]} {second}", left, right)


def _event_time(rule: EventTimeRule, field: FieldValue) -> str | None:
    """Compare with the end of the append time's millisecond, in the field's unit."""
    shape = field.shape
    if not isinstance(shape, IntegerShape) or shape.resolution is None:
        return None
    is_zoneless = shape.is_local or shape.resolution is Resolution.DAY
    ahead_ms = rule.tolerance_s * 1_000 + (_EARLIEST_ZONE_MS if is_zoneless else 0)
    if shape.resolution is Resolution.DAY:
        latest = f"(append_time_ms + {ahead_ms}) // {_MS_PER_DAY}"
    else:
        per_ms = shape.resolution // _MS_PER_DAY
        latest = f"append_time_ms + {ahead_ms}"
        if per_ms > 1:
            latest = f"({latest}) * {per_ms} + {per_ms - 1}"
    broken = f"{field.local} > {latest}"
    if rule.not_before is not None:
        earliest = days_of(rule.not_before) * shape.resolution
        broken += f" or {field.local} < {earliest}"
    return broken
