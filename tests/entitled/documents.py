"""Invented contracts and agreements, and values that fit them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import Final

from bus.catalogue.agreement import (
    Agreement,
    Condition,
    ConditionOperator,
    Ending,
    Suspension,
)
from bus.catalogue.decision import Side
from bus.catalogue.lock import EMPTY_LOCK
from bus.catalogue.region import Region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.contracts.contract import Classification, Contract, SchemaVersion
from bus.contracts.encode import Encode, encoder
from bus.fund.layout import DatasetLayout, layouts_of
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from tests import factories
from tests.access import regions

DATASET: Final = DatasetCode("entries")
PROVIDERS: Final = {
    AgencyCode("east"): SystemCode("east-list"),
    AgencyCode("west"): SystemCode("west-list"),
}
FIRST_DAY: Final = date(2026, 3, 1)
KEY: Final = "number"
PARTITIONS: Final = 2
AGREEMENTS: Final = 10
_Op = ConditionOperator
_TERRITORIES: Final = ("36", "36701000", "36701305", "36740000", "45000000", "36701305101")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A type of field, what its values may be, and how they may be filtered."""

    avro: Callable[[str], object]
    """Of the field's name."""
    values: Sequence[object]
    filters: Mapping[ConditionOperator, Sequence[str]]


_LISTED: Final = (_Op.EQUALS, _Op.ONE_OF)
_LIMITS: Final = (_Op.AT_LEAST, _Op.AT_MOST)
_NUMBERS: Final = ("-1", "0", "1", "2")
_DAYS: Final = ("2026-01-30", "2026-01-31", "2026-02-01")
KINDS: Final[Mapping[str, Kind]] = {
    "town": Kind(
        avro=lambda _: "string",
        values=_TERRITORIES,
        filters=dict.fromkeys((*_LISTED, _Op.PREFIX, _Op.TERRITORY), _TERRITORIES),
    ),
    "remark": Kind(
        avro=lambda _: ["null", "string"],
        values=(None, "", "open", "opened", "closed"),
        filters={
            **dict.fromkeys(_LISTED, ("", "open", "closed")),  # none of them says nothing at all
            _Op.PREFIX: ("open", "closed", "o"),
        },
    ),
    "state": Kind(
        avro=lambda name: {"type": "enum", "name": f"Of{name}", "symbols": ["a", "b", "c"]},
        values=("a", "b", "c"),
        filters=dict.fromkeys(_LISTED, ("a", "b", "c")),
    ),
    "flag": Kind(
        avro=lambda _: "boolean", values=(True, False), filters={_Op.EQUALS: ("true", "false")}
    ),
    "count": Kind(
        avro=lambda _: ["null", "long"],
        values=(None, -1, 0, 1, 2),
        filters=dict.fromkeys((*_LISTED, *_LIMITS), _NUMBERS),
    ),
    "price": Kind(
        avro=lambda _: {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2},
        values=(Decimal("-1.00"), Decimal("0.50"), Decimal("1.50")),
        filters=dict.fromkeys(_LIMITS, ("-1.00", "0.5", "1")),
    ),
    "day": Kind(
        avro=lambda _: ["null", {"type": "int", "logicalType": "date"}],
        values=(None, date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 1)),
        filters=dict.fromkeys(_LIMITS, _DAYS),
    ),
    "moment": Kind(
        avro=lambda _: {"type": "long", "logicalType": "timestamp-millis"},
        values=tuple(
            datetime(2026, 1, 31, tzinfo=UTC) + timedelta(hours=h) for h in (-1, 0, 9, 24)
        ),
        filters=dict.fromkeys(_LIMITS, (*_DAYS, "2026-01-31T09:00:00Z")),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Documents:
    """One region with all that follows from it."""

    snapshot: Snapshot
    layout: DatasetLayout
    kinds: Mapping[str, str]
    """Field → its kind."""
    encoders: Mapping[int, Encode]
    """Schema version → how its records are written."""
    schema_ids: Mapping[int, int]
    """Schema version → its id."""

    @property
    def region(self) -> Region:
        return self.snapshot.region

    @property
    def contract(self) -> Contract:
        return self.region.contracts[DATASET]


def invent(chance: Random) -> Documents:
    """Make a contract of one or two schema versions, and ten agreements on it."""
    names = [f"{kind}{number}" for number in (1, 2) for kind in chance.sample(list(KINDS), 3)]
    names = list(dict.fromkeys(names))
    kinds = {name: name[:-1] for name in names}
    contract = _contract(chance, names, kinds)
    base = regions.region(
        {
            **{str(agency): {str(system): [DATASET]} for agency, system in PROVIDERS.items()},
            **{f"consumer-{number}": {f"reader-{number}": []} for number in range(AGREEMENTS)},
        },
        partitions=PARTITIONS,
    )
    common = [name for name in names if name in _fields(contract, 1)]
    agreements: list[Agreement] = []
    for number in range(AGREEMENTS):
        like = chance.choice(agreements) if agreements and chance.random() < 0.2 else None
        agreements.append(_agreement(chance, number, contract, common, kinds, like))
    key = factories.signing_key("bus")
    region = replace(
        base,
        contracts=MappingProxyType({DATASET: contract}),
        agreements=tuple(agreements),
        keys=MappingProxyType({key.key_id: key}),
        lock=EMPTY_LOCK,
    )
    region = replace(region, lock=complete_lock(region))
    snapshot = build_snapshot(region, 7)
    ids = {number: entry.id for number, entry in region.lock.entries[DATASET].items()}
    return Documents(
        snapshot=snapshot,
        layout=layouts_of([contract], region.lock)[DATASET],
        kinds=kinds,
        encoders={v.number: encoder(v.schema, ids[v.number]) for v in contract.schema_versions},
        schema_ids=ids,
    )


def _contract(chance: Random, names: Sequence[str], kinds: Mapping[str, str]) -> Contract:
    fields = [{"name": KEY, "type": "string"}]
    fields += [{"name": name, "type": KINDS[kinds[name]].avro(name)} for name in names]  # type: ignore[dict-item]
    versions = [fields[:-1], fields] if chance.random() < 0.4 else [fields]
    return replace(
        regions.contract(DATASET),
        key_field=KEY,
        immutable_fields=frozenset({KEY, *(n for n in names if chance.random() < 0.4)}),
        classification=MappingProxyType(dict.fromkeys((KEY, *names), Classification.PUBLIC)),
        schema_versions=tuple(
            SchemaVersion(
                number=number,
                schema={"type": "record", "name": "Entry", "namespace": "test", "fields": chosen},
                rules=(),
                accepted_until=None,
            )
            for number, chosen in enumerate(versions, start=1)
        ),
    )


def _fields(contract: Contract, number: int) -> set[str]:
    fields = contract.schema_versions[number - 1].schema["fields"]
    assert isinstance(fields, list)
    return {field["name"] for field in fields}


def _agreement(
    chance: Random,
    number: int,
    contract: Contract,
    common: Sequence[str],
    kinds: Mapping[str, str],
    like: Agreement | None,
) -> Agreement:
    """Make an agreement that is served by a view; `like` another one grants the same."""
    made = regions.agreement(f"consumer-{number}", [f"reader-{number}"], DATASET)
    begins, lasts = chance.randint(-3, 6), chance.randint(0, 20)
    made = replace(
        made,
        valid_from=FIRST_DAY + timedelta(days=begins),
        valid_to=FIRST_DAY + timedelta(days=begins + lasts),
        suspensions=_suspensions(chance),
        ending=_ending(chance),
    )
    if like is not None:
        return replace(
            made,
            fields=like.fields,
            rows=like.rows,
            providers=like.providers,
            history_from=like.history_from,
        )
    rows = tuple(_condition(chance, common, kinds) for _ in range(chance.choice((0, 1, 1, 2))))
    chosen = tuple(name for name in contract.field_names if chance.random() < 0.5)
    is_standing = any(row.field not in contract.immutable_fields for row in rows)
    # Why the key: a view shows nothing of a schema version that has none of its fields.
    granted = (KEY, *(name for name in chosen if name != KEY))
    return replace(
        made,
        fields=None if rows and chance.random() < 0.2 else granted,
        rows=rows,
        providers=(chance.choice(list(PROVIDERS)),) if chance.random() < 0.3 else None,
        history_from=FIRST_DAY + timedelta(days=chance.randint(0, 6))
        if not is_standing and chance.random() < 0.4
        else None,
    )


def _condition(chance: Random, common: Sequence[str], kinds: Mapping[str, str]) -> Condition:
    field = chance.choice(list(common))
    filters = KINDS[kinds[field]].filters
    op = chance.choice(list(filters))
    count = chance.randint(1, 2) if op in {_Op.ONE_OF, _Op.PREFIX, _Op.TERRITORY} else 1
    return Condition(field=field, op=op, values=tuple(chance.sample(list(filters[op]), count)))


def _suspensions(chance: Random) -> tuple[Suspension, ...]:
    if chance.random() < 0.7:
        return ()
    begins = _moment(chance)
    ends = None if chance.random() < 0.3 else begins + timedelta(hours=chance.randint(1, 72))
    return (Suspension(side=Side.PROVIDER, by="head", begins=begins, ends=ends),)


def _ending(chance: Random) -> Ending | None:
    if chance.random() < 0.8:
        return None
    return Ending(side=Side.CONSUMER, by="head", at=_moment(chance))


def _moment(chance: Random) -> datetime:
    first = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    return first + timedelta(minutes=chance.randint(0, 12 * 24 * 60))
