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

from bus.contracts.cel_source import CelFault, CelSource
from bus.contracts.check_digits import CHECKS
from bus.contracts.code_periods import is_code_valid, periods_of
from bus.contracts.rule_conditions import (
    MS_PER_DAY,
    NEVER,
    compare,
    implausible,
    outside_length,
    outside_range,
    required,
    when_given,
)
from bus.contracts.rule_fields import FieldValue, follow
from bus.contracts.rules import (
    CelRule,
    CheckDigitsRule,
    CodeListRule,
    CompareRule,
    EnumerationRule,
    EventTimeRule,
    LengthRule,
    PatternRule,
    RangeRule,
    RequiredRule,
    Rule,
    fields_of,
)
from bus.contracts.schema_shape import EnumShape, IntegerShape, RecordShape, TextShape
from bus.contracts.source_writer import SourceWriter
from bus.errors import Finding, Words
from bus.model.verdict import Violation
from bus.texts import message

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
        self._cel = CelSource(writer, record)

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
                unknown = message("error.rule.foreign_field", fields=_either(fields_of(rule)))
                self._find(rule, unknown, message("error.rule.fields_of_version"))
                continue
            condition = self._condition(rule, known)
            if isinstance(condition, CelFault):
                self._find(rule, condition.found, condition.expected)
            elif condition is None:
                shapes = ", ".join(type(field.shape).__name__ for field in known)
                found = message("error.rule.unsuitable", kind=rule.kind, shapes=shapes)
                self._find(rule, found, message(f"error.rule.suits.{rule.kind}"))
            elif condition != NEVER:
                pairs.append((rule, condition))
        return pairs

    def write(self, pairs: Iterable[tuple[Rule, str]]) -> None:
        """Write the conditions: `found` ends as the tuple of all violations."""
        self._writer.line("found = ()")
        self._cel.write_values()
        for rule, condition in pairs:
            violation = Violation(rule=rule.id, path=rule.field, severity=rule.severity)
            name = self._writer.constant("VIOLATION", (violation,))
            self._writer.line(f"if {condition}: found += {name}  # {rule.id}")

    def _find(self, rule: Rule, found: Words, expected: Words) -> None:
        self.findings.append(
            Finding(
                path=f"{self._where} rule {rule.id}",
                found=found,
                expected=expected,
                remedy=message("error.rule.mend_or_limit"),
            )
        )

    def _condition(  # noqa: C901 - one case for each kind
        self, rule: Rule, fields: Sequence[FieldValue]
    ) -> str | CelFault | None:
        """Write one rule's condition; None: no rule of this kind can judge such a field."""
        field = fields[0]
        match rule:
            case RequiredRule():
                return required(field)
            case CompareRule():
                return compare(rule, field, fields[1])
            case CelRule():
                return self._cel.condition(rule, fields)
            case PatternRule():
                broken = self._pattern(rule, field)
            case RangeRule():
                broken = outside_range(rule, field)
            case LengthRule():
                broken = outside_length(rule, field)
            case EnumerationRule():
                broken = self._enumeration(rule, field)
            case CodeListRule():
                broken = self._code_list(rule, field, fields[1] if rule.at else None)
            case CheckDigitsRule():
                broken = self._check_digits(rule, field)
            case EventTimeRule():
                broken = implausible(rule, field)
            case _:
                assert_never(rule)
        return broken if broken is None else when_given(broken, field)

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
        day = f"append_time_ms // {MS_PER_DAY}"
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


def _either(names: Sequence[str]) -> Words:
    said: Words = names[0]
    for name in names[1:]:
        said = message("error.document.either", first=said, second=name)
    return said
