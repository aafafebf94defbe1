"""Steps that generated decoders take off their fast path: long numbers, long lengths, blocks.

All take the whole framed value and a position, and give positions back. What is not strict Avro
raises `Unreadable`; a position past the end may come back where only a length says so, and the
decoder's last check (the walk must end exactly at the end) refuses it.
"""

from __future__ import annotations

from typing import Final

STEP: Final = tuple(1 + byte // 2 if byte in range(2, 128, 2) else 0 for byte in range(256))
"""First byte of a text → bytes that length and text take together, for texts of 1 to 63 bytes;
0: the text is empty, longer, or the length is negative."""

_GROUP_BITS: Final = 7
ZIGZAG: Final = tuple((byte >> 1) ^ -(byte & 1) for byte in range(128))
"""Byte → the number that it stands for alone."""
HALVES: Final = {
    f"HALF_{_GROUP_BITS * index}": tuple(
        ((byte & 127) << (_GROUP_BITS * index)) >> 1 for byte in range(256)
    )
    for index in range(9)
}
"""Name → byte of a longer number → its part of the number without sign: look-ups and additions
are quicker than shifts. The lowest bit of the first byte is the sign."""

_CONTINUED: Final = 128
_SHIFT_MAX: Final = 9 * _GROUP_BITS
"""Of the tenth byte, the last that a long may have."""


class Unreadable(Exception):
    """The bytes are not strict Avro at this place; a signal inside decoders, never seen outside."""


def number(value: bytes, at: int, minimum: int, maximum: int) -> tuple[int, int]:
    """Read a zigzag varint in its shortest form.

    Returns: the position after it, and its value, which lies in the limits given.

    Raises:
        Unreadable: longer than needed, or out of the limits.
        IndexError: the value ends before the number does.
    """
    raw = shift = 0
    while (byte := value[at]) >= _CONTINUED:
        raw |= (byte - _CONTINUED) << shift
        shift += _GROUP_BITS
        at += 1
        if shift > _SHIFT_MAX:
            raise Unreadable
    raw |= byte << shift
    result = (raw >> 1) ^ -(raw & 1)
    if (not byte and shift) or not minimum <= result <= maximum:
        raise Unreadable
    return at + 1, result


def content(value: bytes, at: int) -> tuple[int, int]:
    """Read the length before a text or bytes; return where its content begins and ends.

    Raises:
        Unreadable, IndexError: as `number`, and where the length passes the end of the value.
    """
    start, length = number(value, at, 0, len(value))
    return start, start + length


def block(value: bytes, at: int) -> tuple[int, int, int]:
    """Read the head of a block of an array or map that is not the end mark.

    Returns: the position of the first item, how many items, and where the block must end
        (0: the block doesn't say).

    Raises:
        Unreadable, IndexError: as `number`, and where the items can't fit the value, each being
            at least one byte.
    """
    limit = len(value)
    at, count = number(value, at, -limit, limit)
    if count >= 0:
        return at, count, 0
    at, size_bytes = number(value, at, 0, limit)
    return at, -count, at + size_bytes
