"""Conditions of the rules that need no more than their fields: true where the rule is broken."""

from __future__ import annotations

from typing import Final

from bus.contracts.code_periods import days_of
from bus.contracts.rule_fields import FieldValue, common_factors, lower_limit, upper_limit
from bus.contracts.rules import CompareRule, EventTimeRule, LengthRule, Operator, RangeRule
from bus.contracts.schema_shape import (
    ArrayShape,
    BinaryShape,
    IntegerShape,
    MapShape,
    Resolution,
    TextShape,
)

NEVER: Final = "False"
"""The condition of a rule that no record can break."""
MS_PER_DAY: Final = int(Resolution.MILLISECOND)
_EARLIEST_ZONE_MS: Final = 14 * 3_600_000
"""UTC+14, where each day begins first."""
_SIGNS: Final = {
    Operator.EQ: "==",
    Operator.NE: "!=",
    Operator.LT: "<",
    Operator.LE: "<=",
    Operator.GT: ">",
    Operator.GE: ">=",
}


def when_given(broken: str, *fields: FieldValue) -> str:
    """Let a null meet the rule."""
    given = [f"{field.local} is not None" for field in fields if field.is_nullable]
    return " and ".join([*given, f"({broken})" if given and " or " in broken else broken])


def required(field: FieldValue) -> str:
    """Write: no value, or a text, list or map with nothing in it."""
    match field.shape:
        case TextShape():
            return f"not {field.local} or {field.local}.isspace()"
        case ArrayShape() | MapShape() | BinaryShape(decimal=None):
            return f"not {field.local}"
        case _:
            return f"{field.local} is None" if field.is_nullable else NEVER


def outside_range(rule: RangeRule, field: FieldValue) -> str | None:
    """Write: outside the limits; None: they can't limit such a field."""
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


def outside_length(rule: LengthRule, field: FieldValue) -> str | None:
    """Write: too short or too long; None: the field has no length."""
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


def compare(rule: CompareRule, left: FieldValue, right: FieldValue) -> str | None:
    """Write: not in this order; None: the two fields don't compare."""
    factors = common_factors(left.shape, right.shape)
    if factors is None:
        return None
    first, second = (
        field.local if factor == 1 else f"{field.local} * {factor}"
        for field, factor in zip((left, right), factors, strict=True)
    )
    return when_given(f"not {first} {_SIGNS[rule.operator]} {second}", left, right)


def implausible(rule: EventTimeRule, field: FieldValue) -> str | None:
    """Write: after the end of the append time's millisecond, or too early, in the field's unit."""
    shape = field.shape
    if not isinstance(shape, IntegerShape) or shape.resolution is None:
        return None
    is_zoneless = shape.is_local or shape.resolution is Resolution.DAY
    ahead_ms = rule.tolerance_s * 1_000 + (_EARLIEST_ZONE_MS if is_zoneless else 0)
    if shape.resolution is Resolution.DAY:
        latest = f"(append_time_ms + {ahead_ms}) // {MS_PER_DAY}"
    else:
        per_ms = shape.resolution // MS_PER_DAY
        latest = f"append_time_ms + {ahead_ms}"
        if per_ms > 1:
            latest = f"({latest}) * {per_ms} + {per_ms - 1}"
    broken = f"{field.local} > {latest}"
    if rule.not_before is not None:
        earliest = days_of(rule.not_before) * shape.resolution
        broken += f" or {field.local} < {earliest}"
    return broken
