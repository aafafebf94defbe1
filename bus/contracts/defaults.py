"""What a field becomes that a record leaves out: the same however the record comes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bus.contracts.avro_types import fields_of_record, is_nullable
from bus.contracts.json_value import from_json
from bus.contracts.schema_shape import RecordShape

_ABSENT: Final = object()
_NULL: Final = "null"


def field_defaults(schema: Mapping[str, Any]) -> dict[str, object]:
    """Find what stands for each field that a record may leave out.

    Args:
        schema: A record's.

    Returns: The schema's default; null where a field may be null and has none.

    Why only these (and empty lists and maps): a default of a logical type is written as its base
    type, which the encoder rightly refuses; such a field must be given.
    """
    defaults: dict[str, object] = {}
    for field in fields_of_record(schema):
        default = field.get("default", _ABSENT)
        may_be_null = is_nullable(field["type"]) or field["type"] == _NULL
        if isinstance(default, (str, int, float)) or default in ([], {}):
            defaults[field["name"]] = default
        elif may_be_null and (default is None or default is _ABSENT):
            defaults[field["name"]] = None
    return defaults


def whole_record(
    shape: RecordShape, written: Mapping[str, object], defaults: Mapping[str, object]
) -> dict[str, object]:
    """Turn a record as JSON and YAML write it into values, with those that it leaves out.

    Args:
        shape: Of the record.
        written: See `bus.contracts.json_value.from_json`.
        defaults: As `field_defaults` gives them. (never read as JSON writes values)
    """
    values = from_json(shape, written)
    assert isinstance(values, dict), "a record's shape gives a record"
    return {**defaults, **values}
