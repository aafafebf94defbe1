"""Digests of what a contract says of its fields: which edits change one, and which do not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.contracts.contract import Classification
from bus.contracts.meaning import meanings_of
from bus.contracts.odcs import SchemaProperty

PROPERTIES: Final = tuple(
    SchemaProperty.model_validate(
        {
            "name": name,
            "businessName": name.title(),
            "logicalType": "string",
            "classification": Classification.PUBLIC,
        }
    )
    for name in ("number", "place", "kind", "code")
)
AREA: Final = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Shelter",
    "namespace": "region",
    "fields": [
        {"name": "number", "type": "string"},
        {
            "name": "place",
            "type": {
                "type": "record",
                "name": "Place",
                "fields": [
                    {"name": "town", "type": "string"},
                    {"name": "area", "type": AREA},
                ],
            },
        },
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["cellar", "metro"]}},
        {"name": "code", "type": {"type": "fixed", "name": "Code", "size": 4}},
    ],
}  # fmt: skip
BEFORE: Final = meanings_of(PROPERTIES, [SCHEMA])


def changed(edit: dict[str, Any]) -> set[str]:
    after = meanings_of(PROPERTIES, [edit])
    return {name for name in BEFORE.keys() | after.keys() if BEFORE.get(name) != after.get(name)}


def edited(field: int, *path: object, to: object) -> dict[str, Any]:
    schema = deepcopy(SCHEMA)
    place: Any = schema["fields"][field]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return schema


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        (edited(0, "type", to="int"), {"number"}),
        (edited(0, "doc", to="The register's own."), {"number"}),
        (edited(1, "type", "fields", 0, "type", to="int"), {"place"}),
        (edited(1, "type", "fields", 1, "type", "scale", to=4), {"place"}),
        (edited(1, "type", "fields", 0, "name", to="city"), {"place"}),
        (edited(2, "type", "symbols", to=["cellar", "metro", "bunker"]), {"kind"}),
        (edited(3, "type", "size", to=8), {"code"}),
        ({**SCHEMA, "fields": SCHEMA["fields"][1:]}, {"number"}),
        ({**SCHEMA, "doc": "Where people find shelter."}, set()),
        ({**SCHEMA, "fields": SCHEMA["fields"][::-1]}, set()),
    ],
)
def test_an_edit_of_the_schema_changes_the_fields_that_it_touches(
    schema: dict[str, Any], fields: set[str]
) -> None:
    assert changed(schema) == fields


@given(
    st.sampled_from([one.name for one in PROPERTIES]),
    st.one_of(
        st.fixed_dictionaries({"business_name": st.text(min_size=1)}),
        st.fixed_dictionaries({"description": st.text(min_size=1)}),
        st.fixed_dictionaries({"classification": st.sampled_from(Classification)}),
    ),
)
def test_an_edit_of_a_field_s_words_or_class_changes_that_field_alone(
    name: str, edit: dict[str, object]
) -> None:
    properties = [one.model_copy(update=edit) if one.name == name else one for one in PROPERTIES]
    after = meanings_of(properties, [SCHEMA])
    touched = {one.name for one, other in zip(PROPERTIES, properties, strict=True) if one != other}
    assert {field for field in BEFORE if BEFORE[field] != after[field]} == touched


def test_rules_and_required_are_no_part_of_a_field_s_meaning() -> None:
    properties = [one.model_copy(update={"required": True}) for one in PROPERTIES]
    assert meanings_of(properties, [SCHEMA]) == BEFORE


def test_a_version_without_a_field_removes_it_and_one_with_more_does_not() -> None:
    more = {**SCHEMA, "fields": [*SCHEMA["fields"], {"name": "phone", "type": "string"}]}
    grown = meanings_of(PROPERTIES, [SCHEMA, more])
    assert {field: grown[field] for field in BEFORE} == dict(BEFORE)
    shrunk = meanings_of(PROPERTIES, [SCHEMA, {**SCHEMA, "fields": SCHEMA["fields"][1:]}])
    assert shrunk.keys() == BEFORE.keys()
    assert {field for field in BEFORE if shrunk[field] != BEFORE[field]} == {"number"}
