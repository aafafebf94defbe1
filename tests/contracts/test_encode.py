"""Publishing side: what fits is framed, what does not is named; reading side: whole values only."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.contracts.encode import NotDecodable, NotEncodable, decoder, encoder
from bus.errors import DocumentError
from bus.model.verdict import Examined
from tests.contracts.schemas_and_values import (
    FRAME,
    SCHEMA_ID,
    compiled,
    record_of,
    typed_records,
)

DATE = {"type": "int", "logicalType": "date"}
MS = {"type": "long", "logicalType": "timestamp-millis"}
US = {"type": "long", "logicalType": "timestamp-micros"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-micros"}
CLOCK = {"type": "int", "logicalType": "time-millis"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
FIXED_MONEY = {
    "type": "fixed", "name": "M", "size": 2, "logicalType": "decimal", "precision": 4, "scale": 2
}  # fmt: skip
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}
UUID_TEXT = {"type": "string", "logicalType": "uuid"}
ADDRESS = {"type": "record", "name": "Address", "fields": [{"name": "city", "type": "string"}]}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_encoded_record_is_examined_and_decodes_to_itself(data: st.DataObject) -> None:
    typed = data.draw(typed_records())
    record = data.draw(typed.values)
    value = encoder(typed.schema, SCHEMA_ID)(record)
    assert value.startswith(FRAME)
    assert isinstance(compiled(typed.schema).examine(value, 0), Examined)
    assert decoder(typed.schema)(value) == record


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("int", True),
        ("int", 1.9),
        ("int", 1.0),
        ("int", "1"),
        ("int", 2**31),
        ("int", None),
        ("long", 2**63),
        ("boolean", 1),
        ("boolean", "true"),
        ("double", float("nan")),
        ("double", True),
        ("double", 2**53 + 1),
        ("float", 1e39),
        ("string", b"a"),
        ("string", "a\0"),
        ("string", "\ud800"),
        (UUID_TEXT, "not-a-uuid"),
        ("bytes", "a"),
        ({"type": "fixed", "name": "F", "size": 2}, b"a"),
        (COLOUR, "GREEN"),
        (COLOUR, 0),
        (DATE, datetime(2026, 1, 1, tzinfo=UTC)),
        (DATE, 20_000),
        (MS, datetime(2026, 1, 1)),  # noqa: DTZ001 - no zone is the fault
        (MS, datetime(2026, 1, 1, microsecond=1, tzinfo=UTC)),
        (MS, date(2026, 1, 1)),
        (LOCAL, datetime(2026, 1, 1, tzinfo=UTC)),
        (CLOCK, time(1, tzinfo=UTC)),
        (CLOCK, time(1, microsecond=1)),
        (MONEY, 1.5),
        (MONEY, Decimal("1.234")),
        (MONEY, Decimal("100.00")),
        (MONEY, Decimal("NaN")),
        (MONEY, Decimal("1E+999999")),
        (FIXED_MONEY, Decimal("100.00")),
        ({"type": "array", "items": "int"}, "12"),
        ({"type": "map", "values": "int"}, [("a", 1)]),
        ({"type": "map", "values": "int"}, {1: 1}),
        (["null", "string"], 1),
        (["null", "string", "int"], 1.5),
        (ADDRESS, "Samara"),
    ],
)
def test_value_of_another_kind_is_refused_by_field_without_its_value(
    type_: object, value: object
) -> None:
    encode = encoder(record_of(the_field=type_), SCHEMA_ID)
    with pytest.raises(NotEncodable) as caught:
        encode({"key": "k", "the_field": value})
    (finding,) = caught.value.findings
    assert finding.path.startswith("the_field")
    assert finding.expected
    assert "GREEN" not in str(caught.value)
    assert "not-a-uuid" not in str(caught.value)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("double", 2),
        (UUID_TEXT, UUID(int=5)),
        (UUID_TEXT, str(UUID(int=5))),
        (US, datetime(2026, 1, 1, microsecond=1, tzinfo=UTC)),
        (MONEY, Decimal("99.99")),
        (MONEY, Decimal(7)),
        (FIXED_MONEY, Decimal("-99.99")),
        ({"type": "array", "items": "int"}, (1, 2)),
    ],
)
def test_value_of_the_right_kind_is_encoded(type_: object, value: object) -> None:
    schema = record_of(the_field=type_)
    encoded = encoder(schema, SCHEMA_ID)({"key": "k", "the_field": value})
    assert isinstance(compiled(schema).examine(encoded, 0), Examined)


def test_all_misfits_of_a_record_are_told_at_once() -> None:
    encode = encoder(record_of(a="int", b="string", home=ADDRESS), SCHEMA_ID)
    with pytest.raises(NotEncodable) as caught:
        encode({"key": "k", "a": "x", "home": {"city": 5}, "extra": 1})
    assert [finding.path for finding in caught.value.findings] == ["record", "a", "b", "home.city"]


def test_record_that_is_no_mapping_is_refused() -> None:
    encode: Any = encoder(record_of(), SCHEMA_ID)
    with pytest.raises(NotEncodable):
        encode(["k"])


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\0\0\0",
        b"\1\0\0\0\1\2k\2",
        FRAME,
        FRAME + b"\2",
        FRAME + b"\2k",
        FRAME + b"\2k\2" + b"\2",
        FRAME + b"\2\xff\2",
        FRAME + b"\1",
    ],
)
def test_bytes_that_are_not_one_whole_value_are_not_decoded(value: bytes) -> None:
    with pytest.raises(NotDecodable):
        decoder(record_of(f="int"))(value)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_decoding_arbitrary_bytes_raises_one_type_only(data: st.DataObject) -> None:
    typed = data.draw(typed_records())
    with contextlib.suppress(NotDecodable):
        decoder(typed.schema)(FRAME + data.draw(st.binary(max_size=60)))


def test_schema_that_could_exhaust_a_reader_makes_no_decoder() -> None:
    schema = record_of(f={"type": "array", "items": "null"})
    with pytest.raises(DocumentError):
        decoder(schema)
    with pytest.raises(DocumentError):
        encoder(schema, SCHEMA_ID)
