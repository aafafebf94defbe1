"""One contract of schools with two schema versions, and records of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from types import MappingProxyType

import fastavro

from bus.contracts.contract import (
    Classification,
    Compatibility,
    Contract,
    SchemaVersion,
    Sla,
    Status,
    VersionSource,
)
from bus.contracts.rules import Text
from bus.fund.batch import FundBatch, FundRecord
from bus.fund.layout import DatasetLayout, layout_of, parsed_schema
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.record import Headers, Lane, Operation, RegistryRecord
from bus.wire.frame import frame
from bus.wire.record_id import record_id

SCHOOLS = DatasetCode("schools")
SAMARA = AgencyCode("education-samara")
TOPIC = "accepted.schools"
PLACE = (TOPIC, 0)
APPENDED_MS = 1_800_000_000_000
SCHEMA_IDS = {1: 11, 2: 12}

Fields = Sequence[Mapping[str, object]]

FIELDS_V1: Fields = [
    {"name": "registry_number", "type": "string"},
    {"name": "title", "type": "string"},
    {"name": "places", "type": ["null", "int"], "default": None},
    {"name": "opened", "type": {"type": "int", "logicalType": "date"}},
]
FIELDS_V2: Fields = [
    *FIELDS_V1,
    {
        "name": "budget",
        "type": {"type": "bytes", "logicalType": "decimal", "precision": 14, "scale": 2},
        "default": "\u0000",
    },
    {
        "name": "inspected",
        "type": {"type": "int", "logicalType": "date"},
        "default": 1,
    },
    {"name": "branches", "type": {"type": "array", "items": "string"}, "default": []},
]


def age() -> timedelta:
    """Tell how long ago samples were appended; below zero until 2027."""
    return datetime.now(UTC) - datetime.fromtimestamp(APPENDED_MS / 1000, UTC)


def schema(fields: Fields) -> dict[str, object]:
    return {"type": "record", "name": "School", "namespace": "ru.samara", "fields": [*fields]}


def contract(*versions: Fields, dataset: DatasetCode = SCHOOLS) -> Contract:
    """Give a contract whose schema versions have these fields."""
    return Contract(
        dataset=dataset,
        title=Text(ru="Школы", en="Schools"),
        owner=SAMARA,
        steward="Head of registry",
        status=Status.ACTIVE,
        contract_version="1.0.0",
        key_field="registry_number",
        version_source=VersionSource.COLUMN,
        operations=frozenset(Operation),
        immutable_fields=frozenset(),
        compatibility=Compatibility.FULL_TRANSITIVE,
        process="school-registration",
        legal_basis="Act 1",
        classification={"registry_number": Classification.PUBLIC},
        sla=Sla(
            latency_s=60,
            frequency_hours=24,
            retention_days=3650,
            completeness_percent=90,
            validity_percent=99,
            timeliness_percent=95,
        ),
        schema_versions=tuple(
            SchemaVersion(number=number, schema=schema(fields), rules=(), accepted_until=None)
            for number, fields in enumerate(versions, start=1)
        ),
    )


CONTRACT = contract(FIELDS_V1, FIELDS_V2)
LAYOUT = layout_of(CONTRACT, SCHEMA_IDS)
LAYOUTS = MappingProxyType({SCHOOLS: LAYOUT})


def value(fields: Mapping[str, object], number: int = 1) -> bytes:
    """Encode fields under a version of the sample contract."""
    given = {"registry_number": "1", "title": "School", "opened": date(1990, 9, 1), **fields}
    return encode(LAYOUT, number, given)


def encode(layout: DatasetLayout, number: int, fields: Mapping[str, object]) -> bytes:
    """Frame fields under a version of any layout."""
    out = BytesIO()
    schema = parsed_schema(layout.versions[SCHEMA_IDS[number]].schema)
    fastavro.schemaless_writer(out, schema, fields)
    return frame(SCHEMA_IDS[number], out.getvalue())


def record(
    key: str,
    version: int,
    operation: Operation = Operation.CREATE,
    supersedes: RegistryRecord | RecordId | None = None,
    *,
    fields: Mapping[str, object] = MappingProxyType({}),
    schema_number: int = 1,
    bus_in: str = "",
    agency: AgencyCode = SAMARA,
    framed: bytes | None = None,
) -> RegistryRecord:
    """Give one accepted record."""
    if isinstance(supersedes, RegistryRecord):
        supersedes = supersedes.record_id
    content = {"registry_number": key, "title": f"School {key} v{version}", **fields}
    return RegistryRecord(
        agency=agency,
        dataset=SCHOOLS,
        key=key,
        version=version,
        operation=operation,
        record_id=record_id(agency, SCHOOLS, key, version, operation),
        supersedes=supersedes,
        schema_id=SCHEMA_IDS[schema_number],
        value=value(content, schema_number) if framed is None else framed,
        event_time=f"2026-03-{version % 28 + 1:02}T09:30:00Z",
        lane=Lane.LIVE,
        system=SystemCode("edu-registry"),
        bus_in=bus_in or f"in.{agency}.{SCHOOLS}/0/{abs(hash((key, version))) % 10**9}",
        catalogue=7,
        appended_ms=APPENDED_MS,
    )


def batch(
    start: int,
    *records: RegistryRecord,
    partition: int = 0,
    markers: int = 0,
    headers: Headers = (),
) -> FundBatch:
    """Put records at consecutive offsets, and `markers` offsets without a record after them."""
    return FundBatch(
        topic=TOPIC,
        partition=partition,
        start=start,
        end=start + len(records) + markers,
        records=[
            FundRecord(offset=start + number, record=one, headers=headers)
            for number, one in enumerate(records)
        ],
    )


def batches(start: int, records: Iterable[RegistryRecord], size: int) -> list[FundBatch]:
    """Cut records into batches that follow one another."""
    whole = list(records)
    return [batch(start + at, *whole[at : at + size]) for at in range(0, len(whole), size)]
