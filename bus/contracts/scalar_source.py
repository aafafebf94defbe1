"""Write the steps over Avro's scalars: numbers, texts, bytes, enums.

`bus.contracts.avro_source` says how the written code works and adds records, unions and items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bus.contracts.schema_shape import (
    BinaryShape,
    EnumShape,
    FloatShape,
    IntegerShape,
    Resolution,
    TextShape,
)
from bus.contracts.source_writer import SourceWriter

BAD: Final = "return explain(value)"
UNCERTAIN: Final = "uncertain"
"""In place of the variable with the position after the last text: there is none such."""
_ONE_BYTE_MIN: Final = -64
_ONE_BYTE_SYMBOLS: Final = 64
_USUAL_BYTES: Final = {
    None: 2,
    Resolution.DAY: 3,
    Resolution.MILLISECOND: 6,
    Resolution.MICROSECOND: 8,
    Resolution.NANOSECOND: 9,
}
"""Length of a usual number: numbers up to 8,191, days and moments of our time."""


class ScalarSource:
    """Writes steps from the position in variable `at` to that in `to`, which may be the same."""

    def __init__(self, writer: SourceWriter, locals_by_path: Mapping[str, str]) -> None:
        """Prepare to write.

        Args:
            writer: Receives the code.
            locals_by_path: Field path → local variable that shall hold its decoded value (None
                for null; see `AvroSource.write` for what each shape decodes to). Others are
                skipped.
        """
        self._writer = writer
        self._locals = locals_by_path
        self._text_end: str | None = None
        """Variable with the position after the last text written; None: there is no text yet."""

    def _write_boolean(self, at: str, to: str, local: str | None) -> None:
        self._line(f"n = value[{at}]")
        self._line(f"if n > 1: {BAD}")
        self._line("if not n: zeros += 1")
        self._assign(local, "n == 1")
        self._line(f"{to} = {at} + 1")

    def _write_enum(self, shape: EnumShape, at: str, to: str, local: str | None) -> None:
        name = local or "symbol"
        if len(shape.symbols) > _ONE_BYTE_SYMBOLS:
            symbols = self._writer.constant("SYMBOLS", shape.symbols)
            index = IntegerShape(bits=32, minimum=0, maximum=len(shape.symbols) - 1)
            self._write_integer(index, at, to, name)
            self._assign(local, f"{symbols}[{name}]")
            return
        table: list[str | None] = [None] * 256
        table[0 : 2 * len(shape.symbols) : 2] = shape.symbols
        symbols = self._writer.constant("SYMBOLS", tuple(table))
        self._line(f"n = value[{at}]")
        self._line(f"{name} = {symbols}[n]")
        self._line(f"if {name} is None: {BAD}")
        self._line("if not n: zeros += 1")
        self._line(f"{to} = {at} + 1")

    def _write_integer(self, shape: IntegerShape, at: str, to: str, local: str | None) -> None:
        """Write one-byte numbers, those of the usual length, and others by `number`."""
        has_negatives = shape.minimum <= _ONE_BYTE_MIN
        self._line(f"n = value[{at}]")
        with self._writer.block("if n < 128:" if has_negatives else "if not n:"):
            self._line("if not n: zeros += 1" if has_negatives else "zeros += 1")
            self._assign(local, "ZIGZAG[n]")
            self._line(f"{to} = {at} + 1")
        with self._writer.block("else:"):
            self._check_text(at)
            slow = f"{to}, {local or 'n'} = number(value, {at}, {shape.minimum}, {shape.maximum})"
            if has_negatives:
                self._write_usual(shape, at, to, local)
                with self._writer.block("else:"):
                    self._line(slow)
            else:
                self._line(slow)
            self._line(f"text_from = {to}")

    def _write_usual(self, shape: IntegerShape, at: str, to: str, local: str | None) -> None:
        """Write the branch for numbers of the usual length; the first byte is known to go on.

        The last byte is limited so that every number of this length that passes lies in the
        shape's limits, whatever its other bits are.
        """
        last = _USUAL_BYTES[shape.resolution] - 1
        reach = min(-shape.minimum, shape.maximum + 1)
        last_end = min(128, (2 * reach) >> (7 * last))
        bytes_read = [f"(b{index} := value[{at} + {index}])" for index in range(1, last + 1)]
        if local is None:
            bytes_read = [f"value[{at} + {index}]" for index in range(1, last + 1)]
        checks = [f"{byte} > 127" for byte in bytes_read[:-1]]
        checks.append(f"0 < {bytes_read[-1]} < {last_end}")
        with self._writer.block(f"if {' and '.join(checks)}:"):
            if local is not None:
                rest = " + ".join(f"HALF_{7 * index}[b{index}]" for index in range(1, last + 1))
                self._line(f"{local} = HALF_0[n] + {rest}")
                self._line(f"if n & 1: {local} = ~{local}")
            self._line(f"{to} = {at} + {last + 1}")

    def _write_float(self, shape: FloatShape, at: str, to: str, local: str | None) -> None:
        size = shape.size_bytes
        self._check_text(at)
        exponent_low = 239 if size == 8 else 127  # noqa: PLR2004 - IEEE 754, all exponent bits set
        self._line(
            f"if value[{at} + {size - 1}] & 127 == 127"
            f" and value[{at} + {size - 2}] > {exponent_low}: {BAD}"
        )
        self._line(f"zeros += value.count(0, {at}, {at} + {size})")
        reader = "read_float" if size == 4 else "read_double"  # noqa: PLR2004
        self._assign(local, f"{reader}(value, {at})[0]")
        self._line(f"{to} = {at} + {size}")
        self._line(f"text_from = {to}")

    def _write_text(self, shape: TextShape, at: str, to: str, local: str | None) -> None:
        name = local or ("text" if shape.is_uuid else None)
        self._line(f"step = STEP[value[{at}]]")
        with self._writer.block("if step:"):
            self._assign(name, f"value[{at} + 1:{at} + step].decode()")
            self._line(f"{to} = {at} + step")
        with self._writer.block(f"elif not value[{at}]:"):
            self._line("zeros += 1")
            self._assign(name, '""')
            self._line(f"{to} = {at} + 1")
        with self._writer.block("else:"):
            self._check_text(at)
            self._write_long_text(at, to)
            self._assign(name, f"value[text_from:{to}].decode()")
        if shape.is_uuid:
            self._line(f"if is_uuid({name}) is None: {BAD}")
        self._text_end = to if to != "p" else UNCERTAIN

    def _write_long_text(self, at: str, to: str) -> None:
        """Write texts of 64 to 8,191 bytes here, others by `content`."""
        self._line(f"high = value[{at} + 1]")
        with self._writer.block(f"if 0 < high < 128 and not value[{at}] & 1:"):
            self._line(f"text_from = {at} + 2")
            self._line(f"{to} = text_from + (value[{at}] >> 1) + (high << 6) - 64")
        with self._writer.block("else:"):
            self._line(f"text_from, {to} = content(value, {at})")

    def _write_bytes(self, shape: BinaryShape, at: str, to: str, local: str | None) -> None:
        self._check_text(at)
        self._line(f"start, end = content(value, {at})")
        self._line(f"zeros += value.count(0, {at}, end)")
        if shape.decimal is not None:
            self._line(f"if start == end: {BAD}")
        self._write_content(shape, "start", "end", local)
        self._line(f"{to} = text_from = end")

    def _write_fixed(self, shape: BinaryShape, at: str, to: str, local: str | None) -> None:
        self._check_text(at)
        self._line(f"end = {at} + {shape.size_bytes}")
        self._line(f"zeros += value.count(0, {at}, end)")
        self._write_content(shape, at, "end", local)
        self._line(f"{to} = text_from = end")

    def _write_content(self, shape: BinaryShape, start: str, end: str, local: str | None) -> None:
        if shape.decimal is None:
            self._assign(local, f"value[{start}:{end}]")
            return
        limit = self._writer.constant("DECIMAL_END", 10**shape.decimal.precision)
        name = local or "n"
        self._line(f'{name} = int.from_bytes(value[{start}:{end}], "big", signed=True)')
        self._line(f"if not -{limit} < {name} < {limit}: {BAD}")

    def _check_text(self, at: str) -> None:
        """Write the UTF-8 check of the stretch that ends before `at`."""
        check = f"value[text_from:{at}].decode()"
        if self._text_end == UNCERTAIN:
            self._line(check)
        elif self._text_end is not None:
            self._line(f"if text_from < {self._text_end}: {check}")

    def _line(self, text: str) -> None:
        self._writer.line(text)

    def _assign(self, local: str | None, expression: str) -> None:
        if local is not None:
            self._line(f"{local} = {expression}")

    def _move(self, at: str, to: str) -> None:
        if at != to:
            self._line(f"{to} = {at}")
