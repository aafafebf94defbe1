"""A contract with every type that a row can be filtered by, agreements on it, and its records."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from types import MappingProxyType

import fastavro

from bus.catalogue.agreement import Agreement, Condition, ConditionOperator
from bus.catalogue.region import Region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.contracts.contract import Contract
from bus.fund.batch import FundBatch, FundRecord
from bus.fund.layout import Layouts, layouts_of, parsed_schema
from bus.marts.wanted import Marts, marts_of
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.model.record import Lane, Operation, RegistryRecord
from bus.wire.frame import frame
from bus.wire.record_id import record_id
from tests.access import regions
from tests.fund.samples import Fields, contract

CREATE, CORRECT, ANNUL, CEASE = Operation
NOW = datetime.now(UTC)
SCHOOLS = DatasetCode("schools")
PROVIDERS = tuple(map(AgencyCode, ("education-samara", "education-tolyatti")))
CONSUMER = AgencyCode("health-samara")
ROLE = "mart_health-samara"
PLACE = ("accepted.schools", 0)
HOSTILE = ("36%", "3_", "\\", "'; DROP TABLE x; --", '"', "Школа №1", "%", "", "36\0")

FIELDS_V1: Fields = [
    {"name": "registry_number", "type": "string"},
    {"name": "called", "type": "string"},
    {"name": "note", "type": "string", "default": ""},
    {"name": "oktmo", "type": ["null", "string"], "default": None},
    {"name": "places", "type": ["null", "int"], "default": None},
    {"name": "opened", "type": {"type": "int", "logicalType": "date"}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["day", "evening"]}},
    {"name": "is_open", "type": "boolean"},
    {
        "name": "budget",
        "type": [
            "null",
            {"type": "bytes", "logicalType": "decimal", "precision": 14, "scale": 2},
        ],
        "default": None,
    },
    {
        "name": "checked",
        "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}],
        "default": None,
    },
    {
        "name": "local",
        "type": ["null", {"type": "long", "logicalType": "local-timestamp-millis"}],
        "default": None,
    },
]
FIELDS_V2: Fields = [
    FIELDS_V1[0],
    {"name": "title", "aliases": ["called"], "type": "string", "default": "-"},
    *FIELDS_V1[2:],
    {"name": "floors", "type": "long", "default": 2},
    {"name": "known_at", "type": {"type": "array", "items": "string"}, "default": []},
]
CONTRACT = replace(
    contract(FIELDS_V1, FIELDS_V2, dataset=SCHOOLS),
    # Else a filter makes a standing view, which has no past.
    immutable_fields=frozenset(str(field["name"]) for field in (*FIELDS_V1, *FIELDS_V2)),
)
FIELD_NAMES = CONTRACT.field_names
FILTERABLE = [str(field["name"]) for field in FIELDS_V1 if field["name"] != "called"]
APPENDED = datetime(2026, 6, 1, tzinfo=UTC)


def agreement(name: str = "one", **changes: object) -> Agreement:
    """Give an agreement that grants the consumer all of the dataset, now."""
    whole = regions.agreement(
        CONSUMER,
        ["his"],
        SCHOOLS,
        valid_from=(NOW - timedelta(days=30)).date(),
        valid_to=(NOW + timedelta(days=30)).date(),
    )
    return replace(whole, id=name, **changes)  # type: ignore[arg-type]


def region(*agreements: Agreement, contracts: Iterable[Contract] = (CONTRACT,)) -> Region:
    """Give the region of these agreements, with an id for every schema."""
    made = replace(
        regions.region({}, sorted(agreements, key=lambda one: one.id)),
        contracts=MappingProxyType({one.dataset: one for one in contracts}),
    )
    return replace(made, lock=complete_lock(made))


def layouts(of: Region) -> Layouts:
    return layouts_of(of.contracts.values(), of.lock)


LAYOUTS = layouts(region())
LAYOUT = LAYOUTS[SCHOOLS]


def marts(*agreements: Agreement, moment: datetime = NOW) -> Marts:
    """Give the marts that agreements come to."""
    made = region(*agreements)
    return marts_of(made, layouts(made), moment)


def snapshot(*agreements: Agreement) -> Snapshot:
    return build_snapshot(region(*agreements), 1)


def record(
    key: str,
    version: int,
    operation: Operation = CREATE,
    supersedes: RegistryRecord | None = None,
    *,
    agency: AgencyCode = PROVIDERS[0],
    number: int = 2,
    appended: datetime = APPENDED,
    event_time: str = "2026-03-01T09:30:00Z",
    fields: Mapping[str, object] = MappingProxyType({}),
) -> RegistryRecord:
    """Give one accepted record of a schema version."""
    name = "title" if number == 2 else "called"
    given = {
        "registry_number": key,
        name: f"School {key} v{version}",
        "opened": date(1990, 9, 1),
        "kind": "day",
        "is_open": True,
        **fields,
    }
    (schema_id,) = [one for one, known in LAYOUT.versions.items() if known.number == number]
    out = BytesIO()
    schema = parsed_schema(LAYOUT.versions[schema_id].schema)
    fastavro.schemaless_writer(out, schema, given)
    return RegistryRecord(
        agency=agency,
        dataset=SCHOOLS,
        key=key,
        version=version,
        operation=operation,
        record_id=record_id(agency, SCHOOLS, key, version, operation),
        supersedes=None if supersedes is None else supersedes.record_id,
        schema_id=schema_id,
        value=frame(schema_id, out.getvalue()),
        event_time=event_time,
        lane=Lane.LIVE,
        system=SystemCode("edu-registry"),
        bus_in=f"in.{agency}.{SCHOOLS}/0/{key}{version}",
        catalogue=1,
        appended_ms=int(appended.timestamp() * 1000),
    )


def batch(start: int, records: Sequence[RegistryRecord]) -> FundBatch:
    return FundBatch(
        topic=PLACE[0],
        partition=0,
        start=start,
        end=start + len(records),
        records=[FundRecord(offset=start + at, record=one) for at, one in enumerate(records)],
    )


def chance_fields(chance: random.Random, number: int) -> dict[str, object]:
    """Draw values from pools as small as those of conditions, so that they meet."""
    moment = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(hours=chance.choice([-1, 0, 9, 24]))
    fields: dict[str, object] = {
        "budget": chance.choice([None, Decimal("-1.50"), Decimal("0.00"), Decimal("9.99")]),
        "checked": chance.choice([None, moment]),
        "local": chance.choice([None, moment.replace(tzinfo=None)]),
        "title" if number == 2 else "called": chance.choice(["School", *HOSTILE[:-1]]),
        "note": chance.choice(["School", *HOSTILE[:-1]]),
        "oktmo": chance.choice([None, "36", "36701000", "36701305", "3670", "36%1"]),
        "places": chance.choice([None, -1, 0, 7, 300]),
        "opened": date(2026, 1, chance.randint(1, 3)),
        "kind": chance.choice(["day", "evening"]),
        "is_open": chance.choice([True, False]),
    }
    if number == 2:
        fields |= {"floors": chance.choice([1, 2**40]), "known_at": chance.choice([[], ["a"]])}
    return fields


LIMITS = [ConditionOperator.AT_LEAST, ConditionOperator.AT_MOST]
EQUAL = [ConditionOperator.EQUALS, ConditionOperator.ONE_OF]
TEXT = [*EQUAL, ConditionOperator.PREFIX]
SUITED = [
    *[("note", op, ("School", "S", *HOSTILE)) for op in TEXT],
    *[("oktmo", op, ("36701000", "3670", "36%1", "36")) for op in TEXT],
    *[("oktmo", ConditionOperator.TERRITORY, ("36701000", "36740000", "36701"))] * 3,
    *[("places", op, ("7", "-1", "300")) for op in EQUAL],
    *[("kind", op, ("day", "evening")) for op in TEXT],
    *[("is_open", op, ("true", "false")) for op in EQUAL],
    *[("places", op, ("0", "7", "7.5")) for op in LIMITS],
    *[("budget", op, ("-1.50", "0", "9.99")) for op in LIMITS],
    *[("opened", op, ("2026-01-02", "2026-01-03")) for op in LIMITS],
    *[("local", op, ("2026-01-02",)) for op in LIMITS],
    *[("checked", op, ("2026-01-02", "2026-01-02T09:00:00+00:00")) for op in LIMITS],
]
"""Field, operator and values that the linter lets pass together."""


def chance_condition(chance: random.Random) -> Condition:
    """Draw a condition; of five one that the linter would refuse."""
    field, op, values = chance.choice(SUITED)
    if chance.random() < 0.2:
        field = chance.choice(FILTERABLE)
    many = op in {ConditionOperator.ONE_OF, ConditionOperator.PREFIX, ConditionOperator.TERRITORY}
    return Condition(field=field, op=op, values=tuple(chance.sample(values, 2 if many else 1)))


def chance_agreement(chance: random.Random, name: str) -> Agreement:
    """Draw an agreement: mask, rows, providers, start of history, and now and then its term."""
    fields = None
    if chance.random() < 0.7:
        fields = tuple(chance.sample(FIELD_NAMES, chance.choice([1, 1, 3, 6])))
    rows = tuple(chance_condition(chance) for _ in range(chance.choice([0, 1, 1, 2])))
    return agreement(
        name,
        fields=fields,
        rows=rows,
        providers=chance.choice([None, None, PROVIDERS[:1], PROVIDERS[1:]]),
        history_from=chance.choice([None, None, APPENDED.date(), date(2026, 7, 1)]),
        valid_from=(NOW + timedelta(days=chance.choice([-20, -20, -20, 2]))).date(),
    )


def chance_lives(chance: random.Random, entries: int) -> Iterator[RegistryRecord]:
    """Draw versions of entries: created, corrected, annulled, ceased, opened again."""
    for number in range(entries):
        key, agency = f"{number:03}", chance.choice(PROVIDERS)
        known: list[RegistryRecord] = []
        for version in range(1, chance.randint(2, 6)):
            operation = chance.choice([CORRECT, CORRECT, ANNUL, CEASE, CREATE])
            operation = operation if known else CREATE
            schema = chance.choice([1, 2])
            known.append(
                record(
                    key,
                    version,
                    operation,
                    None if operation is CREATE else chance.choice(known),
                    agency=agency,
                    number=schema,
                    appended=datetime(2026, 6, 1, tzinfo=UTC)
                    + timedelta(days=chance.choice([-1, 0, 29, 30])),
                    event_time=f"2026-0{chance.randint(1, 5)}-01T00:00:00Z",
                    fields=chance_fields(chance, schema),
                )
            )
        yield from known
