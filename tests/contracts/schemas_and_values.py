"""Avro schemas with values that fit them, for property tests."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import fastavro
from hypothesis import strategies as st

from bus.contracts.compile import CompiledSchema, compile_schema
from bus.contracts.contract import SchemaVersion
from bus.contracts.rules import Rule
from bus.model.identifiers import DatasetCode

SCHEMA_ID = 70_001
FRAME = b"\0" + SCHEMA_ID.to_bytes(4, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A type and how to draw values of it."""

    schema: Any
    values: st.SearchStrategy[Any]
    has_one_encoding: bool = True
    """fastavro writes a value it has read with the same bytes, whatever strict bytes they were."""
    is_wanted: bool = True
    """Its decoded value is the one that fastavro gives."""


def compiled(
    schema: Mapping[str, object],
    *,
    key_field: str = "key",
    rules: tuple[Rule, ...] = (),
    wanted: frozenset[str] = frozenset(),
) -> CompiledSchema:
    """Compile a schema under the frame of this module."""
    return compile_schema(
        dataset=DatasetCode("things"),
        key_field=key_field,
        version=SchemaVersion(number=1, schema=schema, rules=rules, accepted_until=None),
        schema_id=SCHEMA_ID,
        wanted=wanted,
    )


def record_of(**fields: object) -> dict[str, Any]:
    """Make a record schema with a text `key` and the fields given."""
    types = {"key": "string", **fields}
    return {
        "type": "record",
        "name": "Thing",
        "fields": [{"name": name, "type": type_} for name, type_ in types.items()],
    }


def framed(schema: Mapping[str, object], value: Mapping[str, object]) -> bytes:
    """Write a value with fastavro, framed."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(dict(schema)), dict(value))
    return FRAME + stream.getvalue()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=90)
_MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30))  # noqa: DTZ001


def _in_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)


def _logical(base: str, logical: str, **more: object) -> dict[str, object]:
    return {"type": base, "logicalType": logical, **more}


SCALARS: dict[str, Typed] = {
    "boolean": Typed(schema="boolean", values=st.booleans()),
    "int": Typed(
        schema="int",
        values=st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, -1, 63, 64, -64, -65]),
    ),
    "long": Typed(
        schema="long",
        values=st.integers(-(2**63), 2**63 - 1) | st.integers(-9_000, 9_000),
    ),
    "float": Typed(
        schema="float", values=st.floats(width=32, allow_nan=False, allow_infinity=False)
    ),
    "double": Typed(schema="double", values=st.floats(allow_nan=False, allow_infinity=False)),
    "string": Typed(schema="string", values=TEXT),
    "bytes": Typed(schema="bytes", values=st.binary(max_size=80)),
    "date": Typed(schema=_logical("int", "date"), values=st.dates()),
    "timestamp-millis": Typed(
        schema=_logical("long", "timestamp-millis"),
        values=_MOMENTS.map(lambda moment: _in_milliseconds(moment).replace(tzinfo=UTC)),
    ),
    "timestamp-micros": Typed(
        schema=_logical("long", "timestamp-micros"),
        values=_MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC)),
    ),
    "local-timestamp-millis": Typed(
        schema=_logical("long", "local-timestamp-millis"), values=_MOMENTS.map(_in_milliseconds)
    ),
    "local-timestamp-micros": Typed(
        schema=_logical("long", "local-timestamp-micros"), values=_MOMENTS
    ),
    "time-millis": Typed(
        schema=_logical("int", "time-millis"),
        values=st.times().map(lambda moment: moment.replace(microsecond=0)),
        is_wanted=False,
    ),
    "time-micros": Typed(
        schema=_logical("long", "time-micros"), values=st.times(), is_wanted=False
    ),
    "uuid": Typed(schema=_logical("string", "uuid"), values=st.uuids(), has_one_encoding=False),
    "decimal": Typed(
        schema=_logical("bytes", "decimal", precision=9, scale=2),
        values=st.integers(-(10**9) + 1, 10**9 - 1).map(lambda number: Decimal(number).scaleb(-2)),
        has_one_encoding=False,
    ),
}

TIMES_AT_THE_EDGE = (time(0), time(23, 59, 59))
DATES_AT_THE_EDGE = (date(1, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(9999, 12, 31))


def _named(make: Callable[[str], Typed], counter: list[int]) -> Typed:
    counter.append(0)
    return make(f"Named{len(counter)}")


def _enum(name: str, size: int) -> Typed:
    symbols = [f"S{index}" for index in range(size)]
    schema = {"type": "enum", "name": name, "symbols": symbols}
    return Typed(schema=schema, values=st.sampled_from(symbols))


def _fixed(name: str, size: int) -> Typed:
    schema = {"type": "fixed", "name": name, "size": size}
    return Typed(schema=schema, values=st.binary(min_size=size, max_size=size))


def _nullable(inner: Typed, *, null_first: bool) -> Typed:
    schema = ["null", inner.schema] if null_first else [inner.schema, "null"]
    return Typed(
        schema=schema,
        values=st.none() | inner.values,
        has_one_encoding=inner.has_one_encoding,
        is_wanted=inner.is_wanted,
    )


@st.composite
def types(draw: st.DrawFn, counter: list[int], depth: int = 0) -> Typed:
    """Draw a type: scalars for the most part, others to a depth of three."""
    kinds = [*SCALARS, "enum", "fixed", "nullable", "nullable", "union"]
    kinds += ["record", "array", "map"] if depth < 3 else []
    kind = draw(st.sampled_from(kinds))
    if kind in SCALARS:
        return SCALARS[kind]
    if kind == "enum":
        size = draw(st.sampled_from([1, 2, 7, 64, 65, 130]))
        return _named(lambda name: _enum(name, size), counter)
    if kind == "fixed":
        size = draw(st.integers(1, 20))
        return _named(lambda name: _fixed(name, size), counter)
    if kind == "union":
        return Typed(
            schema=["string", "null", "boolean", "long"],
            values=st.none() | TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1),
            is_wanted=False,
        )
    if kind == "nullable":
        inner = draw(
            types(counter, depth + 1).filter(lambda typed: not isinstance(typed.schema, list))
        )
        return _nullable(inner, null_first=draw(st.booleans()))
    if kind == "record":
        return draw(records(counter, depth + 1))
    items = draw(types(counter, depth + 1))
    if kind == "array":
        return Typed(
            schema={"type": "array", "items": items.schema},
            values=st.lists(items.values, max_size=4),
            has_one_encoding=False,
            is_wanted=False,
        )
    return Typed(
        schema={"type": "map", "values": items.schema},
        values=st.dictionaries(TEXT, items.values, max_size=4),
        has_one_encoding=False,
        is_wanted=False,
    )


@st.composite
def records(draw: st.DrawFn, counter: list[int], depth: int = 0) -> Typed:
    """Draw a record type; the one at the top has a key and more fields."""
    fields = {f"f{index}": draw(types(counter, depth)) for index in range(draw(st.integers(1, 6)))}
    if depth == 0:
        key = draw(st.sampled_from(["string", "int", "long"]))
        items = [*fields.items()]
        items.insert(draw(st.integers(0, len(items))), ("key", SCALARS[key]))
        fields = dict(items)
    counter.append(0)
    return Typed(
        schema={
            "type": "record",
            "name": f"Record{len(counter)}",
            "fields": [{"name": name, "type": typed.schema} for name, typed in fields.items()],
        },
        values=st.fixed_dictionaries({name: typed.values for name, typed in fields.items()}),
        has_one_encoding=all(typed.has_one_encoding for typed in fields.values()),
        is_wanted=False,
    )


@st.composite
def typed_records(draw: st.DrawFn) -> Typed:
    """Draw the type of a whole registry record."""
    return draw(records([]))


def scalar_fields(schema: Mapping[str, Any]) -> frozenset[str]:
    """Tell the fields of a record that row filters may read and fastavro decodes alike."""
    raw = ("time-millis", "time-micros")
    return frozenset(
        field["name"] for field in schema["fields"] if _is_scalar(field["type"], raw=raw)
    )


def _is_scalar(schema: object, *, raw: tuple[str, ...]) -> bool:
    if isinstance(schema, list):
        rest = [branch for branch in schema if branch != "null"]
        return len(rest) == 1 and _is_scalar(rest[0], raw=raw)
    if isinstance(schema, dict):
        return (
            schema["type"] not in ("record", "array", "map")
            and schema.get("logicalType") not in raw
        )
    return True
