"""Write Python that walks one framed Avro value, strictly, in local variables alone.

How the written code is fast, and still checks everything:

- It only finds out *that* a value is bad. Every doubt ends in `explain(value)`, which reads the
  value again, slowly, and names field and reason (`bus.contracts.avro_fault`).
- `value[p]` past the end raises IndexError; a length past the end moves the position past it, and
  the last check refuses a walk that doesn't end exactly at the end.
- UTF-8 is checked for whole stretches. A length, a branch or an enum index below 128 is an ASCII
  character, so texts joined by such bytes are valid together exactly when each is. `text_from`
  is where the unchecked stretch begins; it is checked and cut before each byte sequence that may
  look like anything: a long number, a float, bytes.
- NUL is found by counting. `zeros` counts the zero bytes that structure accounts for; numbers in
  their shortest form have none but the number 0 itself. One count of the value's zero bytes must
  agree, else some text holds a NUL.

Position variables: `p0`, `p1`… where the top-level fields begin (so they are the spans), `p` inside
a field. `nulls` counts the top-level fields that may be null and are.
"""

from __future__ import annotations

from bus.contracts.scalar_source import BAD, UNCERTAIN, ScalarSource
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


class AvroSource(ScalarSource):
    """Writes the walk over values of one schema, field by field."""

    _loops = 0

    def write_fields(self, shape: RecordShape) -> None:
        """Write the walk over the top-level fields: from `p0` to `p<number of fields>`."""
        for index, field in enumerate(shape.fields):
            self._writer.line(f"# {field.name}")
            self.write(field.shape, at=f"p{index}", to=f"p{index + 1}", path=field.name)
            if self._text_end is not None:
                self._text_end = f"p{index + 1}" if self._text_end == UNCERTAIN else self._text_end
        if self._text_end is not None:
            self._check_text(f"p{len(shape.fields)}")

    def write(  # noqa: C901 - a case for each shape
        self, shape: Shape, *, at: str, to: str, path: str | None
    ) -> None:
        """Write the step over one value, from the position in variable `at` to that in `to`.

        Args:
            shape: Of the value. A wanted text decodes to str, an enum to its symbol, a number to
                int (days, milliseconds… from 1970 for days and moments), a decimal to its
                unscaled int, other bytes to bytes, an array or map to its number of items, a
                record or a union of several given shapes to True.
            at: Unchanged unless `to` is the same variable.
            to: Receives the position after the value.
            path: Of the field, or None where no rule can reach, inside arrays and unions.
        """
        local = None if path is None else self._locals.get(path)
        match shape:
            case NullShape():
                self._assign(local, "None")
                self._move(at, to)
            case BooleanShape():
                self._write_boolean(at, to, local)
            case IntegerShape():
                self._write_integer(shape, at, to, local)
            case FloatShape():
                self._write_float(shape, at, to, local)
            case TextShape():
                self._write_text(shape, at, to, local)
            case BinaryShape(size_bytes=None):
                self._write_bytes(shape, at, to, local)
            case BinaryShape():
                self._write_fixed(shape, at, to, local)
            case EnumShape():
                self._write_enum(shape, at, to, local)
            case ArrayShape() | MapShape():
                self._write_items(shape, at, to, local)
            case UnionShape():
                self._write_union(shape, at, to, path)
            case RecordShape():
                self._write_record(shape, at, to, path)

    def _write_items(
        self, shape: ArrayShape | MapShape, at: str, to: str, local: str | None
    ) -> None:
        """Write one loop over items of all blocks (Python allows 20 loops inside one another)."""
        self._loops += 1
        left, end = f"left_{self._loops}", f"end_{self._loops}"
        # Why before the items: an item's first check must see the text of the item before it.
        self._text_end = UNCERTAIN
        self._move(at, "p")
        self._line(f"{left} = {end} = 0")
        self._assign(local, "0")
        with self._writer.block("while True:"):
            with self._writer.block(f"if not {left}:"):
                self._write_block_head(left, end)
                self._assign(local, f"{local} + {left}")
            self._line(f"{left} -= 1")
            if isinstance(shape, MapShape):
                self._write_text(TextShape(), "p", "p", None)
                self.write(shape.values, at="p", to="p", path=None)
            else:
                self.write(shape.items, at="p", to="p", path=None)
        self._move("p", to)

    def _write_block_head(self, left: str, end: str) -> None:
        self._line(f"if {end} and p != {end}: {BAD}")
        self._line("n = value[p]")
        with self._writer.block("if not n:"):
            self._line("zeros += 1")
            self._line("p += 1")
            self._line("break")
        with self._writer.block("if n & 129:"):
            self._check_text("p")
            self._line(f"p, {left}, {end} = block(value, p)")
            self._line("text_from = p")
        with self._writer.block("else:"):
            self._line(f"{left} = n >> 1")
            self._line(f"{end} = 0")
            self._line("p += 1")

    def _write_union(self, shape: UnionShape, at: str, to: str, path: str | None) -> None:
        """Write the given branch first: it is the usual one."""
        inside = path if shape.given is not None else None
        order = sorted(
            range(len(shape.branches)),
            key=lambda index: isinstance(shape.branches[index], NullShape),
        )
        text_end = self._text_end
        has_text = False
        self._line(f"branch = value[{at}]")
        for place, index in enumerate(order):
            branch = shape.branches[index]
            self._text_end = text_end
            with self._writer.block(f"{'elif' if place else 'if'} branch == {2 * index}:"):
                if index == 0:
                    self._line("zeros += 1")
                if isinstance(branch, NullShape):
                    if at != "p":
                        self._line("nulls += 1")
                    self._write_null(at, to, path)
                else:
                    self._line(f"p = {at} + 1")
                    self.write(branch, at="p", to=to, path=inside)
                    if inside is None and path is not None:
                        self._assign(self._locals.get(path), "True")
            has_text = has_text or self._text_end != text_end
        with self._writer.block("else:"):
            self._line(BAD)
        self._text_end = text_end if not has_text else to if to != "p" else UNCERTAIN

    def _write_null(self, at: str, to: str, path: str | None) -> None:
        for inner, local in self._locals.items():
            if path is not None and (inner == path or inner.startswith(f"{path}.")):
                self._line(f"{local} = None")
        self._line(f"{to} = {at} + 1")

    def _write_record(self, shape: RecordShape, at: str, to: str, path: str | None) -> None:
        if path is not None:
            self._assign(self._locals.get(path), "True")
        self._move(at, "p")
        for field in shape.fields:
            inner = None if path is None else f"{path}.{field.name}"
            self.write(field.shape, at="p", to="p", path=inner)
        self._move("p", to)
