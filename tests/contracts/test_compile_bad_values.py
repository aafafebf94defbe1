"""Each kind of bad bytes, with the reason and the field that the provider is told."""

from __future__ import annotations

import struct
import time

import pytest

from bus.model.verdict import Examined, Malformed, Reason
from tests.contracts.schemas_and_values import FRAME, compiled, framed, record_of

KEY = b"\x02k"
"""The field `key` with the text `k`."""
DATE = {"type": "int", "logicalType": "date"}
MOMENT = {"type": "long", "logicalType": "timestamp-millis"}
CLOCK = {"type": "int", "logicalType": "time-millis"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}
ADDRESS = {
    "type": "record",
    "name": "Address",
    "fields": [{"name": "oktmo", "type": "string"}, {"name": "flat", "type": ["null", "int"]}],
}


def varint(number: int) -> bytes:
    """Write a zigzag varint of any size."""
    raw = number << 1 if number >= 0 else (-number << 1) - 1
    groups = bytearray()
    while raw > 127:
        groups.append(raw & 127 | 128)
        raw >>= 7
    groups.append(raw)
    return bytes(groups)


def text(content: bytes) -> bytes:
    """Write bytes as an Avro string, whatever they are."""
    return varint(len(content)) + content


def judge(field: object, datum: bytes) -> Examined | Malformed:
    """Examine a record of a key and one more field."""
    return compiled(record_of(field=field)).examine(FRAME + KEY + datum, 0)


BAD = [
    ("no byte of a text", "string", b"", Reason.MALFORMED_AVRO),
    ("a text cut short", "string", b"\x08abc", Reason.MALFORMED_AVRO),
    ("a negative length", "string", b"\x01abc", Reason.MALFORMED_AVRO),
    ("a negative length of two bytes", "string", varint(-100) + b"a" * 99, Reason.MALFORMED_AVRO),
    (
        "a negative length of three bytes",
        "string",
        varint(-9_000) + b"a" * 9_000,
        Reason.MALFORMED_AVRO,
    ),
    ("a length longer than needed", "string", b"\x82\x00a", Reason.MALFORMED_AVRO),
    ("a length past all memory", "string", varint(2**62), Reason.MALFORMED_AVRO),
    ("bytes cut short", "bytes", b"\x08abc", Reason.MALFORMED_AVRO),
    ("bytes of negative length", "bytes", b"\x07abc", Reason.MALFORMED_AVRO),
    ("a fixed cut short", {"type": "fixed", "name": "F", "size": 4}, b"abc", Reason.MALFORMED_AVRO),
    ("a double cut short", "double", b"\0" * 7, Reason.MALFORMED_AVRO),
    ("a float cut short", "float", b"\0" * 3, Reason.MALFORMED_AVRO),
    ("a boolean of 2", "boolean", b"\x02", Reason.MALFORMED_AVRO),
    ("an endless varint", "long", b"\x80" * 40, Reason.MALFORMED_AVRO),
    ("a varint of 11 bytes", "long", b"\x80" * 10 + b"\x01", Reason.MALFORMED_AVRO),
    ("a varint cut short", "long", b"\x80", Reason.MALFORMED_AVRO),
    ("a varint longer than needed", "long", b"\x82\x00", Reason.MALFORMED_AVRO),
    ("an int of 6 bytes", "int", varint(2**40), Reason.MALFORMED_AVRO),
    ("an int past 32 bits", "int", varint(2**31), Reason.VALUE_OUT_OF_RANGE),
    ("an int below 32 bits", "int", varint(-(2**31) - 1), Reason.VALUE_OUT_OF_RANGE),
    ("a long past 64 bits", "long", varint(2**63), Reason.VALUE_OUT_OF_RANGE),
    ("a long below 64 bits", "long", varint(-(2**63) - 1), Reason.VALUE_OUT_OF_RANGE),
    ("a union's branch too high", ["null", "string"], b"\x04", Reason.MALFORMED_AVRO),
    ("a union's branch below 0", ["null", "string"], b"\x01", Reason.MALFORMED_AVRO),
    ("a union's branch of two bytes", ["null", "string"], b"\x80\x01", Reason.MALFORMED_AVRO),
    ("a symbol too high", COLOUR, b"\x04", Reason.MALFORMED_AVRO),
    ("a symbol below 0", COLOUR, b"\x01", Reason.MALFORMED_AVRO),
    ("a broken UTF-8 sequence", "string", text(b"\xd0"), Reason.INVALID_TEXT),
    ("a lone continuation byte", "string", text(b"a\x80b"), Reason.INVALID_TEXT),
    ("an overlong UTF-8 sequence", "string", text(b"\xc0\xaf"), Reason.INVALID_TEXT),
    ("a lone surrogate", "string", text(b"\xed\xa0\x80"), Reason.INVALID_TEXT),
    ("a NUL in a text", "string", text(b"a\0b"), Reason.INVALID_TEXT),
    ("a NUL in a long text", "string", text(b"a" * 200 + b"\0"), Reason.INVALID_TEXT),
    ("broken UTF-8 in a long text", "string", text(b"a" * 200 + b"\xff"), Reason.INVALID_TEXT),
    ("a NUL in an optional text", ["null", "string"], b"\x02" + text(b"\0"), Reason.INVALID_TEXT),
    ("not a UUID", {"type": "string", "logicalType": "uuid"}, text(b"1-2"), Reason.INVALID_TEXT),
    ("a double NaN", "double", struct.pack("<d", float("nan")), Reason.VALUE_OUT_OF_RANGE),
    ("a double infinity", "double", struct.pack("<d", float("-inf")), Reason.VALUE_OUT_OF_RANGE),
    ("a float NaN", "float", struct.pack("<f", float("nan")), Reason.VALUE_OUT_OF_RANGE),
    ("a float infinity", "float", struct.pack("<f", float("inf")), Reason.VALUE_OUT_OF_RANGE),
    ("a date in the year 300000", DATE, varint(108_853_000), Reason.VALUE_OUT_OF_RANGE),
    ("a date after 9999", DATE, varint(2_932_897), Reason.VALUE_OUT_OF_RANGE),
    ("a date before year 1", DATE, varint(-719_163), Reason.VALUE_OUT_OF_RANGE),
    ("a moment after 9999", MOMENT, varint(253_402_300_800_000), Reason.VALUE_OUT_OF_RANGE),
    ("a moment before year 1", MOMENT, varint(-62_135_596_800_001), Reason.VALUE_OUT_OF_RANGE),
    ("a time after midnight", CLOCK, varint(86_400_000), Reason.VALUE_OUT_OF_RANGE),
    ("a time before midnight", CLOCK, varint(-1), Reason.VALUE_OUT_OF_RANGE),
    ("a decimal of too many digits", DECIMAL, b"\x04\x03\xe8", Reason.VALUE_OUT_OF_RANGE),
    ("a decimal without digits", DECIMAL, b"\x00", Reason.VALUE_OUT_OF_RANGE),
]


@pytest.mark.parametrize(
    ("field", "datum", "reason"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_bad_field_is_malformed_with_its_reason_and_path(
    field: object, datum: bytes, reason: Reason
) -> None:
    assert judge(field, datum) == Malformed(reason=reason, path="field")


GOOD = [
    ("int", varint(2**31 - 1)),
    ("int", varint(-(2**31))),
    ("long", varint(2**63 - 1)),
    ("long", varint(-(2**63))),
    ("double", struct.pack("<d", 1.7e308)),
    ("double", struct.pack("<d", -0.0)),
    ("float", struct.pack("<f", 3.4e38)),
    (DATE, varint(2_932_896)),
    (DATE, varint(-719_162)),
    (DATE, varint(-1)),
    (MOMENT, varint(253_402_300_799_999)),
    (MOMENT, varint(-62_135_596_800_000)),
    (CLOCK, varint(0)),
    (CLOCK, varint(86_399_999)),
    (DECIMAL, b"\x04\x03\xe7"),
    (COLOUR, b"\x02"),
    ("string", b"\x00"),
    ("string", text("ы".encode() * 5_000)),
    ("bytes", text(b"\0\xff\0")),
    (["string", "null"], b"\x02"),
]


@pytest.mark.parametrize(("field", "datum"), GOOD)
def test_value_at_its_limit_is_examined(field: object, datum: bytes) -> None:
    assert isinstance(judge(field, datum), Examined)


def test_bytes_after_the_record_are_trailing() -> None:
    assert judge("string", b"\x02a!") == Malformed(reason=Reason.TRAILING_BYTES, path="")


def test_a_second_datum_after_the_record_is_trailing() -> None:
    assert judge("int", b"\x02" + KEY + b"\x02") == Malformed(reason=Reason.TRAILING_BYTES, path="")


def test_a_broken_sequence_is_not_mended_by_the_bytes_of_the_next_field() -> None:
    """The text ends in a lead byte; the date after it begins with a continuation byte."""
    schema = record_of(text="string", day=DATE)
    datum = KEY + text(b"\xd0") + varint(8_000 << 6)
    assert datum[4] & 0xC0 == 0x80

    verdict = compiled(schema).examine(FRAME + datum, 0)

    assert verdict == Malformed(reason=Reason.INVALID_TEXT, path="text")


def test_the_path_of_a_nested_field_is_told() -> None:
    verdict = judge(ADDRESS, text(b"\xff") + b"\x00")
    assert verdict == Malformed(reason=Reason.INVALID_TEXT, path="field.oktmo")


def test_the_path_of_an_item_is_told() -> None:
    verdict = judge({"type": "array", "items": "string"}, b"\x04" + text(b"a") + text(b"\0"))
    assert verdict == Malformed(reason=Reason.INVALID_TEXT, path="field[]")


def test_a_broken_text_of_one_item_is_seen_before_the_number_of_the_next() -> None:
    fields = [{"name": "n", "type": "long"}, {"name": "t", "type": "string"}]
    items = {"type": "array", "items": {"type": "record", "name": "Item", "fields": fields}}
    datum = b"\x04" + varint(5_000) + text(b"\xff") + varint(5_000) + text(b"a") + b"\x00"
    assert judge(items, datum) == Malformed(reason=Reason.INVALID_TEXT, path="field[].t")


def test_blocks_that_tell_their_size_are_read() -> None:
    items = text(b"a") + text(b"b")
    datum = varint(-2) + varint(len(items)) + items + varint(1) + text(b"c") + b"\x00"
    assert isinstance(judge({"type": "array", "items": "string"}, datum), Examined)


def test_a_block_of_another_size_than_it_tells_is_malformed() -> None:
    items = text(b"a") + text(b"b")
    datum = varint(-2) + varint(len(items) + 1) + items + b"\x00"
    verdict = judge({"type": "array", "items": "string"}, datum)
    assert verdict == Malformed(reason=Reason.MALFORMED_AVRO, path="field")


def test_a_block_that_claims_a_million_items_is_refused_at_once() -> None:
    begin = time.process_time()
    verdict = judge({"type": "array", "items": "int"}, varint(2**40) + b"\x00" * 50)
    assert verdict == Malformed(reason=Reason.MALFORMED_AVRO, path="field[]")
    assert time.process_time() - begin < 0.05


def test_a_nul_in_a_map_key_is_invalid_text() -> None:
    verdict = judge({"type": "map", "values": "int"}, b"\x02" + text(b"\0") + b"\x02\x00")
    assert verdict == Malformed(reason=Reason.INVALID_TEXT, path="field[]")


def test_zero_bytes_of_structure_hide_no_nul() -> None:
    """Zeros as null, false, 0, first symbol, empty text and in binary are counted, each once."""
    fixed = {"type": "fixed", "name": "F", "size": 3}
    schema = record_of(
        a=["null", "string"], b="boolean", c="int", d=COLOUR, e="string", f="double", g=fixed,
        h={"type": "array", "items": "int"}, i="bytes", j="string",
    )  # fmt: skip
    value = {
        "key": "", "a": None, "b": False, "c": 0, "d": "RED", "e": "", "f": 0.0, "g": b"\0\1\0",
        "h": [0, 0], "i": b"\0", "j": "x",
    }  # fmt: skip
    raw = framed(schema, value)
    examine = compiled(schema).examine
    assert isinstance(examine(raw, 0), Examined)
    assert examine(raw[:-1] + b"\0", 0) == Malformed(reason=Reason.INVALID_TEXT, path="j")


def test_a_large_value_of_many_items_is_judged_within_the_time_of_a_batch() -> None:
    schema = record_of(field={"type": "array", "items": {"type": "array", "items": "int"}})
    value = framed(schema, {"key": "k", "field": [[]] * 200_000})
    examine = compiled(schema).examine
    begin = time.process_time()
    assert isinstance(examine(value, 0), Examined)
    assert time.process_time() - begin < 0.5


def test_malformed_carries_no_value_of_the_record() -> None:
    verdict = judge("string", text(b"Ivanov\0"))
    assert "Ivanov" not in repr(verdict)
