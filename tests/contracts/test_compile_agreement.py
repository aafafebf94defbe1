"""The generated code against fastavro, over drawn schemas, values and damaged bytes."""

from __future__ import annotations

import io
import math
import time
from decimal import Decimal
from typing import Any

import fastavro
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bus.contracts.avro_fault import find_fault
from bus.contracts.schema_reader import read_shape
from bus.model.verdict import Examined, Malformed, Reason
from tests.contracts.schemas_and_values import (
    FRAME,
    Typed,
    compiled,
    framed,
    scalar_fields,
    typed_records,
)

EXAMPLES = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
SLOWEST_S = 0.05


def read(schema: Any, datum: bytes) -> tuple[Any, int]:  # noqa: ANN401 - JSON
    """Read with fastavro; return the value and how many bytes it took."""
    stream = io.BytesIO(datum)
    value = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
    return value, stream.tell()


@EXAMPLES
@given(st.data())
def test_examined_values_agree_with_fastavro(data: st.DataObject) -> None:
    typed = data.draw(typed_records())
    value = data.draw(typed.values)
    wanted = scalar_fields(typed.schema)
    raw = framed(typed.schema, value)

    examined = compiled(typed.schema, wanted=wanted).examine(raw, 0)

    assert isinstance(examined, Examined), (examined, typed.schema, value)
    decoded, _ = read(typed.schema, raw[5:])
    assert examined.key == str(decoded["key"])
    assert examined.wanted == {name: decoded[name] for name in wanted}
    assert examined.violations == ()
    optional = [one["name"] for one in typed.schema["fields"] if "null" in one["type"]]
    assert examined.nulls == sum(decoded[name] is None for name in optional)
    assert compiled(typed.schema).optional_fields == len(optional)
    spans = examined.spans
    assert spans[0] == len(FRAME)
    assert spans[-1] == len(raw)
    for index, field in enumerate(typed.schema["fields"]):
        part, taken = read(field["type"], raw[spans[index] : spans[index + 1]])
        assert part == decoded[field["name"]]
        assert taken == spans[index + 1] - spans[index]


def damage(data: st.DataObject, datum: bytes) -> bytes:
    """Change, insert, remove or cut bytes a few times."""
    damaged = bytearray(datum)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged)))
        match data.draw(st.sampled_from(["change", "change", "insert", "remove", "cut"])):
            case "change":
                damaged[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case "insert":
                damaged[at:at] = data.draw(st.binary(min_size=1, max_size=10))
            case "remove":
                del damaged[at : at + data.draw(st.integers(1, 5))]
            case _:
                del damaged[at:]
    return bytes(damaged)


def is_storable(value: object) -> bool:
    """Tell whether a decoded value is one that every engine behind the bus can keep."""
    match value:
        case float():
            return math.isfinite(value)
        case str():
            return "\0" not in value
        case Decimal():  # of precision 9, scale 2: fastavro rounds one of more digits
            return abs(value) < 10**7
        case list():
            return all(map(is_storable, value))
        case dict():
            return all(is_storable(key) and is_storable(item) for key, item in value.items())
        case _:
            return True


def strict_value(typed: Typed, datum: bytes) -> dict[str, object] | None:
    """Read strictly, or None: what fastavro reads whole, keeps and writes back as it was."""
    try:
        value: dict[str, object]
        value, taken = read(typed.schema, datum)
    except Exception:  # noqa: BLE001 - whatever fastavro raises for bad bytes
        return None
    if taken != len(datum) or not is_storable(value):
        return None
    # Why: reading and writing, fastavro lets an int pass 32 bits; its validation doesn't.
    if not fastavro.validate(value, fastavro.parse_schema(typed.schema), raise_errors=False):
        return None
    return value


def check_damaged(typed: Typed, datum: bytes) -> None:
    raw = FRAME + datum
    examine = compiled(typed.schema, wanted=scalar_fields(typed.schema)).examine
    begin = time.process_time()
    verdict = examine(raw, 0)
    assert time.process_time() - begin < SLOWEST_S

    fault = find_fault(read_shape(typed.schema, where="x"), raw)
    value = strict_value(typed, datum)
    is_rewritten = value is not None and _rewrites(typed, value, raw)
    if isinstance(verdict, Malformed):
        assert verdict == fault, "both readings must call the same bytes bad"
        assert not is_rewritten, (verdict, typed.schema, value)
    else:
        assert fault is None
        assert value is not None, (verdict, typed.schema, datum)
        assert is_rewritten or not typed.has_one_encoding
        assert verdict.key == str(value["key"])


def _rewrites(typed: Typed, value: dict[str, object], raw: bytes) -> bool:
    try:
        return framed(typed.schema, value) == raw
    except Exception:  # noqa: BLE001 - fastavro reads numbers that it refuses to write
        return False


@EXAMPLES
@given(st.data())
def test_damaged_values_are_malformed_or_strictly_readable(data: st.DataObject) -> None:
    typed = data.draw(typed_records())
    datum = framed(typed.schema, data.draw(typed.values))[5:]
    damaged = damage(data, datum)
    assume(damaged != datum)
    check_damaged(typed, damaged)


@EXAMPLES
@given(st.data())
def test_arbitrary_bytes_are_malformed_or_strictly_readable(data: st.DataObject) -> None:
    check_damaged(data.draw(typed_records()), data.draw(st.binary(max_size=60)))


@EXAMPLES
@given(st.data())
def test_every_cut_of_a_value_is_malformed(data: st.DataObject) -> None:
    typed = data.draw(typed_records())
    raw = framed(typed.schema, data.draw(typed.values))
    examine = compiled(typed.schema).examine
    for end in range(len(FRAME), len(raw)):
        verdict = examine(raw[:end], 0)
        assert isinstance(verdict, Malformed), (end, typed.schema)
        assert verdict.reason in {Reason.MALFORMED_AVRO, Reason.INVALID_TEXT}
