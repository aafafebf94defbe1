"""Which column of a table holds a field of an Avro record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final, cast

import fastavro
from fastavro.schema import expand_schema

from bus.errors import Finding, Words
from bus.texts import finding_at, message

OWN_COLUMNS: Final = (
    "agency",
    "key",
    "version",
    "record_id",
    "operation",
    "event_time",
    "ceased_by",
    "ceased_at",
    "recorded_at",
)
"""Columns that the bus itself keeps in a table of current entries."""
_SYSTEM_COLUMNS: Final = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
NAME_BYTES_MAX: Final = 63
COLUMNS_MAX: Final = 1_000
"""PostgreSQL allows 1,600 in a table's whole life, dropped ones counted."""
NUMERIC_PRECISION_MAX: Final = 1_000

_PRIMITIVES: Final = {
    "string": "text",
    "int": "integer",
    "long": "bigint",
    "float": "real",
    "double": "double precision",
    "boolean": "boolean",
    "bytes": "bytea",
    "fixed": "bytea",
    "enum": "text",
    "record": "jsonb",
    "array": "jsonb",
    "map": "jsonb",
}
_LOGICAL: Final = {
    ("int", "date"): "date",
    ("int", "time-millis"): "time without time zone",
    ("long", "time-micros"): "time without time zone",
    ("long", "timestamp-millis"): "timestamp with time zone",
    ("long", "timestamp-micros"): "timestamp with time zone",
    ("long", "local-timestamp-millis"): "timestamp without time zone",
    ("long", "local-timestamp-micros"): "timestamp without time zone",
    ("string", "uuid"): "uuid",
}
_WIDENINGS: Final = frozenset(
    {
        ("integer", "bigint"),
        ("integer", "real"),
        ("integer", "double precision"),
        ("bigint", "real"),
        ("bigint", "double precision"),
        ("real", "double precision"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table of current entries."""

    name: str
    sql_type: str
    """As PostgreSQL's `format_type` writes it."""
    aliases: tuple[str, ...]
    """Names that the field had in older versions."""
    default: object
    """For records whose version lacks the field; None also where it has no default."""


def columns_of(schema: Mapping[str, object]) -> tuple[Column, ...]:
    """Give each top-level field of a record schema its column, in order.

    A nullable field and a plain one have the same column: every column admits NULL, because
    records of older versions may lack the field.
    """
    expanded = cast("Mapping[str, object]", expand_schema(cast("dict[str, object]", dict(schema))))
    fields = cast("Sequence[Mapping[str, object]]", expanded["fields"])
    return tuple(
        Column(
            name=str(field["name"]),
            sql_type=_sql_type(field["type"]),
            aliases=tuple(cast("Sequence[str]", field.get("aliases", ()))),
            default=_default(field),
        )
        for field in fields
    )


def findings_of(place: str, columns: Sequence[Column]) -> list[Finding]:
    """Tell which fields can't become columns.

    Args:
        place: Names the schema: `educational-institutions v2`.
        columns: Of its newest version.
    """
    findings = [
        finding_at(
            f"{place} fields.{column.name}",
            "error.fund.column_name",
            name=column.name,
            problem=problem,
        )
        for column in columns
        for problem in _problems(column.name)
    ]
    if len(columns) > COLUMNS_MAX:
        findings.append(
            finding_at(
                f"{place} fields",
                "error.fund.many_columns",
                count=len(columns),
                count_max=COLUMNS_MAX,
            )
        )
    return findings


def widens(old: str, new: str) -> bool:
    """Tell whether a column of type `old` takes all its values along into type `new`."""
    return old == new or (old, new) in _WIDENINGS or _numeric_grows(old, new)


def stored_default(field: Mapping[str, object]) -> object:
    """Give a field's default as the writer takes it, or None where it has none.

    Avro writes the default of bytes as text whose code points, 0 to 255, are the bytes.
    """
    raw, first = field.get("default"), _first_branch(field)
    base = first["type"] if isinstance(first, Mapping) else first
    is_bytes = base in {"bytes", "fixed"} and isinstance(raw, str)
    return cast("str", raw).encode("latin-1") if is_bytes else raw


def _problems(name: str) -> Iterable[Words]:
    if name in OWN_COLUMNS:
        yield message("error.fund.own_column")
    if name in _SYSTEM_COLUMNS:
        yield message("error.fund.system_column")
    if len(name.encode()) > NAME_BYTES_MAX:
        yield message("error.fund.long_name", size_bytes=NAME_BYTES_MAX)


def _sql_type(avro: object) -> str:
    if isinstance(avro, list):
        branches = [branch for branch in avro if branch != "null"]
        return _sql_type(branches[0]) if len(branches) == 1 else "jsonb"
    if isinstance(avro, str):
        return _PRIMITIVES.get(avro, "jsonb")
    definition = cast("Mapping[str, object]", avro)
    base, logical = definition["type"], definition.get("logicalType")
    if logical == "decimal" and base in {"bytes", "fixed"}:
        precision, scale = definition["precision"], definition.get("scale", 0)
        in_reach = int(str(precision)) <= NUMERIC_PRECISION_MAX
        return f"numeric({precision},{scale})" if in_reach else "numeric"
    if not isinstance(base, str):
        return _sql_type(base)
    return _LOGICAL.get((base, str(logical)), _PRIMITIVES.get(base, "jsonb"))


def _numeric_grows(old: str, new: str) -> bool:
    if not (old.startswith("numeric(") and new.startswith("numeric(")):
        return False
    (old_precision, old_scale), (new_precision, new_scale) = map(_precision_and_scale, (old, new))
    return old_scale == new_scale and old_precision <= new_precision


def _precision_and_scale(numeric: str) -> tuple[int, int]:
    precision, _, scale = numeric.removeprefix("numeric(").removesuffix(")").partition(",")
    return int(precision), int(scale)


def _default(field: Mapping[str, object]) -> object:
    """Give a field's default as a decoded value, as if the record had carried it.

    The reader leaves defaults as they stand in the schema's JSON: a date would stay a number.
    """
    stored = stored_default(field)
    if stored is None:
        return None
    schema = fastavro.parse_schema(cast("dict[str, object]", _first_branch(field)))
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, stored)
    out.seek(0)
    return fastavro.schemaless_reader(out, schema, None)


def _first_branch(field: Mapping[str, object]) -> object:
    avro = field["type"]
    return avro[0] if isinstance(avro, list) else avro
