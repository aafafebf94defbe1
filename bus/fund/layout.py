"""How the fund lays out one dataset: columns from the newest schema, values of every version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from types import MappingProxyType
from typing import TypeAlias, cast

import fastavro

from bus.catalogue.lock import SchemaLock
from bus.contracts.contract import Contract, SchemaVersion
from bus.errors import DocumentError, Finding, InvariantBroken
from bus.fund.columns import Column, columns_of, findings_of, stored_default, widens
from bus.fund.typed import TypedReader, typed_reader
from bus.model.identifiers import DatasetCode
from bus.texts import finding_at, message
from bus.wire.frame import FRAME_BYTES

Schema: TypeAlias = dict[str, object]
Layouts: TypeAlias = Mapping[DatasetCode, "DatasetLayout"]


@dataclass(frozen=True, kw_only=True)
class DatasetLayout:
    """One dataset's table of current entries, and how to fill it."""

    dataset: DatasetCode
    columns: tuple[Column, ...]
    """Of the newest schema, in its order."""
    newest: SchemaVersion
    versions: Mapping[int, SchemaVersion]
    """Schema id → version of the contract."""
    key_field: str
    searchable: tuple[Column, ...]
    """By which data requests search."""

    def typed_row(self, schema_id: int, value: bytes) -> tuple[object, ...]:
        """Decode a framed value into the columns' values.

        Raises:
            Exception: Any, for a value that enforcement should have refused or a schema that is
                not of this contract.
        """
        reader = self._readers.get(schema_id)
        if reader is None:
            reader = self._readers[schema_id] = typed_reader(
                dataset=self.dataset,
                key_field=self.key_field,
                version=self._version(schema_id),
                schema_id=schema_id,
                columns=self.columns,
            )
        return reader(value)

    def content(self, schema_id: int, value: bytes) -> bytes:
        """Digest a framed value so that equal values of different schemas have equal digests.

        The value is resolved to the newest schema and encoded again.
        """
        datum = BytesIO(value)
        datum.seek(FRAME_BYTES)
        written = parsed_schema(self._version(schema_id).schema)
        resolved = fastavro.schemaless_reader(datum, written, self._newest)
        out = BytesIO()
        fastavro.schemaless_writer(out, self._newest, resolved)
        return sha256(out.getvalue()).digest()

    def _version(self, schema_id: int) -> SchemaVersion:
        version = self.versions.get(schema_id)
        if version is None:
            raise InvariantBroken(
                f"{self.dataset}: schema id {schema_id} is not of this contract, which has "
                f"{sorted(self.versions)}; the fund's catalogue is older than the record's"
            )
        return version

    @cached_property
    def _newest(self) -> Schema:
        return parsed_schema(self.newest.schema)

    @cached_property
    def _readers(self) -> dict[int, TypedReader]:
        """Made at first use: a worker meets few of the schemas of a region."""
        return {}


def layouts_of(contracts: Iterable[Contract], lock: SchemaLock) -> Layouts:
    """Lay out every dataset of a catalogue.

    Raises:
        DocumentError: Contracts that can't become tables, with every finding of each.
    """
    layouts, findings = {}, list[Finding]()
    for contract in contracts:
        ids = {number: entry.id for number, entry in lock.entries.get(contract.dataset, {}).items()}
        try:
            layouts[contract.dataset] = layout_of(contract, ids)
        except DocumentError as error:
            findings += error.findings
    if findings:
        raise DocumentError(message("error.fund.no_tables"), findings)
    return MappingProxyType(layouts)


def layout_of(contract: Contract, schema_ids: Mapping[int, int]) -> DatasetLayout:
    """Lay out one dataset.

    Args:
        contract: Its newest schema gives the columns.
        schema_ids: Version number → schema id, from the schema lock.

    Raises:
        DocumentError: A field's name can't be a column's, or its type changed so that a column
            can't hold values of both versions.
    """
    columns = columns_of(contract.newest.schema)
    findings = findings_of(f"{contract.dataset} v{contract.newest.number}", columns)
    for version in contract.schema_versions:
        place = f"{contract.dataset} v{version.number}"
        findings += _type_changes(place, columns_of(version.schema), columns)
        if version.number not in schema_ids:
            findings.append(_unlocked(place))
    if findings:
        raise DocumentError(message("error.fund.no_table", dataset=contract.dataset), findings)
    versions = {schema_ids[version.number]: version for version in contract.schema_versions}
    return DatasetLayout(
        dataset=contract.dataset,
        columns=columns,
        newest=contract.newest,
        versions=MappingProxyType(versions),
        key_field=contract.key_field,
        searchable=tuple(one for one in columns if one.name in contract.searchable_fields),
    )


def parsed_schema(schema: Mapping[str, object]) -> Schema:
    """Parse a schema so that its defaults can be read and written."""
    parsed = cast("Schema", fastavro.parse_schema(dict(schema)))
    _mend_bytes_defaults(parsed)
    return parsed


def _mend_bytes_defaults(schema: object) -> None:
    """Turn defaults of bytes and fixed fields, at any depth, from JSON's text into bytes.

    The reader hands a default out as it stands in the schema, and the writer refuses text there.
    """
    if isinstance(schema, list):
        for branch in schema:
            _mend_bytes_defaults(branch)
    if not isinstance(schema, dict):
        return
    for part in (schema.get("type"), schema.get("items"), schema.get("values")):
        _mend_bytes_defaults(part)
    for field in schema.get("fields", ()):
        if "default" in field:
            field["default"] = stored_default(field)
        _mend_bytes_defaults(field["type"])


def _type_changes(place: str, older: Sequence[Column], columns: Sequence[Column]) -> list[Finding]:
    types = {column.name: column.sql_type for column in older}
    changed = [
        (column, types[name])
        for column in columns
        for name in (column.name, *column.aliases)
        if name in types and not widens(types[name], column.sql_type)
    ]
    return [
        finding_at(
            f"{place} fields.{column.name}",
            "error.fund.type_changed",
            old=old,
            new=column.sql_type,
        )
        for column, old in changed
    ]


def _unlocked(place: str) -> Finding:
    return finding_at(place, "error.fund.unlocked")
