"""Explain why bytes are not a value of a schema: the strict reading, slow and plain.

The generated decoder only knows *that* a value is bad; this reads it again to name the field and
the reason for the provider. The two must agree on which values are bad (a property test holds
them to it); where a field breaks in several ways the first byte that is wrong decides.

Being slow, it looks at `STEPS_MAX` shapes of a value and no more: a value may be small items all
through, and who sends one such may send thousands. The fault then lies where the look ended, or
behind it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from bus.contracts.schema_shape import (
    ArrayShape,
    BinaryShape,
    BooleanShape,
    EnumShape,
    FloatShape,
    IntegerShape,
    MapShape,
    NullShape,
    RecordShape,
    Shape,
    TextShape,
    UnionShape,
)
from bus.contracts.uuid_text import is_uuid
from bus.model.verdict import Malformed, Reason
from bus.wire.frame import FRAME_BYTES

STEPS_MAX: Final = 5_000
"""Shapes of one value that are looked at, each item of an array or map counted."""
_LONG: Final = IntegerShape(bits=64, minimum=-(2**63), maximum=2**63 - 1)
_VARINT_BYTES_MAX: Final = {32: 5, 64: 10}
_CONTINUED: Final = 128
_EXPONENTS: Final = {4: ("<I", 0x7F80_0000), 8: ("<Q", 0x7FF0_0000_0000_0000)}
"""Size of a float → how to read its bits, and those that NaN and infinities have all set."""


def find_fault(shape: RecordShape, value: bytes) -> Malformed | None:
    """Tell the first fault of a framed value, or None where it is strictly of this shape.

    A value of more than `STEPS_MAX` shapes is taken to be bad, as one that comes here is.

    Args:
        shape: Of the schema that the value's frame names.
        value: Framed, 5 bytes at least. Never raises for any bytes.
    """
    reader = _StrictReader(value)
    try:
        reader.read(shape, "")
        if reader.at < len(value):
            return Malformed(reason=Reason.TRAILING_BYTES, path="")
    except _Fault as fault:
        return Malformed(reason=fault.reason, path=fault.path)
    return None


@dataclass(slots=True)
class _Fault(Exception):
    reason: Reason
    path: str


class _StrictReader:
    """Moves over one value and raises `_Fault` at the first byte that is wrong."""

    def __init__(self, value: bytes) -> None:
        self.at = FRAME_BYTES
        self._value = value
        self._steps_left = STEPS_MAX

    def read(self, shape: Shape, path: str) -> None:  # noqa: C901 - a case for each shape
        """Move over one value of `shape`, which stands at field `path`."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise _Fault(Reason.MALFORMED_AVRO, path)
        match shape:
            case NullShape():
                pass
            case BooleanShape():
                if self._take(1, path)[0] > 1:
                    raise _Fault(Reason.MALFORMED_AVRO, path)
            case IntegerShape():
                self._read_number(shape, path)
            case FloatShape():
                self._read_float(shape, path)
            case TextShape():
                self._read_text(shape, path)
            case BinaryShape():
                self._read_binary(shape, path)
            case EnumShape():
                self._read_index(len(shape.symbols), path)
            case UnionShape():
                self.read(shape.branches[self._read_index(len(shape.branches), path)], path)
            case ArrayShape() | MapShape():
                self._read_items(shape, path)
            case RecordShape():
                for field in shape.fields:
                    self.read(field.shape, f"{path}.{field.name}".lstrip("."))

    def _take(self, size_bytes: int, path: str) -> bytes:
        taken = self._value[self.at : self.at + size_bytes]
        if len(taken) < size_bytes:
            raise _Fault(Reason.MALFORMED_AVRO, path)
        self.at += size_bytes
        return taken

    def _read_number(self, shape: IntegerShape, path: str) -> int:
        raw = 0
        for index in range(_VARINT_BYTES_MAX[shape.bits]):
            byte = self._take(1, path)[0]
            raw |= (byte % _CONTINUED) << (7 * index)
            if byte < _CONTINUED:
                if index and not byte:  # not the shortest form: one value, one encoding
                    raise _Fault(Reason.MALFORMED_AVRO, path)
                number = (raw >> 1) ^ -(raw & 1)
                if not shape.minimum <= number <= shape.maximum:
                    raise _Fault(Reason.VALUE_OUT_OF_RANGE, path)
                return number
        raise _Fault(Reason.MALFORMED_AVRO, path)

    def _read_index(self, count: int, path: str) -> int:
        index = self._read_number(_LONG, path)
        if not 0 <= index < count:
            raise _Fault(Reason.MALFORMED_AVRO, path)
        return index

    def _read_content(self, path: str) -> bytes:
        size_bytes = self._read_number(_LONG, path)
        if size_bytes < 0:
            raise _Fault(Reason.MALFORMED_AVRO, path)
        return self._take(size_bytes, path)

    def _read_float(self, shape: FloatShape, path: str) -> None:
        form, exponent = _EXPONENTS[shape.size_bytes]
        (bits,) = struct.unpack(form, self._take(shape.size_bytes, path))
        if bits & exponent == exponent:
            raise _Fault(Reason.VALUE_OUT_OF_RANGE, path)

    def _read_text(self, shape: TextShape, path: str) -> None:
        try:
            text = self._read_content(path).decode()
        except UnicodeDecodeError:
            raise _Fault(Reason.INVALID_TEXT, path) from None
        if "\0" in text or (shape.is_uuid and is_uuid(text) is None):
            raise _Fault(Reason.INVALID_TEXT, path)

    def _read_binary(self, shape: BinaryShape, path: str) -> None:
        if shape.size_bytes is None:
            taken = self._read_content(path)
        else:
            taken = self._take(shape.size_bytes, path)
        if shape.decimal is None:
            return
        unscaled = int.from_bytes(taken, "big", signed=True)
        if not taken or abs(unscaled) >= 10**shape.decimal.precision:
            raise _Fault(Reason.VALUE_OUT_OF_RANGE, path)

    def _read_items(self, shape: ArrayShape | MapShape, path: str) -> None:
        inside = f"{path}[]"
        while count := self._read_number(_LONG, path):
            end = None
            if count < 0:
                size_bytes = self._read_number(_LONG, path)
                end = self.at + size_bytes
            for _ in range(abs(count)):
                if isinstance(shape, MapShape):
                    self._read_text(TextShape(), inside)
                    self.read(shape.values, inside)
                else:
                    self.read(shape.items, inside)
            if end is not None and end != self.at:
                raise _Fault(Reason.MALFORMED_AVRO, path)
