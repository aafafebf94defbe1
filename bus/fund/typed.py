"""Reading a record's value straight into the columns of its dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Final, TypeAlias, cast

from bus.contracts.compile import compile_schema
from bus.contracts.contract import SchemaVersion, top_level_fields
from bus.contracts.encode import decoder
from bus.errors import InvariantBroken
from bus.fund.columns import Column
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Malformed

TypedReader: TypeAlias = Callable[[bytes], tuple[object, ...]]
"""Framed value → one value for each column."""
Pick: TypeAlias = Callable[[Mapping[str, object]], tuple[object, ...]]

_NOT_COMPILED: Final = frozenset({"jsonb", "time without time zone"})
"""Columns whose values the compiled reader passes over, or gives as bare numbers."""


def typed_reader(
    *,
    dataset: DatasetCode,
    key_field: str,
    version: SchemaVersion,
    schema_id: int,
    columns: Sequence[Column],
) -> TypedReader:
    """Make the function that reads values of one schema version; it raises for malformed ones.

    A record of scalar fields alone is read by compiled code in half the time.

    Args:
        dataset: For messages.
        key_field: Of the contract.
        version: That the values were written with; its rules play no part here.
        schema_id: Stands in the frame.
        columns: Of the newest version; a field that `version` lacks gives its default.

    Raises:
        DocumentError: The bus can't read this schema.
    """
    written = frozenset(top_level_fields(version.schema))
    sources = [
        next((name for name in (column.name, *column.aliases) if name in written), None)
        for column in columns
    ]
    pick = _picker(sources, columns)
    if any(column.sql_type in _NOT_COMPILED for column in columns):
        decode = decoder(version.schema)
        return lambda value: pick(decode(value))
    compiled = compile_schema(
        dataset=dataset,
        key_field=key_field,
        version=replace(version, rules=()),
        schema_id=schema_id,
        wanted=frozenset(source for source in sources if source is not None),
    )

    def read(value: bytes) -> tuple[object, ...]:
        examined = compiled.examine(value, 0)
        if isinstance(examined, Malformed):
            raise InvariantBroken(f"{examined.reason} at field {examined.path!r}")
        return pick(examined.wanted)

    return read


def _picker(sources: Sequence[str | None], columns: Sequence[Column]) -> Pick:
    """Make what puts decoded fields in the columns' order, with defaults for those that lack."""
    names = [source for source in sources if source is not None]
    if len(names) == len(columns) > 1:
        return cast("Pick", itemgetter(*names))
    paired = [(source, column.default) for source, column in zip(sources, columns, strict=True)]
    return lambda decoded: tuple(
        default if source is None else decoded[source] for source, default in paired
    )
