"""A sender's headers on their way through the bus's own topics, unchanged to the byte. Pure.

A client library writes header names as UTF-8 text, and a sender may write any bytes at all. Where
a name could not be written as it came, all headers of the record go into one,

    bus_original    for each header, in order: length of the name, name, length of the value plus
                    one (0: no value), value; lengths are unsigned LEB128, seven bits a byte

which is never longer than Kafka's own form of the same headers, so that what the broker took from
a sender it takes from the bus. Source: ADR-0012.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from bus.errors import InvariantBroken
from bus.model.record import Headers

PACKED: Final = "bus_original"
_MORE: Final = 0x80
_SEVEN_BITS: Final = 0x7F


def sendable(headers: Headers) -> list[tuple[str, bytes]]:
    """Give headers a form that any client can write; `received` gives them back.

    Args:
        headers: As read: bytes of a name that are no UTF-8 stand as surrogates.

    Returns: The same, or one packed header. A sender's own header of that name is packed too, so
        that the packed form is always the bus's.
    """
    if all(name != PACKED and is_utf_8(name) for name, _ in headers):
        return list(headers)
    packed = bytearray()
    nullable: Sequence[tuple[str, bytes | None]] = headers
    for name, value in nullable:
        name_bytes = name_as_sent(name)
        _put_number(packed, len(name_bytes))
        packed += name_bytes
        _put_number(packed, 0 if value is None else len(value) + 1)
        packed += value or b""
    return [(PACKED, bytes(packed))]


def received(headers: Headers) -> list[tuple[str, bytes]]:
    """Give headers back as the sender wrote them.

    Args:
        headers: What `sendable` returned.

    Raises:
        InvariantBroken: The packed form is broken: the bus did not write it.
    """
    if len(headers) != 1 or headers[0][0] != PACKED:
        return list(headers)
    packed, at = headers[0][1] or b"", 0
    found: list[tuple[str, bytes | None]] = []
    try:
        while at < len(packed):
            name, at = _taken(packed, *_number(packed, at))
            size, at = _number(packed, at)
            value, at = (None, at) if size == 0 else _taken(packed, size - 1, at)
            found.append((name.decode(errors="surrogateescape"), value))
    except IndexError as problem:
        raise InvariantBroken(
            f"header {PACKED} is cut short: the bus did not write it; find who may write to the "
            "topic with `bus access diff`"
        ) from problem
    return cast("list[tuple[str, bytes]]", found)


def is_utf_8(name: str) -> bool:
    """Tell whether a header's name was UTF-8: what was not is read with surrogates."""
    return name.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in name)


def name_as_sent(name: str) -> bytes:
    """Give a header name's bytes."""
    return name.encode(errors="surrogateescape")


def _put_number(packed: bytearray, number: int) -> None:
    while number > _SEVEN_BITS:
        packed.append(number & _SEVEN_BITS | _MORE)
        number >>= 7
    packed.append(number)


def _number(packed: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while packed[at] & _MORE:
        number |= (packed[at] & _SEVEN_BITS) << shift
        at, shift = at + 1, shift + 7
    return number | packed[at] << shift, at + 1


def _taken(packed: bytes, size: int, at: int) -> tuple[bytes, int]:
    if at + size > len(packed):
        raise IndexError(size)
    return packed[at : at + size], at + size
