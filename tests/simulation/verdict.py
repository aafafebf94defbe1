"""What a drained history comes to: by the chaos suite's checker, and by what is seen only here."""

from __future__ import annotations

from collections.abc import Iterator

from bus.client.delivered import DeliveredRecord
from bus.client.registry_copy import RegistryCopy
from bus.wire.topics import Position
from tests.chaos.anomaly import Name
from tests.chaos.checker import check
from tests.chaos.history import history_of
from tests.factories import AGENCY, DATASET
from tests.simulation.consumer import Taken
from tests.simulation.evidence import evidence_of
from tests.simulation.invariants import AnomalyFound, check_law
from tests.simulation.rows import ACCEPTED, PARTITIONS
from tests.simulation.world import World


def anomalies(world: World) -> list[AnomalyFound]:
    """Look at a drained world from all sides."""
    for partition in range(PARTITIONS):
        check_law(world.database.tables, world.log, (ACCEPTED, partition))
    named = check(history_of(world.told), evidence_of(world))
    return [
        *(AnomalyFound(one.name, one.what, one.why) for one in named),
        *_copy_differs(world),
    ]


def _copy_differs(world: World) -> Iterator[AnomalyFound]:
    """Find entries of which a consumer's copy says something else than the fund."""
    copy = RegistryCopy(DATASET)
    for unit in world.taken[ACCEPTED]:
        copy.apply_together([_delivered(one) for one in unit])
    tables = world.database.tables
    for key in sorted({key for _, key in [*copy, *tables.history]}):
        entry, current = copy.entry(AGENCY, key), tables.current.get((AGENCY, key))
        copied = None if entry is None or entry.current is None else entry.current.version
        stands = None if current is None else current.version
        if copied != stands:
            why = f"version {copied} stands in a consumer's copy, {stands} in the fund"
            yield AnomalyFound(Name.STALE, key, why)


def _delivered(taken: Taken) -> DeliveredRecord:
    raw, record = taken
    return DeliveredRecord(
        agency=record.agency,
        dataset=record.dataset,
        key=record.key,
        version=record.version,
        operation=record.operation,
        record_id=record.record_id,
        supersedes=record.supersedes,
        event_time=record.event_time,
        lane=record.lane,
        fields={"value": record.value},
        position=Position(topic=raw.topic, partition=raw.partition, offset=raw.offset),
        group=record.group,
    )
