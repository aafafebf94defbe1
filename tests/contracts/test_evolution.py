from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import avro.schema
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from hypothesis import given
from hypothesis import strategies as st

from bus.contracts.avro_types import Schema
from bus.contracts.contract import Compatibility, SchemaVersion
from bus.contracts.evolution import Break, Direction, breaks_between, check_history
from tests.texts.english import in_english

NAV = Path("../shared/data/avro/nav_brukernotifikasjon_history")
STRING: Schema = "string"
OPTIONAL: Schema = ["null", "string"]


def record(
    *fields: dict[str, Any], name: str = "Shelter", namespace: str = "region.civil"
) -> Schema:
    return {"type": "record", "name": name, "namespace": namespace, "fields": list(fields)}


def field(name: str, kind: Schema, **more: Schema) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def version(number: int, schema: Mapping[str, Any]) -> SchemaVersion:
    return SchemaVersion(number=number, schema=schema, rules=(), accepted_until=None)


def history(*schemas: Schema, level: Compatibility = Compatibility.FULL_TRANSITIVE) -> list[Break]:
    versions = [version(number, schema) for number, schema in enumerate(schemas, start=1)]
    return list(map(in_english, check_history(versions, level)))


def typed(kind: Schema) -> Schema:
    return record(field("a", kind))


def test_optional_field_may_come_and_go() -> None:
    without, with_it = record(field("a", STRING)), record(
        field("a", STRING), field("b", OPTIONAL, default=None)
    )  # fmt: skip
    assert history(without, with_it, without) == []


def test_new_field_without_a_default_can_not_be_read_from_old_records() -> None:
    older, newer = typed(STRING), record(field("a", STRING), field("b", STRING))
    assert history(older, newer) == [
        Break(
            older=1,
            newer=2,
            direction=Direction.BACKWARD,
            path=("fields", 1),
            found="new field `b` without a default",
            expected="a default",
            remedy="Add one; a new optional field is a union with null and `default: null`.",
        )
    ]


def test_removed_field_is_missed_by_old_readers() -> None:
    older, newer = record(field("a", STRING), field("b", STRING)), typed(STRING)
    assert history(older, newer) == [
        Break(
            older=1,
            newer=2,
            direction=Direction.FORWARD,
            path=("fields",),
            found="no field `b`, which has no default before",
            expected="field `b` kept",
            remedy="Keep the field: a reader of the version before can't do without it.",
        )
    ]


@pytest.mark.parametrize(
    ("level", "directions"),
    [
        (Compatibility.NONE, []),
        (Compatibility.BACKWARD, []),
        (Compatibility.FORWARD, [Direction.FORWARD]),
        (Compatibility.FULL, [Direction.FORWARD]),
        (Compatibility.FULL_TRANSITIVE, [Direction.FORWARD]),
    ],
)
def test_level_says_which_direction_counts(
    level: Compatibility, directions: list[Direction]
) -> None:
    older, newer = record(field("a", STRING), field("b", STRING)), typed(STRING)
    assert [found.direction for found in history(older, newer, level=level)] == directions


def test_transitive_level_looks_at_every_earlier_version() -> None:
    first = record(field("a", STRING), field("b", STRING))
    second = record(field("a", STRING), field("b", STRING, default=""))
    third = typed(STRING)
    assert history(first, second, third, level=Compatibility.FULL) == []
    (found,) = history(first, second, third)
    assert (found.older, found.newer) == (1, 3)


@pytest.mark.parametrize(
    ("older", "newer", "found", "expected"),
    [
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
            {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 4},
            "decimal(9, 4)",
            "decimal(9, 2)",
        ),
        ({"type": "int", "logicalType": "date"}, "int", "int", "date on int"),
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            {"type": "long", "logicalType": "timestamp-micros"},
            "timestamp-micros on long",
            "timestamp-millis on long",
        ),
        ("string", {"type": "string", "logicalType": "uuid"}, "uuid on string", "string"),
    ],
)
def test_logical_types_do_not_change(
    older: Schema, newer: Schema, found: str, expected: str
) -> None:
    breaks = history(typed(older), typed(newer))
    assert {(b.path, b.found, b.expected) for b in breaks} == {
        (("fields", 0, "type"), found, expected)
    }


def test_logical_type_inside_a_nullable_field_does_not_change() -> None:
    date = {"type": "int", "logicalType": "date"}
    breaks = history(typed(["null", date]), typed(["null", "int"]))
    assert {b.path for b in breaks} == {("fields", 0, "type", 1)}


def test_namespace_does_not_change() -> None:
    breaks = history(record(), record(namespace="region.other"))
    assert {(b.path, b.found, b.expected) for b in breaks} == {
        (("name",), "the name region.other.Shelter", "the name region.civil.Shelter")
    }


def enum(*symbols: str, **more: Schema) -> Schema:
    return typed({"type": "enum", "name": "Kind", "symbols": list(symbols), **more})


def test_new_symbol_needs_a_default_in_the_enum() -> None:
    (found,) = history(enum("A"), enum("A", "B"))
    assert found.direction is Direction.FORWARD
    assert found.path == ("fields", 0, "type", "symbols")
    assert found.found == "B in this version alone"
    assert history(enum("A", default="A"), enum("A", "B", default="A")) == []


def test_default_of_an_enum_is_not_dropped() -> None:
    breaks = history(enum("A", "B", default="A"), enum("A", "B"))
    assert {(b.found, b.expected) for b in breaks} == {
        ("no enum `default`", "`default`: A, as before")
    }


def test_wider_number_is_one_way() -> None:
    (found,) = history(typed("int"), typed("long"))
    assert (found.direction, found.found, found.expected) == (Direction.FORWARD, "long", "int")


def test_size_of_a_fixed_does_not_change() -> None:
    def fixed(size: int) -> Schema:
        return typed({"type": "fixed", "name": "Digest", "size": size})

    assert {b.found for b in history(fixed(16), fixed(32))} == {"size 32"}


def test_field_may_become_optional_for_new_readers_only() -> None:
    (found,) = history(typed(STRING), typed(OPTIONAL))
    assert found.direction is Direction.FORWARD
    assert found.path == ("fields", 0, "type", 0)


def test_items_and_values_are_compared() -> None:
    def items(kind: Schema) -> Schema:
        return typed({"type": "array", "items": {"type": "map", "values": kind}})

    breaks = history(items("string"), items("int"))
    assert {b.path for b in breaks} == {("fields", 0, "type", "items", "values")}


def test_type_by_name_is_the_same_type() -> None:
    place = {"type": "record", "name": "Place", "fields": [field("x", "int")]}
    by_name = record(field("a", place), field("b", "Place"))
    written = record(field("a", place), field("b", "region.civil.Place"))
    assert history(by_name, written) == []


def test_recursive_schemas_are_compared_to_an_end() -> None:
    tree = record(field("next", ["null", "Shelter"], default=None))
    assert history(tree, tree) == []


def nav(topic: str) -> list[dict[str, Any]]:
    if not NAV.exists():
        pytest.skip(f"real schema histories are not at {NAV}")
    paths = sorted((NAV / topic).glob("v*.avsc"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def peer_reads(reader: Schema, writer: Schema) -> bool:
    """Ask Avro's own Python library."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call] # theirs
    result = checker.get_compatibility(
        avro.schema.make_avsc_object(reader, validate_names=False),
        avro.schema.make_avsc_object(writer, validate_names=False),
    )
    return result.compatibility is SchemaCompatibilityType.compatible


def we_read(reader: Schema, writer: Schema) -> bool:
    return not breaks_between(version(1, writer), version(2, reader), Direction.BACKWARD)


@pytest.mark.parametrize(("topic", "versions"), [("oppgave", 16), ("done", 6)])
def test_real_histories_are_judged_at_least_as_strictly_as_by_avros_library(
    topic: str, versions: int
) -> None:
    schemas = nav(topic)
    assert len(schemas) == versions
    for older, newer in pairwise(schemas):
        if not same_names(older, newer):
            continue  # the library lets namespaces change
        assert we_read(newer, older) == peer_reads(newer, older)
        assert we_read(older, newer) == peer_reads(older, newer)


def test_real_histories_hold_breaks_that_avros_library_lets_pass() -> None:
    moved = [
        (older, newer)
        for topic in ("oppgave", "done")
        for older, newer in pairwise(nav(topic))
        if not same_names(older, newer)
    ]
    assert moved
    assert all(not we_read(newer, older) for older, newer in moved)


def same_names(older: dict[str, Any], newer: dict[str, Any]) -> bool:
    return (older["name"], older["namespace"]) == (newer["name"], newer["namespace"])


SCALARS = st.sampled_from(["int", "long", "float", "double", "string", "bytes", "boolean"])
ENUMS = st.lists(st.sampled_from("ABC"), min_size=1, unique=True).map(
    lambda symbols: {"type": "enum", "name": "Kind", "symbols": symbols}
)
TYPES = st.one_of(
    SCALARS,
    SCALARS.map(lambda kind: ["null", kind]),
    SCALARS.map(lambda kind: {"type": "array", "items": kind}),
    ENUMS,
)
SCHEMAS = st.dictionaries(st.sampled_from("abcd"), TYPES, max_size=4).map(
    lambda fields: record(*(field(name, kind) for name, kind in fields.items()))
).filter(lambda schema: json.dumps(schema).count('"Kind"') <= 1)  # fmt: skip


@given(SCHEMAS, SCHEMAS)
def test_without_logical_types_we_and_avros_library_agree(reader: Schema, writer: Schema) -> None:
    assert we_read(reader, writer) == peer_reads(reader, writer)


@given(SCHEMAS)
def test_a_schema_is_compatible_with_itself(schema: Schema) -> None:
    assert history(schema, schema, schema) == []


@given(SCHEMAS, SCHEMAS)
def test_what_is_backward_one_way_is_forward_the_other(first: Schema, second: Schema) -> None:
    backward = breaks_between(version(1, first), version(2, second), Direction.BACKWARD)
    forward = breaks_between(version(1, second), version(2, first), Direction.FORWARD)
    assert bool(backward) == bool(forward)
