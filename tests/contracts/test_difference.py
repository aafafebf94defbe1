"""What `bus contract diff` finds between two schema versions."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from bus.contracts.contract import SchemaVersion
from bus.contracts.difference import FieldChange, difference
from bus.contracts.rules import Rule
from tests.contracts.schemas_and_values import record_of

RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
DAY = {"type": "int", "logicalType": "date"}
KIND = {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}
PLACE = {"type": "record", "name": "Place", "fields": [{"name": "city", "type": "string"}]}


def version(number: int, *rules: str, **fields: object) -> SchemaVersion:
    schema = record_of(**fields)
    for field in schema["fields"]:
        if isinstance(field["type"], list):
            field["default"] = None
    written: list[Any] = [
        {"id": rule, "kind": "required", "field": "key", "text": {"ru": "Д", "en": "D"}}
        for rule in rules
    ]
    return SchemaVersion(
        number=number,
        schema=schema,
        rules=tuple(map(RULE.validate_python, written)),
        accepted_until=None,
    )


def test_fields_and_rules_that_differ_are_told_with_their_types() -> None:
    older = version(1, "kept", "gone", a="int", b=["null", DAY], place=PLACE)
    newer = version(
        2, "kept", "new", a="long", kind=["null", KIND],
        place={**PLACE, "fields": [*PLACE["fields"], {"name": "street", "type": "string"}]},
    )  # fmt: skip
    found = difference(older, newer)
    assert (found.older, found.newer) == (1, 2)
    assert found.added == {"kind": "enum Kind (A, B) or null", "place.street": "string"}
    assert found.removed == {"b": "date on int or null"}
    assert found.changed == (FieldChange(path="a", before="int", after="long"),)
    assert (found.rules_added, found.rules_removed) == (("new",), ("gone",))


@pytest.mark.parametrize(
    ("before", "after", "compatible"),
    [
        ({"a": "int"}, {"a": "int", "b": ["null", "int"]}, "FULL"),
        ({"a": "int"}, {"a": "int", "b": "int"}, "FORWARD"),
        ({"a": "int", "b": "int"}, {"a": "int"}, "BACKWARD"),
        ({"a": "int"}, {"a": "long"}, "BACKWARD"),
        ({"a": "int"}, {"a": "string"}, "NONE"),
        ({"a": "int"}, {"a": DAY}, "NONE"),
    ],
)
def test_how_two_versions_fit_is_named_as_contracts_name_it(
    before: dict[str, object], after: dict[str, object], compatible: str
) -> None:
    found = difference(version(1, **before), version(2, **after))
    assert found.compatible == compatible


def test_equal_versions_differ_in_nothing() -> None:
    found = difference(version(1, "r", a="int"), version(2, "r", a="int"))
    assert not found.added
    assert not found.removed
    assert not found.changed
    assert (found.rules_added, found.rules_removed, found.compatible) == ((), (), "FULL")
