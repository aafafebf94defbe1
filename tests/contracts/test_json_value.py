"""Values written as JSON become the values they were written from."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.client.delivered import as_text
from bus.contracts.encode import encoder
from bus.contracts.json_value import from_json
from bus.contracts.schema_reader import read_shape
from bus.contracts.value_check import find_misfits
from tests.contracts.schemas_and_values import SCHEMA_ID, record_of, typed_records

DAY = {"type": "int", "logicalType": "date"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(st.data())
def test_value_written_as_json_encodes_to_the_same_bytes(data: st.DataObject) -> None:
    typed = data.draw(typed_records())
    value = data.draw(typed.values)
    written = json.loads(json.dumps(value, default=as_text))
    read = from_json(read_shape(typed.schema, where="record"), written)
    assert isinstance(read, dict)
    encode = encoder(typed.schema, SCHEMA_ID)
    assert encode(read) == encode(value)


@pytest.mark.parametrize(
    ("type_", "value"), [(DAY, "31.01.2026"), (DAY, 20_000), (MONEY, "12,50"), ("bytes", "ы")]
)
def test_value_of_another_form_is_left_for_the_check_to_name(type_: object, value: object) -> None:
    shape = read_shape(record_of(f=type_), where="record")
    read = from_json(shape, {"key": "k", "f": value})
    assert read == {"key": "k", "f": value}
    assert [finding.path for finding in find_misfits(shape, read, "")] == ["f"]
