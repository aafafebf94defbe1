"""Confluent's frame before an Avro datum: a zero byte and the schema id, 4 bytes big-endian."""

from __future__ import annotations

import struct
from typing import Final

FRAME_BYTES: Final = 5
_FRAME: Final = struct.Struct(">BI")


def frame(schema_id: int, datum: bytes) -> bytes:
    """Put the frame of `schema_id` (1 to 2**32-1) before an Avro datum."""
    return _FRAME.pack(0, schema_id) + datum


def frame_header(schema_id: int) -> bytes:
    """Give the five bytes of the frame alone."""
    return _FRAME.pack(0, schema_id)


def schema_id_of(value: bytes) -> int | None:
    """Read the schema id of a framed value, or None where there is no frame."""
    if len(value) < FRAME_BYTES or value[0] != 0:
        return None
    return int.from_bytes(value[1:FRAME_BYTES], "big")
