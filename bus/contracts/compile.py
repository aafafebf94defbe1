"""Compile one schema version of a contract into one function that judges a record's value.

The function walks the framed value once, checks every byte of it, evaluates every rule and tells
where each top-level field lies. Its source is kept beside it, to be read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, cast

from bus.contracts.avro_fault import find_fault
from bus.contracts.avro_source import AvroSource
from bus.contracts.avro_steps import HALVES, STEP, ZIGZAG, Unreadable, block, content, number
from bus.contracts.contract import SchemaVersion
from bus.contracts.natural_value import NAMES, natural
from bus.contracts.rule_fields import FieldValue
from bus.contracts.rule_source import RuleSource
from bus.contracts.rules import Rule
from bus.contracts.schema_reader import read_shape
from bus.contracts.schema_shape import IntegerShape, RecordShape, TextShape, count_optional
from bus.contracts.source_writer import SourceWriter
from bus.contracts.uuid_text import is_uuid
from bus.errors import DocumentError, Finding, Words
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Examined, Malformed, Reason
from bus.texts import message
from bus.wire.frame import FRAME_BYTES, frame_header

Examine: TypeAlias = Callable[[bytes, int], Examined | Malformed]
"""(framed value, LogAppendTime in ms since 1970 UTC) → what it is. The caller has checked that
the frame names this schema. Never raises for any bytes."""

_NAMES: Final[Mapping[str, object]] = {
    **NAMES,
    **HALVES,
    "STEP": STEP,
    "ZIGZAG": ZIGZAG,
    "number": number,
    "content": content,
    "block": block,
    "Unreadable": Unreadable,
    "is_uuid": is_uuid,
    "read_float": struct.Struct("<f").unpack_from,
    "read_double": struct.Struct("<d").unpack_from,
    "Examined": Examined,
    "new_tuple": tuple.__new__,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledSchema:
    """One schema version, ready to judge records."""

    dataset: DatasetCode
    number: int
    """Of the schema version, from 1."""
    schema_id: int
    field_names: tuple[str, ...]
    """Top-level fields in the schema's order; `Examined.spans` locates them in this order."""
    optional_fields: int
    """Top-level fields that may be null; `Examined.nulls` counts those that are."""
    wanted: frozenset[str]
    """Fields whose values come back in `Examined.wanted`."""
    source: str
    """The generated Python, for people."""
    examine: Examine


def compile_schema(
    *,
    dataset: DatasetCode,
    key_field: str,
    version: SchemaVersion,
    schema_id: int,
    wanted: frozenset[str],
) -> CompiledSchema:
    """Compile one schema version with its rules.

    Args:
        dataset: For the function's name in findings and tracebacks.
        key_field: Top-level string, int or long that is never null.
        version: Structure and the rules that hold for it.
        schema_id: Stands in the frame of its records.
        wanted: Top-level scalar fields whose values come back in `Examined.wanted`: what row
            filters read.

    Raises:
        DocumentError: with every finding: a schema the bus can't read safely, a rule that can't
            judge its field, a key that can be null, a wanted field that is no scalar.
    """
    where = f"{dataset} v{version.number}"
    record = read_shape(version.schema, where=where)
    writer = SourceWriter()
    rules = RuleSource(writer, record, where=where)
    conditions = rules.conditions(version.rules)
    results = _Results(rules, where)
    key = results.key(key_field)
    values = results.wanted(sorted(wanted))
    if results.findings or rules.findings:
        raise DocumentError(
            message("error.contract.not_compiled", where=where),
            [*rules.findings, *results.findings],
        )
    writer.namespace.update(_NAMES, explain=partial(_explain, record))
    with writer.block("def examine(value, append_time_ms):"):
        _write_walk(writer, record, rules.fields, schema_id)
        _write_verdict(writer, rules, conditions, record, key=key, wanted=values)
    exec(compile(writer.source, f"<contract {where}>", "exec"), writer.namespace)  # noqa: S102 - the point of a compiler; names in the source are checked
    return CompiledSchema(
        dataset=dataset,
        number=version.number,
        schema_id=schema_id,
        field_names=tuple(field.name for field in record.fields),
        optional_fields=count_optional(record),
        wanted=wanted,
        source=writer.source,
        examine=cast("Examine", writer.namespace["examine"]),
    )


def _write_walk(
    writer: SourceWriter, record: RecordShape, fields: Mapping[str, FieldValue], schema_id: int
) -> None:
    # Why: the frame's own zero bytes are counted from the start, since counting the whole value
    # is quicker than counting from a position.
    frame_zeros = frame_header(schema_id).count(0)
    avro = AvroSource(writer, {path: field.local for path, field in fields.items()})
    writer.line(f"p0 = text_from = {FRAME_BYTES}")
    writer.line(f"zeros = {frame_zeros}")
    writer.line("nulls = 0")
    with writer.block("try:"):
        avro.write_fields(record)
    with writer.block("except (IndexError, UnicodeDecodeError, Unreadable):"):
        writer.line("return explain(value)")
    end = f"p{len(record.fields)}"
    writer.line(f"if {end} != len(value) or value.count(0) != zeros: return explain(value)")


def _write_verdict(
    writer: SourceWriter,
    rules: RuleSource,
    conditions: list[tuple[Rule, str]],
    record: RecordShape,
    *,
    key: str,
    wanted: Mapping[str, str],
) -> None:
    rules.write(conditions)
    spans = ", ".join(f"p{index}" for index in range(len(record.fields) + 1))
    values = ", ".join(f'"{name}": {expression}' for name, expression in wanted.items())
    # Why not call Examined: its own constructor takes 70 ns more for each record.
    writer.line(f"return new_tuple(Examined, ({key}, [{spans}], {{{values}}}, found, nulls))")


def _explain(record: RecordShape, value: bytes) -> Malformed:
    """Name the fault of a value that the generated code refused."""
    # Why not stop the process: a value that both readings judge differently is a fault of the
    # bus, but set aside it is kept, seen and can be released; stopped at, it blocks its agency.
    return find_fault(record, value) or Malformed(reason=Reason.MALFORMED_AVRO, path="")


class _Results:
    """Writes the expressions of what `Examined` gives back, and finds those that can't be."""

    def __init__(self, rules: RuleSource, where: str) -> None:
        self.findings: list[Finding] = []
        self._rules = rules
        self._where = where

    def key(self, name: str) -> str:
        """Write the key as text."""
        field = self._rules.field(name)
        match field:
            case FieldValue(shape=TextShape(), is_nullable=False):
                return field.local
            case FieldValue(shape=IntegerShape(resolution=None), is_nullable=False):
                return f"str({field.local})"
            case _:
                self._find(f"key field {name}", field, message("error.contract.key_type"))
                return ""

    def wanted(self, names: list[str]) -> dict[str, str]:
        """Write the values that row filters read, by field."""
        expressions: dict[str, str] = {}
        for name in names:
            field = self._rules.field(name)
            expression = None if field is None else natural(field.shape, field.local)
            if field is None or expression is None or "." in name:
                wanted = message("error.contract.filter_type")
                self._find(f"row filter's field {name}", field, wanted)
                continue
            if field.is_nullable and expression != field.local:
                expression = f"None if {field.local} is None else {expression}"
            expressions[name] = expression
        return expressions

    def _find(self, what: str, field: FieldValue | None, expected: Words) -> None:
        found: Words = message("error.contract.no_such_field")
        if field is not None:
            found = type(field.shape).__name__
            if field.is_nullable:
                found = message("error.contract.or_null", shape=found)
        self.findings.append(
            Finding(
                path=f"{self._where} {what}",
                found=found,
                expected=expected,
                remedy=message("error.contract.name_another_field"),
            )
        )
