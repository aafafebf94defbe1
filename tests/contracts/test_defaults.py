"""What a field becomes that a record leaves out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bus.contracts.compile import compile_schema
from bus.contracts.contract import Example
from bus.contracts.defaults import field_defaults, whole_record
from bus.contracts.example import judge_example
from bus.contracts.schema_reader import read_shape
from bus.model.verdict import Examined
from tests.contracts.schemas_and_values import SCHEMA_ID, record_of
from tests.fund import samples

DAY = {"type": "int", "logicalType": "date"}


def test_a_field_that_may_be_null_need_not_be_written() -> None:
    schema = record_of(a=["null", "int"], b="int", c=[DAY, "null"], d="null")
    assert field_defaults(schema) == {"a": None, "c": None, "d": None}


def test_the_schemas_default_goes_before_null() -> None:
    fields = [
        {"name": "note", "type": ["string", "null"], "default": "x"},
        {"name": "open", "type": "boolean", "default": False},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "closed", "type": ["null", DAY], "default": None},
    ]
    schema = {"type": "record", "name": "R", "fields": fields}
    assert field_defaults(schema) == {"note": "x", "open": False, "tags": [], "closed": None}


def test_a_default_is_no_text_to_be_read_as_json_writes_values() -> None:
    fields = [{"name": "scan", "type": ["string", "bytes"], "default": "AA=="}]
    schema = {"type": "record", "name": "R", "fields": fields}
    shape = read_shape(schema, where="record")
    assert whole_record(shape, {}, field_defaults(schema)) == {"scan": "AA=="}


def test_an_example_shows_the_default_of_a_field_that_it_leaves_out() -> None:
    fields: samples.Fields = [
        {"name": "registry_number", "type": "string"},
        {"name": "note", "type": ["string", "null"], "default": "none said"},
    ]
    contract = samples.contract(fields)
    compiled = compile_schema(
        dataset=contract.dataset,
        key_field=contract.key_field,
        version=contract.newest,
        schema_id=SCHEMA_ID,
        wanted=frozenset({"note"}),
    )
    example = Example(
        sent_at=datetime(2026, 3, 1, tzinfo=UTC), record={"registry_number": "7"}, refused=None
    )
    judged = judge_example(replace(contract, example=example), example, compiled, is_refused=False)
    assert judged.values["note"] == "none said"
    assert isinstance(judged.verdict, Examined)
    assert judged.verdict.wanted == {"note": "none said"}
