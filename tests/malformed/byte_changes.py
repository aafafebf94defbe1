"""Changes to plain bytes, as a broken cable, a broken program or a curious person makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

_EXTENSION_BYTES_MAX: Final = 64


def changed(data: bytes, other: bytes, dice: Random) -> bytes:
    """Change some bytes.

    Args:
        data: May be empty.
        other: Of the same part of another record, for splices.
        dice: Chooses what to change, and how.

    Returns: Other bytes than `data`, always.
    """
    while True:
        made = dice.choice(_CHANGES)(data, other, dice)
        if made != data:
            return made


def _flip(data: bytes, other: bytes, dice: Random) -> bytes:
    made = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 8))):
        if made:
            made[dice.randrange(len(made))] ^= 1 << dice.randrange(8)
    return bytes(made)


def _overwrite(data: bytes, other: bytes, dice: Random) -> bytes:
    place = _place(data, dice)
    run = dice.choice((b"\x00", b"\xff", b"\x80", b"\x7f")) * dice.choice((1, 2, 4, 9))
    return data[:place] + run + data[place + len(run) :]


def _insert(data: bytes, other: bytes, dice: Random) -> bytes:
    place = _place(data, dice)
    return data[:place] + dice.randbytes(dice.choice((1, 2, 5, 10))) + data[place:]


def _delete(data: bytes, other: bytes, dice: Random) -> bytes:
    place = _place(data, dice)
    return data[:place] + data[place + dice.choice((1, 1, 2, 8)) :]


def _truncate(data: bytes, other: bytes, dice: Random) -> bytes:
    return data[: _place(data, dice)]


def _extend(data: bytes, other: bytes, dice: Random) -> bytes:
    return data + dice.randbytes(dice.randint(1, _EXTENSION_BYTES_MAX))


def _repeat(data: bytes, other: bytes, dice: Random) -> bytes:
    start = _place(data, dice)
    end = min(len(data), start + dice.randint(1, 32))
    return data[:end] + data[start:end] * dice.choice((1, 2, 30)) + data[end:]


def _splice(data: bytes, other: bytes, dice: Random) -> bytes:
    return data[: _place(data, dice)] + other[_place(other, dice) :]


def _place(data: bytes, dice: Random) -> int:
    return dice.randint(0, len(data))


_CHANGES: Final[Sequence[Callable[[bytes, bytes, Random], bytes]]] = (
    *(_flip, _flip, _flip),
    *(_overwrite, _insert, _delete, _truncate, _extend, _repeat, _splice),
)
