"""Every kind of rule on decoded records: met, broken, and null; all violations in order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from bus.contracts.rules import Rule
from bus.model.verdict import Examined, Severity, Violation
from tests.contracts.schemas_and_values import compiled, framed, record_of

RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
TEXT = {"ru": "Требование", "en": "Demand"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1_000)
DATE = {"type": "int", "logicalType": "date"}
MS = {"type": "long", "logicalType": "timestamp-millis"}
US = {"type": "long", "logicalType": "timestamp-micros"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-millis"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
PRECISE = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 4}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}
STRINGS = {"type": "array", "items": "string"}
INTS = {"type": "map", "values": "int"}
UNION = ["null", "string", "int"]


def parse(**keys: object) -> Rule:
    return RULE.validate_python({"id": "rule", "text": TEXT, "field": "f"} | keys)


def examined(
    fields: Mapping[str, object], values: dict[str, Any], *rules: Rule, at_ms: int = NOON_MS
) -> Examined:
    schema = record_of(**fields)
    value = framed(schema, {"key": "k", **values})
    verdict = compiled(schema, rules=rules).examine(value, at_ms)
    assert isinstance(verdict, Examined)
    return verdict


def is_met(type_: object, value: object, **keys: object) -> bool:
    return examined({"f": type_}, {"f": value}, parse(**keys)).violations == ()


def day(text: str) -> date:
    return date.fromisoformat(text)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CASES: list[tuple[object, dict[str, object], list[Any], list[Any]]] = [
    ("string", {"kind": "required"}, ["a", " a "], ["", " ", "\u00a0\t"]),
    (["null", "string"], {"kind": "required"}, ["a"], [None, "", " "]),
    (["null", "int"], {"kind": "required"}, [0], [None]),
    (["null", "boolean"], {"kind": "required"}, [False], [None]),
    ("int", {"kind": "required"}, [0], []),
    (STRINGS, {"kind": "required"}, [[""]], [[]]),
    (["null", INTS], {"kind": "required"}, [{"a": 1}], [None, {}]),
    ("bytes", {"kind": "required"}, [b"\0"], [b""]),
    (UNION, {"kind": "required"}, ["a", 1], [None]),
    ("string", {"kind": "pattern", "pattern": "[а-я]+|x"}, ["иванов", "x"], ["", "иванов1", "xx"]),
    ("string", {"kind": "pattern", "pattern": "a$"}, ["a"], ["a\n"]),
    (COLOUR, {"kind": "pattern", "pattern": "R.*"}, ["RED"], ["BLUE"]),
    ("int", {"kind": "range", "minimum": 1, "maximum": 9}, [1, 9], [0, 10]),
    ("int", {"kind": "range", "minimum": "1.5"}, [2], [1]),
    ("int", {"kind": "range", "maximum": "1.5"}, [1], [2]),
    ("long", {"kind": "range", "minimum": 7, "maximum": 7}, [7], [6, 8]),
    ("double", {"kind": "range", "minimum": "0.5"}, [0.5], [0.4999]),
    (MONEY, {"kind": "range", "minimum": "0.005"}, [Decimal("0.01")], [Decimal("0.00")]),
    (MONEY, {"kind": "range", "maximum": 10}, [Decimal("10.00")], [Decimal("10.01")]),
    (
        DATE,
        {"kind": "range", "minimum": "2001-01-01", "maximum": "2026-02-28"},
        [day("2001-01-01"), day("2026-02-28")],
        [day("2000-12-31"), day("2026-03-01"), day("1900-01-01")],
    ),
    (
        MS,
        {"kind": "range", "maximum": "2026-02-28"},
        [moment("2026-02-28T23:59:59.999")],
        [moment("2026-03-01T00:00:00")],
    ),
    (
        US,
        {"kind": "range", "minimum": "2026-03-01T00:00:00.000001Z"},
        [moment("2026-03-01T00:00:00.000001")],
        [moment("2026-03-01T00:00:00")],
    ),
    ("string", {"kind": "length", "minimum": 2, "maximum": 3}, ["ёж", "abc"], ["a", "ёжик"]),
    (STRINGS, {"kind": "length", "maximum": 2}, [[], ["a", "b"]], [["a", "b", "c"]]),
    (INTS, {"kind": "length", "minimum": 1}, [{"a": 0}], [{}]),
    ("bytes", {"kind": "length", "minimum": 2, "maximum": 2}, [b"\0\0"], [b"\0"]),
    ("string", {"kind": "enumeration", "values": ["a", "б"]}, ["a", "б"], ["", "A"]),
    ("int", {"kind": "enumeration", "values": [1, 2]}, [1, 2], [0, 3]),
    (COLOUR, {"kind": "enumeration", "values": ["RED"]}, ["RED"], ["BLUE"]),
    ("string", {"kind": "code_list", "codes": ["643", "840"]}, ["643"], ["810", ""]),
    ("string", {"kind": "check_digits", "algorithm": "inn"}, ["7707083893"], ["7707083894", ""]),
    ("string", {"kind": "check_digits", "algorithm": "ogrn"}, ["1027700132195"], ["1027700132190"]),
    (
        MS,
        {"kind": "event_time"},
        [NOON + timedelta(minutes=5)],
        [NOON + timedelta(minutes=5, microseconds=1_000)],
    ),
    (
        US,
        {"kind": "event_time", "tolerance_s": 0},
        [NOON + timedelta(microseconds=999)],
        [NOON + timedelta(microseconds=1_000)],
    ),
    (
        MS,
        {"kind": "event_time", "not_before": "2001-01-01"},
        [moment("2001-01-01T00:00:00"), NOON],
        [moment("2000-12-31T23:59:59.999"), NOON + timedelta(days=1)],
    ),
    (DATE, {"kind": "event_time"}, [day("2026-03-01"), day("2026-03-02")], [day("2026-03-03")]),
    (
        LOCAL,
        {"kind": "event_time", "tolerance_s": 0},
        [datetime(2026, 3, 2, 2)],  # noqa: DTZ001 - a local time has no zone
        [datetime(2026, 3, 2, 3)],  # noqa: DTZ001
    ),
]  # fmt: skip


def label(case: tuple[object, dict[str, object], list[Any], list[Any]]) -> str:
    return f"{case[1]['kind']}-{case[0]}"


def test_every_kind_of_rule_has_a_case_and_so_a_null_one() -> None:
    kinds = {
        get_args(model.model_fields["kind"].annotation)[0] for model in get_args(get_args(Rule)[0])
    }
    elsewhere = {"compare", "cel"}  # of two fields, and of any: below, and in test_cel_rules.py
    assert {case[1]["kind"] for case in CASES} == kinds - elsewhere


@pytest.mark.parametrize("case", CASES, ids=label)
def test_rule_is_met_and_broken_by_these_values(
    case: tuple[object, dict[str, object], list[Any], list[Any]],
) -> None:
    type_, keys, meeting, breaking = case
    assert [value for value in meeting if not is_met(type_, value, **keys)] == []
    assert [value for value in breaking if is_met(type_, value, **keys)] == []


@pytest.mark.parametrize("case", CASES, ids=label)
def test_null_meets_every_rule_but_required(
    case: tuple[object, dict[str, object], list[Any], list[Any]],
) -> None:
    type_, keys, meeting, breaking = case
    nullable = type_ if isinstance(type_, list) else ["null", type_]
    assert is_met(nullable, None, **keys) == (keys["kind"] != "required")
    assert all(is_met(nullable, value, **keys) for value in meeting)
    assert not any(is_met(nullable, value, **keys) for value in breaking)
    if not isinstance(type_, list):
        assert all(is_met([type_, "null"], value, **keys) for value in meeting)


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [
        ("eq", False, True, False),
        ("ne", True, False, True),
        ("lt", True, False, False),
        ("le", True, True, False),
        ("gt", False, False, True),
        ("ge", False, True, True),
    ],
)
@pytest.mark.parametrize(
    ("first", "second", "low", "middle", "high"),
    [
        ("int", "long", 1, 2, 3),
        ("int", "double", 1, 2.0, 3),
        (MONEY, PRECISE, Decimal("1.99"), Decimal("2.0000"), Decimal("2.01")),
        (MONEY, "int", Decimal("1.99"), 2, Decimal("2.01")),
        (DATE, DATE, day("1950-01-01"), day("1980-05-05"), day("2026-01-01")),
        (DATE, MS, day("2026-02-28"), moment("2026-03-01T00:00:00"), day("2026-03-02")),
        (MS, US, NOON - timedelta(days=1), NOON, NOON + timedelta(days=1)),
        ("string", COLOUR, "ALPHA", "BLUE", "ZULU"),
    ],
)
def test_fields_compare_across_their_units(
    first: object, second: object, low: object, middle: object, high: object,
    operator: str, below: bool, equal: bool, above: bool,
) -> None:  # fmt: skip
    rule = parse(kind="compare", operator=operator, other="g")
    same = middle
    if first == DATE and second == MS:
        same = day("2026-03-01")
    if first is MONEY:
        same = Decimal("2.00")
    if first == "int":
        same = 2

    def holds(value: object) -> bool:
        return examined({"f": first, "g": second}, {"f": value, "g": middle}, rule).violations == ()

    assert [holds(low), holds(same), holds(high)] == [below, equal, above]


@pytest.mark.parametrize(("f", "g"), [(None, 1), (1, None), (None, None)])
def test_compare_holds_when_either_field_is_null(f: int | None, g: int | None) -> None:
    rule = parse(kind="compare", operator="gt", other="g")
    optional = ["null", "int"]
    assert examined({"f": optional, "g": optional}, {"f": f, "g": g}, rule).violations == ()


CODES = [
    {"code": "old", "valid_to": "2025-12-31"},
    {"code": "new", "valid_from": "2026-01-01"},
    {"code": "twice", "valid_to": "2020-12-31"},
    {"code": "twice", "valid_from": "2026-01-01"},
    "ever",
]


@pytest.mark.parametrize(
    ("code", "at", "met"),
    [
        ("old", "2025-12-31", True),
        ("old", "2026-01-01", False),
        ("new", "2025-12-31", False),
        ("new", "2026-01-01", True),
        ("twice", "2020-01-01", True),
        ("twice", "2023-01-01", False),
        ("twice", "2026-01-01", True),
        ("ever", "1000-01-01", True),
        ("unknown", "2026-01-01", False),
    ],
)
def test_code_is_judged_on_the_day_of_its_field(code: str, at: str, met: bool) -> None:
    rule = parse(kind="code_list", codes=CODES, at="g")
    for type_, value in (
        (DATE, day(at)),
        (MS, moment(f"{at}T23:59:59")),
        (["null", DATE], day(at)),
    ):
        fields = {"f": "string", "g": type_}
        assert (examined(fields, {"f": code, "g": value}, rule).violations == ()) == met


@pytest.mark.parametrize(("code", "met"), [("old", False), ("new", True), ("ever", True)])
def test_code_is_judged_on_the_append_day_without_a_day_of_its_own(code: str, met: bool) -> None:
    rule = parse(kind="code_list", codes=CODES)
    assert (examined({"f": "string"}, {"f": code}, rule).violations == ()) == met
    rule = parse(kind="code_list", codes=CODES, at="g")
    fields = {"f": "string", "g": ["null", DATE]}
    assert (examined(fields, {"f": code, "g": None}, rule).violations == ()) == met


ADDRESS = {
    "type": "record",
    "name": "Address",
    "fields": [{"name": "oktmo", "type": "string"}, {"name": "flat", "type": ["null", "int"]}],
}


def test_field_inside_a_record_is_judged_by_its_path() -> None:
    rule = parse(kind="length", field="home.oktmo", minimum=8, maximum=8)
    good = {"home": {"oktmo": "36701000", "flat": None}}
    bad = {"home": {"oktmo": "367", "flat": 1}}
    for type_ in (ADDRESS, ["null", ADDRESS], [ADDRESS, "null"]):
        assert examined({"home": type_}, good, rule).violations == ()
        assert [found.path for found in examined({"home": type_}, bad, rule).violations] == [
            "home.oktmo"
        ]


def test_field_of_a_record_that_is_null_is_null() -> None:
    length = parse(id="length", kind="length", field="home.oktmo", minimum=8)
    required = parse(id="required", kind="required", field="home.flat")
    verdict = examined({"home": ["null", ADDRESS]}, {"home": None}, length, required)
    assert [found.rule for found in verdict.violations] == ["required"]


def test_a_record_itself_can_be_required() -> None:
    rule = parse(kind="required", field="home")
    type_ = ["null", ADDRESS]
    given = {"home": {"oktmo": "1", "flat": None}}
    assert examined({"home": type_}, given, rule).violations == ()
    assert len(examined({"home": type_}, {"home": None}, rule).violations) == 1


def test_all_violations_come_in_the_order_of_the_rules_with_their_severity() -> None:
    rules = (
        parse(id="last", kind="pattern", field="z", pattern="[0-9]+", severity="observe"),
        parse(id="held", kind="required", field="a"),
        parse(id="first", kind="length", field="a", maximum=2),
        parse(id="both", kind="compare", field="z", operator="lt", other="a"),
    )
    verdict = examined({"a": "string", "z": "string"}, {"a": "abc", "z": "xyz"}, *rules)
    assert verdict.violations == (
        Violation(rule="last", path="z", severity=Severity.OBSERVE),
        Violation(rule="first", path="a", severity=Severity.QUARANTINE),
        Violation(rule="both", path="z", severity=Severity.QUARANTINE),
    )


def test_rules_read_long_and_non_ascii_texts_whole() -> None:
    for text in ("ы" * 31, "ы" * 32, "ы" * 4_096, "a" * 63, "a" * 64, "a" * 8_192, "😀" * 20):
        rule = parse(kind="length", minimum=len(text), maximum=len(text))
        assert examined({"f": "string"}, {"f": text}, rule).violations == ()


def test_one_judging_leaves_nothing_behind_for_the_next() -> None:
    schema = record_of(f=["null", "string"])
    examine = compiled(schema, rules=(parse(kind="required"),)).examine
    bad = framed(schema, {"key": "k", "f": None})
    good = framed(schema, {"key": "k", "f": "x"})
    verdicts = [examine(value, NOON_MS) for value in (bad, good, bad)]
    assert [len(verdict.violations) for verdict in verdicts if isinstance(verdict, Examined)] == [
        1,
        0,
        1,
    ]


def test_generated_source_can_be_read() -> None:
    rule = parse(id="field-given", kind="required")
    source = compiled(record_of(f=["null", "string"]), rules=(rule,)).source
    assert source.startswith("def examine(value, append_time_ms):")
    assert "# f" in source
    assert "# field-given" in source
