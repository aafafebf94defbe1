"""The plain reading of Avro: what it reads it writes again, and it notices other forms."""

from __future__ import annotations

import pytest

from tests.malformed.avro_pieces import (
    NotAvro,
    joined,
    number_of,
    pieces_of,
    varint,
    written_again,
)
from tests.malformed.targets import Target, pure_world

NUMBER = {"type": "record", "name": "N", "fields": [{"name": "n", "type": "long"}]}
NUMBERS = {
    "type": "record",
    "name": "N",
    "fields": [{"name": "n", "type": {"type": "array", "items": "long"}}],
}


@pytest.mark.parametrize("target", pure_world()[1], ids=lambda target: target.source.dataset)
def test_a_sound_datum_comes_apart_and_together_again(target: Target) -> None:
    datum = target.datum("63-1")
    pieces = pieces_of(target.schema, datum)
    assert joined(pieces) == written_again(pieces) == joined(target.pieces_of("63-1")) == datum


@pytest.mark.parametrize("number", [0, -1, 63, 64, -64, -65, 2**31, 2**63 - 1, -(2**63)])
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert number_of(varint(number)) == number


def test_an_overlong_number_is_another_when_written_again() -> None:
    assert written_again(pieces_of(NUMBER, b"\x82\x00")) == b"\x02"


@pytest.mark.parametrize("datum", [b"", b"\x80", b"\x02\x00", b"\x80" * 10 + b"\x00"])
def test_bytes_that_are_no_number_are_not_read(datum: bytes) -> None:
    with pytest.raises(NotAvro):
        pieces_of(NUMBER, datum)


def test_a_block_that_says_its_size_is_written_again_so() -> None:
    datum = b"\x03\x04\x02\x04\x00"
    assert written_again(pieces_of(NUMBERS, datum)) == datum


def test_a_block_of_another_size_than_it_says_is_not_read() -> None:
    with pytest.raises(NotAvro, match="another size"):
        pieces_of(NUMBERS, b"\x03\x02\x02\x04\x00")
