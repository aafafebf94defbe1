"""The contract's seven rules by hand, as an author of a loop writes them, on fastavro's record."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any, Final

import fastavro

FRAME_BYTES: Final = 5
_NUMBER: Final = re.compile(r"[0-9]{2}-D-[0-9]{8}")
_REASONS: Final = frozenset({"first", "age", "loss", "damage", "change"})
_WEIGHTS: Final = (2, 4, 10, 3, 5, 9, 4, 6, 8)


def judge_with(schema: dict[str, Any]) -> Callable[[bytes], bool]:
    """Make the function that decodes a framed value whole and tells whether it meets every rule."""
    parsed = fastavro.parse_schema(schema)
    read = fastavro.schemaless_reader

    def is_good(value: bytes) -> bool:
        stream = io.BytesIO(value)
        if len(value) < FRAME_BYTES or stream.read(FRAME_BYTES)[0] != 0:
            return False
        record: Any = read(stream, parsed, None)
        return meets_rules(record)

    return is_good


def meets_rules(record: dict[str, Any]) -> bool:
    """Tell whether a record meets all seven rules."""
    reason = record["reason_code"]
    return (
        _NUMBER.fullmatch(record["document_number"]) is not None
        and is_inn(record["issuer_inn"])
        and 3 <= len(record["issuer_name"]) <= 200
        and bool(record["place"].strip())
        and 0 <= record["fee_kopecks"] <= 1_000_000
        and (reason is None or reason in _REASONS)
        and record["born_on"] <= record["issued_on"]
    )


def is_inn(text: str) -> bool:
    """Tell whether a text is an ИНН of 10 digits."""
    if len(text) != 10 or not (text.isascii() and text.isdigit()):
        return False
    return inn_control(text[:9]) == int(text[9])


def inn_control(nine: str) -> int:
    """Give the control digit of nine digits."""
    return sum(w * int(digit) for w, digit in zip(_WEIGHTS, nine, strict=True)) % 11 % 10
