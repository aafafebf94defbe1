"""A rule as it is evaluated, in signs that are the same in every language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from bus.contracts.rules import (
    CelRule,
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
)

_SIGNS: Final = {
    Operator.EQ: "=",
    Operator.NE: "≠",
    Operator.LT: "<",
    Operator.LE: "≤",
    Operator.GT: ">",
    Operator.GE: "≥",
}
_CODES_SHOWN_MAX: Final = 8


def formula(rule: Rule) -> str:  # noqa: C901 - one case for each kind
    """Write what a rule holds its field against: a pattern, limits, codes, an expression."""
    match rule:
        case RequiredRule():
            return "≠ null"
        case PatternRule():
            return rule.pattern
        case RangeRule():
            return _between(rule.minimum, rule.field, rule.maximum)
        case LengthRule():
            return _between(rule.minimum, f"length({rule.field})", rule.maximum)
        case EnumerationRule():
            return _some(list(map(str, rule.values)))
        case CodeListRule():
            return _some(list(dict.fromkeys(code.code for code in rule.codes)))
        case CheckDigitsRule():
            return rule.algorithm.value
        case CompareRule():
            return f"{rule.field} {_SIGNS[rule.operator]} {rule.other}"
        case EventTimeRule():
            return _between(rule.not_before, rule.field, f"appended_at + {rule.tolerance_s} s")
        case CelRule():
            return rule.expression
        case _:
            assert_never(rule)


def _between(low: object, name: str, high: object) -> str:
    if low is not None and low == high:
        return f"{name} = {low}"
    least = "" if low is None else f"{low} ≤ "
    return f"{least}{name}" + ("" if high is None else f" ≤ {high}")


def _some(codes: Sequence[str]) -> str:
    shown = ", ".join(codes[:_CODES_SHOWN_MAX])
    return shown if len(codes) <= _CODES_SHOWN_MAX else f"{shown}, … ({len(codes)})"
