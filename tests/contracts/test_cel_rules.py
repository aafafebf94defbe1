"""Rules of kind `cel`: verdicts as a plain predicate gives them, and expressions refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bus.contracts.rules import CelRule, Rule, fields_of, rules_for_version
from bus.errors import DocumentError
from bus.model.verdict import Examined, Severity, Violation
from tests.contracts.schemas_and_values import compiled, framed, record_of

RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
TEXT = {"ru": "Требование", "en": "Demand"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1_000)
DAY = {"type": "int", "logicalType": "date"}
MS = {"type": "long", "logicalType": "timestamp-millis"}
US = {"type": "long", "logicalType": "timestamp-micros"}
NS = {"type": "long", "logicalType": "timestamp-nanos"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-millis"}
UUID_TYPE = {"type": "string", "logicalType": "uuid"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
VAST = {"type": "bytes", "logicalType": "decimal", "precision": 19, "scale": 2}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}
ADDRESS = {
    "type": "record",
    "name": "Address",
    "fields": [
        {"name": "oktmo", "type": "string"},
        {"name": "since", "type": DAY},
        {"name": "until", "type": ["null", DAY]},
    ],
}


def cel(expression: str, **keys: object) -> Rule:
    given_keys = {"id": "rule", "text": TEXT, "field": "key", "kind": "cel"}
    return RULE.validate_python(given_keys | {"expression": expression} | keys)


def examined(fields: Mapping[str, object], values: dict[str, Any], *rules: Rule) -> Examined:
    schema = record_of(**fields)
    value = framed(schema, {"key": "k", **values})
    verdict = compiled(schema, rules=rules).examine(value, NOON_MS)
    assert isinstance(verdict, Examined)
    return verdict


def is_met(type_: object, value: object, expression: str) -> bool:
    return examined({"f": type_}, {"f": value}, cel(expression, field="f")).violations == ()


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("type_", "expression", "met", "broken"),
    [
        ("string", "f.startsWith('36') && f.size() == 3", ["36ё"], ["36", "3611", "631"]),
        ("string", "f.matches('^[а-я]+$')", ["самара"], ["Самара", ""]),
        ("int", "f % 2 == 0", [4, -2], [3]),
        ("long", "f + 1 > f", [-(2**63)], [2**63 - 1]),  # what overflows is not true
        ("int", "10 / f > 1", [5], [0, 10]),
        ("boolean", "f", [True], [False]),
        ("double", "f < 0.5", [0.25], [0.5]),
        ("bytes", "f == b'\\x01'", [b"\x01"], [b"", b"\x00"]),
        (COLOUR, "f in ['RED']", ["RED"], ["BLUE"]),
        (UUID_TYPE, "f.startsWith('0f')", [UUID("0f" + "0" * 30)], [UUID("1f" + "0" * 30)]),
        (MONEY, "f >= 1250", [Decimal("12.50")], [Decimal("12.49")]),
        (DAY, "f >= timestamp('2026-03-01T00:00:00Z')", [day("2026-03-01")], [day("2026-02-28")]),
        (DAY, "f < appended_at", [day("2026-03-01"), day("0001-01-02")], [day("2026-03-02")]),
        (DAY, "f.getFullYear() == 9999", [day("9999-12-31")], [day("9998-12-31")]),
        (MS, "f <= appended_at", [NOON], [NOON + timedelta(milliseconds=1)]),
        (US, "f <= appended_at", [NOON], [NOON + timedelta(microseconds=1)]),
        (["null", "string"], "f == null || f == 'a'", [None, "a"], ["b"]),
        (["null", "string"], "f != null", [""], [None]),
        (["null", "int"], "f == null || f > 1", [None, 2], [1]),
        (["null", "boolean"], "f == null ? true : f", [None, True], [False]),
        (["null", MONEY], "f != null && f > 0", [Decimal("0.01")], [None, Decimal("0.00")]),
        (["null", DAY], "f == null || f < appended_at", [None, NOON.date()], [day("2030-01-01")]),
        (["null", US], "f != null && f == appended_at", [NOON], [None, NOON + timedelta(1)]),
        ("string", "['36', '37'].exists(p, f.startsWith(p)) // one of ours", ["361"], ["38"]),
    ],
)  # fmt: skip
def test_expression_is_met_and_broken(
    type_: object, expression: str, met: list[Any], broken: list[Any]
) -> None:
    assert [value for value in met if not is_met(type_, value, expression)] == []
    assert [value for value in broken if is_met(type_, value, expression)] == []


PAIR = {"a": ["null", "int"], "b": ["null", DAY], "c": "string"}
_DAYS = st.dates(day("1900-01-01"), day("2100-12-31"))
PREDICATES: dict[str, Callable[[int | None, date | None, str], bool]] = {
    "a == null || b != null": lambda a, b, _: a is None or b is not None,
    "a == null || b == null || a <= b.getFullYear()": (
        lambda a, b, _: a is None or b is None or a <= b.year
    ),
    "c.size() > 2 ? (a != null && a > 0) : b == null": (
        lambda a, b, c: (a is not None and a > 0) if len(c) > 2 else b is None
    ),
    "b == null || (b < appended_at) == c.startsWith('x')": (
        lambda _, b, c: b is None or (b <= NOON.date()) == c.startswith("x")
    ),
    "!(c in ['x', 'xy']) || a != 7": lambda a, _, c: c not in ("x", "xy") or a != 7,
}
RULES = tuple(cel(text, id=f"rule-{i}") for i, text in enumerate(PREDICATES))
EXAMINE = compiled(record_of(**PAIR), rules=RULES).examine


@settings(max_examples=400, deadline=None)
@given(
    a=st.none() | st.integers(-10, 2_100) | st.just(7),
    b=st.none() | _DAYS,
    c=st.text("xyя", max_size=4),
)
def test_verdicts_are_those_of_a_plain_predicate(a: int | None, b: date | None, c: str) -> None:
    value = framed(record_of(**PAIR), {"key": "k", "a": a, "b": b, "c": c})
    verdict = EXAMINE(value, NOON_MS)
    assert isinstance(verdict, Examined)
    expected = [f"rule-{i}" for i, holds in enumerate(PREDICATES.values()) if not holds(a, b, c)]
    assert [violation.rule for violation in verdict.violations] == expected


def test_violation_names_the_field_to_mend_and_keeps_its_severity() -> None:
    rules = (
        cel("f > 1", id="seen", field="f", severity="observe"),
        cel("f > 2", id="stopped", field="f"),
    )
    assert examined({"f": "int"}, {"f": 0}, *rules).violations == (
        Violation(rule="seen", path="f", severity=Severity.OBSERVE),
        Violation(rule="stopped", path="f", severity=Severity.QUARANTINE),
    )


def test_field_inside_a_record_is_null_when_the_record_is() -> None:
    rule = cel("place.oktmo == null || place.oktmo.startsWith('36')")
    fields = {"place": ["null", ADDRESS]}
    inside = {"since": day("2020-01-01"), "until": None}
    assert examined(fields, {"place": None}, rule).violations == ()
    assert examined(fields, {"place": {"oktmo": "36", **inside}}, rule).violations == ()
    assert examined(fields, {"place": {"oktmo": "37", **inside}}, rule).violations != ()


def test_expression_that_spends_its_iterations_is_broken_and_stops_nobody() -> None:
    numbers = "[" + ",".join(map(str, range(60))) + "]"
    endless = f"{numbers}.all(x, {numbers}.all(y, {numbers}.all(z, x + y + z + f >= 0)))"
    assert not is_met("int", 1, endless)


def test_text_of_a_whole_record_is_searched_in_linear_time() -> None:
    assert not is_met("string", "a" * 200_000, "f.matches('^(a|aa|a*)*b$')")


def test_fields_of_an_expression_are_those_it_reads() -> None:
    rule = cel(
        "place.oktmo == '1' && ['x'].exists(p, name.startsWith(p)) || p.q > 1"
        " ? {'k': v}.size() > 0 : made < appended_at",
        field="name",
    )
    assert fields_of(rule) == ("name", "place.oktmo", "p.q", "v", "made")


def test_rule_holds_for_versions_that_have_all_fields_of_its_expression() -> None:
    rule = cel("b == 1")
    assert rules_for_version([rule], number=1, paths=frozenset({"key"})) == ()
    assert rules_for_version([rule], number=1, paths=frozenset({"key", "b"})) == (rule,)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("f >", "line 1, column 4: Syntax error"),
        ("f > 'abc", "an expression in CEL"),
        ("f" * 2_001, "at most 2000 characters"),
    ],
)
def test_what_is_no_expression_is_refused_on_reading(expression: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        cel(expression)


@pytest.mark.parametrize(
    ("type_", "expression", "found"),
    [
        ("int", "g > 1", "field key or g"),
        ("int", "f", "which gives INT"),
        ("int", "f == 'a'", "line 1, column 3: found no matching overload for '_==_' applied"),
        ("int", "f == null", "no matching overload"),
        ("double", "f > 1", "no matching overload"),
        ("int", "now() > f", "undeclared reference to 'now'"),
        (["null", "int"], "f > 1", "fails where f is null"),
        (["null", DAY], "f < appended_at", "fails where f is null"),
        (["null", "string"], "f.startsWith('a') || key == ''", "fails where f is null"),
        ({"type": "array", "items": "int"}, "f.size() > 1", "`f`, ArrayShape"),
        (LOCAL, "f < appended_at", "`f`, IntegerShape"),
        (NS, "f < appended_at", "`f`, IntegerShape"),
        (VAST, "f > 1", "`f`, BinaryShape"),
        (ADDRESS, "f.until == null", "`f.until`, IntegerShape or null, a moment inside a record"),
    ],
)
def test_expression_that_does_not_fit_the_schema_is_refused(
    type_: object, expression: str, found: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        compiled(record_of(f=type_), rules=(cel(expression),))
    assert [found in str(finding.found) for finding in caught.value.findings] == [True]


def test_days_inside_a_record_can_be_read() -> None:
    rule = cel("place.since < appended_at")
    inside = {"oktmo": "36", "until": None}
    assert examined({"place": ADDRESS}, {"place": {"since": NOON.date(), **inside}}, rule)


def test_contract_without_expressions_does_not_load_the_library() -> None:
    program = (
        "import sys; import bus.contracts.compile, bus.contracts.reading; "
        "sys.exit('cel_expr_python' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_expressions_are_read_from_documents_as_they_stand() -> None:
    rule = cel("  f > 1  ")
    assert isinstance(rule, CelRule)
    assert rule.expression == "  f > 1  "
