"""Grammar bombs: a sound datum with one piece written as Avro forbids, or as nobody expects."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final

from tests.malformed.avro_pieces import Kind, Piece, joined, number_of, varint

WHOLE_VALUE_BYTES: Final = 256 * 1024
"""The largest value that enforcement opens, frame included."""
_HUGE: Final = (2**31 - 1, 2**31, 2**62, 2**63 - 1, 2**64, 2**69)
_NEGATIVE: Final = (-1, -2, -(2**31), -(2**63), -(2**63) - 1)
_TEXTS: Final = (
    b"\x00",
    b"so\x00nd",
    b"\xff\xfe",
    b"\xc0\x80",  # NUL, written too long
    b"\xe0\x80\xaf",
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xf4\x90\x80\x80",  # past the last character
    b"\xf8\x88\x80\x80\x80",
    b"\xd0",  # begins a character
    b"\x80",  # goes on with one
    "\u202e\u0000\ufeff".encode(),
    ("a\u0301" * 500).encode(),
    b"(" * 1_001,
    b"9" * 5_000,
)
_FLOATS: Final = tuple(map(float, ("nan", "inf", "-inf", "-0.0", "1e-40", "3e38")))
_FORMS: Final = {4: "<f", 8: "<d"}


def bomb(pieces: Sequence[Piece], dice: Random) -> bytes:
    """Spoil a datum in one piece.

    Args:
        pieces: Of a sound datum.
        dice: Chooses the piece, and how.
    """
    place = dice.randrange(len(pieces))
    spoiled = _SPOILERS[pieces[place].kind](pieces, place, dice)
    return joined(pieces[:place]) + spoiled


def wide(pieces: Sequence[Piece], dice: Random) -> bytes:
    """Fill a value with as many of the smallest items as it may have, or one large text."""
    room = WHOLE_VALUE_BYTES - sum(len(piece.data) for piece in pieces) - 32
    counts = [place for place, piece in enumerate(pieces) if piece.kind is Kind.COUNT]
    lengths = [place for place, piece in enumerate(pieces) if piece.kind is Kind.LENGTH]
    if counts and dice.random() < 0.7:
        place = dice.choice(counts)
        filling = dice.choice((b"\x00", b"\x02", b"\x00\x02", b"\x02a\x00", b"\x02\x00"))
        items = filling * (room // len(filling))
        count = dice.choice((1, 2, len(items) // len(filling), len(items)))
        block = dice.choice(
            (
                varint(count) + items,
                varint(-count) + varint(len(items)) + items,
                b"\x02" + items,  # if an item is a block itself: blocks of one
                (b"\x01" + varint(len(filling)) + filling) * (len(items) // (len(filling) + 2)),
            )
        )
        return joined(pieces[:place]) + block + joined(pieces[place:])
    place = dice.choice(lengths)
    text = dice.choice((b"n", "ж".encode(), b"9", b"\x00")) * (room // 2)
    return joined(pieces[:place]) + varint(len(text)) + text + joined(pieces[place + 2 :])


def _number(pieces: Sequence[Piece], place: int, dice: Random) -> bytes:
    return _overlong_or(dice, pieces[place], (*_HUGE, *_NEGATIVE, 0)) + joined(pieces[place + 1 :])


def _overlong_or(dice: Random, piece: Piece, numbers: Sequence[int]) -> bytes:
    """Write the same number in more bytes than it takes, never to end, or another number."""
    chance = dice.random()
    if chance < 0.25:
        padding = b"\x80" * dice.choice((0, 1, 4, 8, 9, 30))
        return piece.data[:-1] + bytes([piece.data[-1] | 0x80]) + padding + b"\x00"
    if chance < 0.35:
        return b"\xff" * dice.choice((1, 9, 10, 11, 5_000))
    return varint(dice.choice(numbers))


def _length(pieces: Sequence[Piece], place: int, dice: Random) -> bytes:
    if dice.random() < 0.4:
        text = dice.choice(_TEXTS)
        return varint(len(text)) + text + joined(pieces[place + 2 :])
    said = number_of(pieces[place].data)
    near = (said + 1, said - 1, said + 64, 10_000, *_HUGE, *_NEGATIVE)
    return _overlong_or(dice, pieces[place], near) + joined(pieces[place + 1 :])


def _count(pieces: Sequence[Piece], place: int, dice: Random) -> bytes:
    count, rest = number_of(pieces[place].data), joined(pieces[place + 1 :])
    sizes = (0, 1, len(rest), -1, 2**40, 2**63 - 1, -(2**63))
    sized = varint(-abs(count) or -1) + varint(dice.choice(sizes)) + rest
    blocks = (
        sized,
        _sized(pieces, place),
        varint(count + 1) + rest,
        varint(count - 1) + rest,
        (b"\x02" + rest[:1]) * 500 + rest,
    )
    if dice.random() < 0.5:
        return dice.choice(blocks)
    return _overlong_or(dice, pieces[place], (*_HUGE, *_NEGATIVE)) + rest


def _sized(pieces: Sequence[Piece], place: int) -> bytes:
    """Say a block's size, which Avro allows, where the block is the last of its array."""
    count = number_of(pieces[place].data)
    if count <= 0:
        return joined(pieces[place:])
    depth, end = 1, place + 1
    while depth and end < len(pieces):
        if pieces[end].kind is Kind.COUNT:
            depth += -1 if number_of(pieces[end].data) == 0 else 1
        end += 1
    items = joined(pieces[place + 1 : end - 1])
    return varint(-count) + varint(len(items)) + items + joined(pieces[end - 1 :])


def _choice(pieces: Sequence[Piece], place: int, dice: Random) -> bytes:
    choices = pieces[place].choices
    others = (*range(choices), choices, choices + 1, 63, 64, *_HUGE, *_NEGATIVE)
    return _overlong_or(dice, pieces[place], others) + joined(pieces[place + 1 :])


def _boolean(pieces: Sequence[Piece], place: int, dice: Random) -> bytes:
    return bytes([dice.choice((0, 1, 2, 127, 128, 255))]) + joined(pieces[place + 1 :])


def _float(pieces: Sequence[Piece], place: int, dice: Random) -> bytes:
    form = _FORMS[len(pieces[place].data)]
    return struct.pack(form, dice.choice(_FLOATS)) + joined(pieces[place + 1 :])


def _text(pieces: Sequence[Piece], place: int, dice: Random) -> bytes:
    """Fill the same bytes with another text; the length before it stays, and its end is cut."""
    said = len(pieces[place].data)
    text = dice.choice(_TEXTS)
    return (text * (said // len(text) + 1))[:said] + joined(pieces[place + 1 :])


def _bytes(pieces: Sequence[Piece], place: int, dice: Random) -> bytes:
    said = len(pieces[place].data)
    filled = dice.choice((b"\x00", b"\xff", b"\x7f", b"\x80")) * said
    cut = pieces[place].data[: dice.randrange(said + 1)]
    return dice.choice((filled, cut, filled + b"\x00")) + joined(pieces[place + 1 :])


_SPOILERS: Final[Mapping[Kind, Callable[[Sequence[Piece], int, Random], bytes]]] = {
    Kind.NUMBER: _number,
    Kind.LENGTH: _length,
    Kind.COUNT: _count,
    Kind.SIZE: _number,
    Kind.BRANCH: _choice,
    Kind.SYMBOL: _choice,
    Kind.BOOLEAN: _boolean,
    Kind.FLOAT: _float,
    Kind.TEXT: _text,
    Kind.BYTES: _bytes,
}
