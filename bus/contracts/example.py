"""The example that a contract holds: a record that meets it, and one that breaks one rule.

People write examples, since only they can make fields fit each other; the bus proves them: the
linter judges both as if they had come in, so that documentation never shows what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bus.contracts.compile import CompiledSchema
from bus.contracts.contract import Contract, Example
from bus.contracts.defaults import field_defaults, whole_record
from bus.contracts.encode import encoder
from bus.contracts.schema_reader import read_shape
from bus.model.verdict import Examined, Malformed

_MS_PER_S = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedExample:
    """What judging an example comes to."""

    values: Mapping[str, object]
    """The whole record: every field of the newest schema version, as Python has it."""
    verdict: Examined | Malformed


def judge_example(
    contract: Contract, example: Example, compiled: CompiledSchema, *, is_refused: bool
) -> JudgedExample:
    """Judge an example as if it had come in at the moment that it names.

    Args:
        contract: That holds the example.
        example: Of the newest schema version.
        compiled: The newest schema version.
        is_refused: The record with the change that one rule refuses, instead of the sound one.

    Raises: bus.contracts.encode.NotEncodable: it doesn't fit the schema.
    """
    schema = contract.newest.schema
    shape = read_shape(schema, where=contract.dataset)
    written = dict(example.record)
    if is_refused and example.refused is not None:
        written |= example.refused.change
    values = whole_record(shape, written, field_defaults(schema))
    value = encoder(schema, compiled.schema_id)(values)
    appended_ms = int(example.sent_at.timestamp() * _MS_PER_S)
    ordered = {name: values[name] for name in compiled.field_names}
    return JudgedExample(values=ordered, verdict=compiled.examine(value, appended_ms))
