"""Values of every Avro type through the fund, and back as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

import pytest

from bus.fund.layout import DatasetLayout, layout_of
from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.fund.tables import apply_tables
from bus.postgres.session import Session
from tests.fund.samples import (
    PLACE,
    SAMARA,
    SCHEMA_IDS,
    SCHOOLS,
    Fields,
    batch,
    contract,
    encode,
    record,
)

SCALARS: Fields = [
    {"name": "number", "type": "string"},
    {"name": "MixedCase", "type": "string"},
    {"name": "small", "type": "int"},
    {"name": "large", "type": "long"},
    {"name": "share", "type": "double"},
    {"name": "flag", "type": "boolean"},
    {"name": "raw", "type": "bytes"},
    {"name": "digest", "type": {"type": "fixed", "name": "Digest", "size": 2}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["OPEN", "SHUT"]}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "moment", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "exact", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
    {
        "name": "money",
        "type": {"type": "bytes", "logicalType": "decimal", "precision": 14, "scale": 2},
    },
    {"name": "uid", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "maybe", "type": ["null", "string"], "default": None},
]
SCALAR_VALUES: Mapping[str, object] = {
    "number": "1",
    "MixedCase": "Школа № 1 \u2028 ё",
    "small": -(2**31),
    "large": 2**63 - 1,
    "share": 0.1,
    "flag": True,
    "raw": b"\0\xff",
    "digest": b"ab",
    "kind": "SHUT",
    "day": date(1, 1, 1),
    "moment": datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    "exact": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "local": datetime(2026, 3, 1, 9, 30),  # noqa: DTZ001 - Avro's local time has no zone
    "money": Decimal("-123456789012.34"),
    "uid": UUID("12345678-1234-5678-1234-567812345678"),
    "maybe": None,
}
NESTED: Fields = [
    {"name": "number", "type": "string"},
    {"name": "opens", "type": {"type": "int", "logicalType": "time-millis"}},
    {
        "name": "place",
        "type": {
            "type": "record",
            "name": "Place",
            "fields": [
                {"name": "since", "type": {"type": "int", "logicalType": "date"}},
                {
                    "name": "rent",
                    "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
                },
                {"name": "lines", "type": {"type": "array", "items": "string"}},
            ],
        },
    },
    {"name": "former", "type": ["null", "Place"], "default": None},
    {"name": "names", "type": {"type": "map", "values": ["null", "string"]}},
]
NESTED_VALUES: Mapping[str, object] = {
    "number": "1",
    "opens": time(8, 30),
    "place": {"since": date(2020, 1, 2), "rent": Decimal("10.50"), "lines": ["ул. Мира"]},
    "former": None,
    "names": {"ru": "Школа", "en": None},
}
NESTED_ROW = {
    **NESTED_VALUES,
    "place": {"since": "2020-01-02", "rent": "10.50", "lines": ["ул. Мира"]},
}


def layout_with(fields: Fields) -> DatasetLayout:
    return layout_of(replace(contract(fields), key_field="number"), SCHEMA_IDS)


@pytest.mark.parametrize(
    ("fields", "sent", "kept"),
    [(SCALARS, SCALAR_VALUES, SCALAR_VALUES), (NESTED, NESTED_VALUES, NESTED_ROW)],
    ids=["scalars", "nested"],
)
async def test_values_of_every_type_come_back_as_they_were(
    fields: Fields,
    sent: Mapping[str, object],
    kept: Mapping[str, object],
    session: Session,
    empty_dsn: str,
) -> None:
    layouts = MappingProxyType({SCHOOLS: layout_with(fields)})
    await apply_tables(session, layouts)
    store = await FundStore.open(empty_dsn, layouts)
    await store.positions({PLACE: 0})
    await store.apply([batch(0, record("1", 1, framed=encode(layouts[SCHOOLS], 1, sent)))])
    reader = await FundReader.open(empty_dsn, layouts)
    row = await reader.get(SCHOOLS, SAMARA, "1")
    assert row is not None
    assert row.values == kept
    await store.close()
    await reader.close()
