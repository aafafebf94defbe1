"""What the compiler refuses, so that no record can exhaust or confuse a worker."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from bus.contracts.rules import Rule
from bus.errors import DocumentError
from tests.contracts.schemas_and_values import FRAME, compiled, record_of

RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
TEXT = {"ru": "Требование", "en": "Demand"}


def refusal(schema: dict[str, Any], **more: Any) -> str:  # noqa: ANN401 - passed through
    with pytest.raises(DocumentError) as caught:
        compiled(schema, **more)
    assert caught.value.findings
    return str(caught.value)


def test_recursive_type_is_refused() -> None:
    node = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "next", "type": ["null", "Node"]}],
    }
    assert "Node inside itself" in refusal(record_of(field=node))


def test_recursion_through_another_type_is_refused() -> None:
    inner = {"type": "record", "name": "B", "fields": [{"name": "a", "type": ["null", "A"]}]}
    outer = {"type": "record", "name": "A", "fields": [{"name": "b", "type": inner}]}
    assert "A inside itself" in refusal(record_of(field=outer))


@pytest.mark.parametrize(
    "items",
    [
        "null",
        {"type": "fixed", "name": "Nothing", "size": 0},
        {"type": "record", "name": "Empty", "fields": []},
        {"type": "record", "name": "Hollow", "fields": [{"name": "n", "type": "null"}]},
    ],
)
@pytest.mark.parametrize("kind", ["array", "map"])
def test_items_without_bytes_are_refused(kind: str, items: object) -> None:
    key = "items" if kind == "array" else "values"
    assert "without bytes" in refusal(record_of(field={"type": kind, key: items}))


def nested(levels: int) -> object:
    schema: object = "int"
    for _ in range(levels):
        schema = {"type": "array", "items": ["null", schema]}
    return schema


def test_depth_at_its_limit_compiles_and_one_more_is_refused() -> None:
    datum = b"\x02k" + b"\x02\x02" * 15 + b"\x02" + b"\x00" * 15
    verdict = compiled(record_of(field=nested(15))).examine(FRAME + datum, 0)
    assert "Examined" in repr(verdict)
    assert "at most 16" in refusal(record_of(field=nested(16)))


def test_depth_counts_through_a_reused_type() -> None:
    deep = {"type": "record", "name": "Deep", "fields": [{"name": "x", "type": nested(9)}]}
    around: object = "Deep"
    for _ in range(6):
        around = {"type": "array", "items": around}
    assert "at most 16" in refusal(record_of(deep=deep, field=around))


def test_types_that_multiply_by_reuse_are_refused() -> None:
    types: dict[str, object] = {
        "f0": {"type": "record", "name": "T0", "fields": [{"name": "x", "type": "int"}]}
    }
    for level in range(1, 13):
        fields = [{"name": f"x{index}", "type": f"T{level - 1}"} for index in range(10)]
        types[f"f{level}"] = {"type": "record", "name": f"T{level}", "fields": fields}
    assert "at most 2000 types" in refusal(record_of(**types))


def test_a_type_reused_within_limits_is_read_at_each_place() -> None:
    address = {"type": "record", "name": "Address", "fields": [{"name": "oktmo", "type": "string"}]}
    schema = record_of(home=address, work=["null", "Address"])
    verdict = compiled(schema).examine(FRAME + b"\x02k\x02h\x02\x02w", 0)
    assert "Examined" in repr(verdict)


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("Missing", "defined above"),
        ([["null"], "string"], "union in a union"),
        (["null", "null"], "null twice"),
        ([], "0 branches"),
        ({"type": "enum", "name": "E", "symbols": []}, "an Avro type"),
        ({"type": "array"}, "an Avro type"),
        (7, "an Avro type"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}, "precision"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 10**9}, "precision"),
        (
            {"type": "fixed", "name": "F", "size": 1, "logicalType": "decimal", "precision": 3},
            "precision 1 to 2",
        ),
    ],
)
def test_what_is_not_avro_is_refused_with_its_place(field: object, word: str) -> None:
    message = refusal(record_of(field=field))
    assert word in message
    assert "things v1 field" in message


@pytest.mark.parametrize(
    "field",
    [
        {"type": "enum", "name": "E", "symbols": ["A", "A"]},
        {"type": "enum", "name": "E", "symbols": ["a b"]},
        {"type": "fixed", "name": "Thing", "size": 2},
    ],
)
def test_what_readers_of_consumers_refuse_is_refused(field: object) -> None:
    assert "things v1" in refusal(record_of(field=field))


def test_a_field_name_that_is_no_name_cannot_reach_generated_code() -> None:
    schema = record_of(**{"x\nimport os": "string"})
    assert "letters, digits, _" in refusal(schema)


def test_all_findings_are_told_at_once() -> None:
    with pytest.raises(DocumentError) as caught:
        compiled(record_of(a="Missing", b={"type": "array", "items": "null"}))
    assert len(caught.value.findings) == 2


@pytest.mark.parametrize("type_", [["null", "string"], "boolean", "double", ["string", "int"]])
def test_key_that_is_no_text_or_whole_number_is_refused(type_: object) -> None:
    assert "never null" in refusal(record_of(key=type_))


def test_missing_key_field_is_refused() -> None:
    assert "no such field" in refusal(record_of(), key_field="other")


def test_wanted_field_that_is_no_scalar_is_refused() -> None:
    schema = record_of(field={"type": "array", "items": "string"})
    assert "top-level scalar" in refusal(schema, wanted=frozenset({"field"}))


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        ("int", {"kind": "pattern", "field": "field", "pattern": "a"}),
        ("string", {"kind": "range", "field": "field", "minimum": 1}),
        ("int", {"kind": "range", "field": "field", "minimum": "2020-01-01"}),
        ("int", {"kind": "length", "field": "field", "minimum": 1}),
        ("string", {"kind": "enumeration", "field": "field", "values": [1]}),
        ("int", {"kind": "enumeration", "field": "field", "values": ["1"]}),
        ("int", {"kind": "code_list", "field": "field", "codes": ["1"]}),
        ("string", {"kind": "code_list", "field": "field", "file": "codes.csv"}),
        ("long", {"kind": "check_digits", "field": "field", "algorithm": "inn"}),
        ("int", {"kind": "compare", "field": "field", "operator": "eq", "other": "key"}),
        ("long", {"kind": "event_time", "field": "field"}),
        ("string", {"kind": "required", "field": "absent"}),
        ("string", {"kind": "required", "field": "field.inner"}),
        (["int", "string"], {"kind": "range", "field": "field", "minimum": 1}),
    ],
)
def test_rule_that_cannot_judge_its_field_is_refused_by_name(
    field: object, rule: dict[str, object]
) -> None:
    parsed = RULE.validate_python({"id": "the-rule", "text": TEXT, **rule})
    message = refusal(record_of(field=field), rules=(parsed,))
    assert "things v1 rule the-rule" in message
