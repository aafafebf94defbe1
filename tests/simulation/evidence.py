"""What is there at the end of a history, in the words of the chaos suite's checker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache

from bus.client.subscription import Feed, feeds_of
from bus.fund.batch import Arrival
from bus.model.identifiers import SystemCode
from bus.model.record import Group, Operation
from bus.quarantine.entry import QuarantineState
from bus.wire.frame import schema_id_of
from bus.wire.headers import parse_delivered
from bus.wire.topics import parse_position
from tests.chaos.evidence import (
    CurrentRow,
    Delivered,
    Entitled,
    Evidence,
    FundRow,
    GroupPlace,
    HeldRow,
    LawBalance,
    LogRecord,
    Place,
    QuarantineRow,
    RefusedRow,
)
from tests.chaos.history import Sent
from tests.factories import AGENCY, DATASET, noon
from tests.simulation.catalogue import FIRST_VERSION, catalogue
from tests.simulation.consumer import Taken
from tests.simulation.log import Record
from tests.simulation.rows import ACCEPTED, INBOUND, PARTITIONS, QUARANTINE, is_in_view, stamp_of
from tests.simulation.world import VIEW, World

_NO_FIELDS: frozenset[str] = frozenset()


def evidence_of(world: World) -> Evidence:
    """Lay out what topics, tables and consumers hold. Signatures the consumers have proved."""
    tables = world.database.tables
    return Evidence(
        accepted=list(_records(world, ACCEPTED)),
        views=list(_records(world, VIEW)),
        history=[row for versions in tables.history.values() for row in _history(versions)],
        current=[
            CurrentRow(
                dataset=DATASET, agency=agency, key=key, version=row.version,
                record_id=row.record_id, stamp=stamp_of(row.value),
            )
            for (agency, key), row in tables.current.items()
        ],
        held=[
            HeldRow(
                dataset=DATASET, agency=AGENCY, key=row.record.key, version=row.record.version,
                record_id=row.record.record_id, stamp=stamp_of(row.record.value),
            )
            for rows in tables.held.values()
            for row in rows.values()
        ],
        refused=[
            RefusedRow(
                inbound=_place(row.record.bus_in), record_id=row.record.record_id, reason=reason
            )
            for row, reason in tables.refusals
        ],
        quarantine=list(_quarantine(world)),
        delivered=[
            _delivered(topic, one) for topic in world.taken for unit in world.taken[topic]
            for one in unit
        ],
        entitled=[
            Entitled(consumer=ACCEPTED, topic=ACCEPTED, may_see=_all, fields=_NO_FIELDS),
            Entitled(
                consumer=VIEW, topic=VIEW, may_see=_in_view, fields=frozenset(_granted_fields())
            ),
        ],
        law=list(_law(world)),
    )  # fmt: skip


def _place(position: str) -> Place:
    found = parse_position(position)
    return Place(found.topic, found.partition, found.offset)


def _group(group: Group | None) -> GroupPlace | None:
    return None if group is None else GroupPlace(group.id, group.index, group.size)


def _records(world: World, topic: str) -> Iterator[LogRecord]:
    for partition in range(PARTITIONS):
        for raw in world.log.read((topic, partition), 0):
            record = parse_delivered(raw, DATASET)
            yield LogRecord(
                place=Place(topic, partition, raw.offset),
                inbound=_place(record.bus_in),
                record_id=record.record_id,
                key=record.key,
                version=record.version,
                stamp=stamp_of(raw.value),
                is_proved=True,
                group=_group(record.group),
                fields=_fields(topic, record.value),
            )


def _history(versions: Mapping[int, Arrival]) -> Iterator[FundRow]:
    standing_ones = _standing(versions)
    for row in versions.values():
        record = row.record
        yield FundRow(
            dataset=DATASET,
            agency=record.agency,
            key=record.key,
            version=record.version,
            record_id=record.record_id,
            stamp=stamp_of(record.value),
            accepted=Place(row.topic, row.partition, row.offset),
            is_standing=record.version in standing_ones,
        )


def _standing(versions: Mapping[int, Arrival]) -> set[int]:
    """Tell which versions are no annulment and not annulled, by the rule's own words."""
    annulled: set[str | None] = set()
    found = set()
    for number in sorted(versions, reverse=True):
        record = versions[number].record
        if record.record_id in annulled:
            continue
        if record.operation is Operation.ANNUL:
            annulled.add(record.supersedes)
        else:
            found.add(number)
    return found


def _quarantine(world: World) -> Iterator[QuarantineRow]:
    for position, kept in world.database.tables.quarantine.items():
        yield QuarantineRow(
            inbound=_place(position),
            mark=stamp_of(kept.entry.value),
            reasons=(kept.entry.reason.value,),
            state=kept.state.value,
            is_resolved=kept.state is not QuarantineState.OPEN,
        )


def _delivered(topic: str, taken: Taken) -> Delivered:
    raw, record = taken
    return Delivered(
        consumer=topic,
        place=Place(topic, raw.partition, raw.offset),
        record_id=record.record_id,
        key=record.key,
        stamp=stamp_of(record.value),
        fields=_fields(topic, record.value),
        group=_group(record.group),
    )


def _all(sent: Sent) -> bool:
    return True


def _in_view(sent: Sent) -> bool:
    return is_in_view(sent.version)


@cache
def _feed() -> Feed:
    region = catalogue(FIRST_VERSION).region
    (feed,) = feeds_of(region, SystemCode("health-analytics"), DATASET, noon(date(2026, 4, 1)))
    return feed


def _granted_fields() -> tuple[str, ...]:
    view = _feed().view
    assert view is not None
    return view.fields


@cache
def _fields(topic: str, value: bytes) -> frozenset[str]:
    if topic != VIEW:
        return _NO_FIELDS
    return frozenset(_feed().decoders[schema_id_of(value) or 0](value))


def _law(world: World) -> Iterator[LawBalance]:
    """Count inbound records against their outcomes, and quarantine's topic against its table.

    The fund's own account is checked with every transaction.
    """
    for partition in range(PARTITIONS):
        missing = world.outputs.missing(world.log, (INBOUND, partition))
        yield LawBalance(place=f"{INBOUND}/{partition}", missing=missing, surplus=0)
    told = {
        _bus_in(raw)
        for partition in range(PARTITIONS)
        for raw in world.log.read((QUARANTINE, partition), 0)
    }
    rows = set(world.database.tables.quarantine)
    fund = {row.record.bus_in for row, _ in world.database.tables.refusals}
    yield LawBalance(place="quarantine", missing=len(told - rows), surplus=len(rows - told - fund))


def _bus_in(raw: Record) -> str:
    return dict(raw.headers)["bus_in"].decode()
