"""Rules as documents: what is read, what is refused, and which version they hold for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from bus.contracts.rules import (
    CodeListRule,
    CodePeriod,
    Rule,
    _RuleBase,
    fields_of,
    rules_for_version,
)
from bus.contracts.schema_reader import read_shape
from bus.contracts.schema_shape import field_paths
from bus.model.verdict import Severity
from bus.texts import all_texts
from tests.contracts.schemas_and_values import record_of

RULE: TypeAdapter[Rule] = TypeAdapter(Rule)


def rule(**keys: object) -> Rule:
    defaults = {"id": "a-rule", "text": {"ru": "Требование", "en": "Demand"}, "field": "f"}
    return RULE.validate_python(defaults | keys)


def test_every_kind_is_in_the_union_and_has_a_name_on_pages() -> None:
    union = get_args(get_args(Rule)[0])
    assert set(union) == set(_RuleBase.__subclasses__())
    kinds = {get_args(one.model_fields["kind"].annotation)[0] for one in union}
    assert {f"page.kind.{kind}" for kind in kinds} <= all_texts().keys()


def test_severity_is_quarantine_unless_stated() -> None:
    assert rule(kind="required").severity is Severity.QUARANTINE
    assert rule(kind="required", severity="observe").severity is Severity.OBSERVE


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "python", "expression": "true"},
        {"kind": "required", "pattern": "a"},
        {"kind": "required", "id": "Not Kebab"},
        {"kind": "required", "field": "a..b"},
        {"kind": "required", "field": "a b"},
        {"kind": "required", "text": {"ru": "Требование"}},
        {"kind": "required", "text": {"ru": " ", "en": "x"}},
        {"kind": "pattern", "pattern": "["},
        {"kind": "range"},
        {"kind": "range", "minimum": True},
        {"kind": "range", "minimum": "NaN"},
        {"kind": "range", "minimum": datetime(2026, 1, 1, 9)},  # noqa: DTZ001 - no zone is the fault
        {"kind": "length"},
        {"kind": "length", "minimum": -1},
        {"kind": "length", "minimum": 3, "maximum": 2},
        {"kind": "enumeration", "values": []},
        {"kind": "enumeration", "values": [1.5]},
        {"kind": "code_list"},
        {"kind": "code_list", "codes": [643]},
        {"kind": "code_list", "codes": ["1"], "file": "codes.csv"},
        {"kind": "check_digits", "algorithm": "luhn"},
        {"kind": "compare", "operator": "like", "other": "g"},
        {"kind": "event_time", "tolerance_s": -1},
    ],
)
def test_rule_with_a_fault_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        rule(**keys)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (5, 5),
        (1.5, Decimal("1.5")),
        ("2026-01-31", date(2026, 1, 31)),
        (date(2026, 1, 31), date(2026, 1, 31)),
        ("2026-01-31T09:00:00Z", datetime(2026, 1, 31, 9, tzinfo=UTC)),
    ],
)
def test_limit_keeps_the_kind_that_it_is_written_in(written: object, meant: object) -> None:
    parsed = rule(kind="range", minimum=written)
    assert parsed.kind == "range"
    assert parsed.minimum == meant
    assert isinstance(meant, type(parsed.minimum))


def test_plain_code_holds_for_ever() -> None:
    parsed = rule(kind="code_list", codes=["643", {"code": "810", "valid_to": date(1997, 12, 31)}])
    assert isinstance(parsed, CodeListRule)
    assert parsed.codes == (
        CodePeriod(code="643"),
        CodePeriod(code="810", valid_to=date(1997, 12, 31)),
    )


def test_code_list_of_a_file_takes_its_codes_and_keeps_the_rest() -> None:
    parsed = rule(kind="code_list", file="codes.csv", at="day", severity="observe")
    assert isinstance(parsed, CodeListRule)
    filled = parsed.with_codes((CodePeriod(code="1"),))
    assert (filled.file, filled.at, filled.severity) == (None, "day", Severity.OBSERVE)
    with pytest.raises(ValidationError):
        parsed.with_codes(())


def test_fields_of_a_rule_begin_with_its_own() -> None:
    assert fields_of(rule(kind="required")) == ("f",)
    assert fields_of(rule(kind="compare", operator="le", other="g")) == ("f", "g")
    assert fields_of(rule(kind="code_list", codes=["1"], at="day")) == ("f", "day")


def test_rule_holds_for_versions_that_have_its_fields_unless_it_names_them() -> None:
    everywhere = rule(id="everywhere", kind="required", field="key")
    pair = rule(id="pair", kind="compare", field="a.x", operator="le", other="b")
    named = rule(id="named", kind="required", field="gone", versions=[2])
    inner = {"type": "record", "name": "A", "fields": [{"name": "x", "type": "int"}]}
    without = field_paths(read_shape(record_of(a=inner), where="v1"))
    complete = field_paths(read_shape(record_of(a=["null", inner], b="int"), where="v2"))
    rules = (everywhere, pair, named)
    assert rules_for_version(rules, number=1, paths=without) == (everywhere,)
    assert rules_for_version(rules, number=2, paths=complete) == (everywhere, pair, named)
