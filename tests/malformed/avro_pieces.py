"""A plain reading of Avro: one datum as the pieces that it is written in, one after another.

Written from Avro's specification, apart from the two readings that the bus has of its own. Bombs
are made by replacing a piece; and what the bus accepts must be the same when each of its pieces
is decoded and encoded again.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, Final


@unique
class Kind(StrEnum):
    """What a piece is."""

    NUMBER = "number"
    LENGTH = "length"
    COUNT = "count"
    """Of the items of a block; 0 ends an array or map."""
    SIZE = "size"
    """Of a block in bytes, behind a negative count."""
    BRANCH = "branch"
    SYMBOL = "symbol"
    BOOLEAN = "boolean"
    FLOAT = "float"
    TEXT = "text"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes of one kind, as they stand in the datum."""

    kind: Kind
    data: bytes
    choices: int = 0
    """Branches of the union, or symbols of the enum."""


class NotAvro(ValueError):
    """The bytes are not one datum of the schema in every byte."""


_VARINT_BYTES_MAX: Final = 10
_FLOATS: Final = {"float": 4, "double": 8}
_FORMS: Final = {4: "<f", 8: "<d"}


def pieces_of(schema: Mapping[str, Any], datum: bytes) -> list[Piece]:
    """Take a datum apart.

    Raises:
        NotAvro: It is none of this schema, or something stands behind it.
    """
    reading = _Reading(datum)
    reading.read(schema)
    if reading.at != len(datum):
        raise NotAvro("bytes stand behind the datum")
    return reading.pieces


def joined(pieces: Sequence[Piece]) -> bytes:
    return b"".join(piece.data for piece in pieces)


def written_again(pieces: Sequence[Piece]) -> bytes:
    """Decode every piece and encode what came out, in the shortest form there is."""
    return b"".join(_again(piece) for piece in pieces)


def is_storable(piece: Piece) -> bool:
    """Tell whether a database takes it: no NUL in a text, no number that is none or infinite."""
    match piece.kind:
        case Kind.TEXT:
            return b"\x00" not in piece.data
        case Kind.FLOAT:
            return math.isfinite(*struct.unpack(_FORMS[len(piece.data)], piece.data))
        case _:
            return True


def varint(number: int) -> bytes:
    """Write a number in zigzag, seven bits a byte; more than 64 bits where it takes them."""
    raw = number << 1 if number >= 0 else (-number << 1) - 1
    written = bytearray()
    while raw > 0x7F:
        written.append(raw & 0x7F | 0x80)
        raw >>= 7
    written.append(raw)
    return bytes(written)


def number_of(data: bytes) -> int:
    """Read what `varint` wrote, in its shortest form or another."""
    raw = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(data))
    return (raw >> 1) ^ -(raw & 1)


def _again(piece: Piece) -> bytes:
    match piece.kind:
        case Kind.TEXT:
            return piece.data.decode().encode()
        case Kind.FLOAT:
            form = _FORMS[len(piece.data)]
            return struct.pack(form, *struct.unpack(form, piece.data))
        case Kind.BOOLEAN:
            return b"\x01" if piece.data == b"\x01" else b"\x00"
        case Kind.BYTES:
            return piece.data
        case _:
            return varint(number_of(piece.data))


class _Reading:
    """Moves over one datum and notes its pieces."""

    def __init__(self, datum: bytes) -> None:
        self.at = 0
        self.pieces: list[Piece] = []
        self._datum = datum
        self._named: dict[str, Mapping[str, Any]] = {}

    def read(self, schema: Any) -> None:  # noqa: ANN401 - a schema is any JSON
        if isinstance(schema, list):
            self.read(schema[self._choice(Kind.BRANCH, len(schema))])
            return
        if isinstance(schema, str):
            named = self._named.get(schema)
            if named is None:
                self._read_primitive(schema)
            else:
                self.read(named)
            return
        if "name" in schema:
            self._named[schema["name"]] = schema
        match schema["type"]:
            case "record":
                for field in schema["fields"]:
                    self.read(field["type"])
            case "array" | "map":
                self._read_blocks(schema)
            case "enum":
                self._choice(Kind.SYMBOL, len(schema["symbols"]))
            case "fixed":
                self._take(Kind.BYTES, schema["size"])
            case other:
                self.read(other)

    def _read_primitive(self, name: str) -> None:
        match name:
            case "null":
                pass
            case "int" | "long":
                self._number(Kind.NUMBER)
            case "string" | "bytes":
                length = self._number(Kind.LENGTH)
                self._take(Kind.TEXT if name == "string" else Kind.BYTES, length)
            case "boolean":
                self._take(Kind.BOOLEAN, 1)
            case _:
                self._take(Kind.FLOAT, _FLOATS[name])

    def _read_blocks(self, schema: Mapping[str, Any]) -> None:
        while count := self._number(Kind.COUNT):
            end = None
            if count < 0:
                size_bytes = self._number(Kind.SIZE)
                end = self.at + size_bytes
            for _ in range(abs(count)):
                if schema["type"] == "map":
                    self._read_primitive("string")
                self.read(schema["items" if schema["type"] == "array" else "values"])
            if end not in (None, self.at):
                raise NotAvro("a block has another size than it says")

    def _choice(self, kind: Kind, choices: int) -> int:
        chosen = self._number(kind, choices)
        if not 0 <= chosen < choices:
            raise NotAvro(f"there is no {kind} {chosen}")
        return chosen

    def _number(self, kind: Kind, choices: int = 0) -> int:
        end = self.at
        while end < len(self._datum) and self._datum[end] > 0x7F:
            end += 1
        data = self._datum[self.at : end + 1]
        if end == len(self._datum) or len(data) > _VARINT_BYTES_MAX:
            raise NotAvro("a number has no end")
        self._note(kind, data, choices)
        return number_of(data)

    def _take(self, kind: Kind, size_bytes: int) -> None:
        data = self._datum[self.at : self.at + max(0, size_bytes)]
        if len(data) != size_bytes:
            raise NotAvro("the datum is cut short")
        self._note(kind, data, 0)

    def _note(self, kind: Kind, data: bytes, choices: int) -> None:
        self.pieces.append(Piece(kind=kind, data=data, choices=choices))
        self.at += len(data)
