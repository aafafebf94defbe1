"""Held records: how many may wait, and that they cost nothing until they join."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

from bus.fund.change import HELD_PER_ENTRY_MAX
from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.merge import Outcome
from bus.model.record import Operation, RegistryRecord
from bus.model.verdict import Reason
from bus.postgres.session import Session
from tests.fund.samples import PLACE, batch, record
from tests.fund.test_groups import group, standing

CORRECT = Operation.CORRECT
LARGE = {"title": "A" * 200_000}
MISSING = record("1", 1)


def waiting(*versions: int, key: str = "1", **rest: object) -> list[RegistryRecord]:
    """Give corrections of a first version that has not come."""
    return [record(key, number, CORRECT, record(key, 1), **rest) for number in versions]  # type: ignore[arg-type]


async def test_more_than_an_entry_may_have_waiting_are_refused_at_once(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    limit = HELD_PER_ENTRY_MAX
    flood = waiting(*range(2, limit + 2))
    (outcome,) = await store.apply([batch(0, *flood[:-1])])
    assert (outcome.held, outcome.refused) == (limit - 1, 0)
    more = [flood[-1], *waiting(limit + 2), *waiting(2, key="2"), flood[0]]
    (outcome,) = await store.apply([batch(limit - 1, *more)])
    assert outcome.outcomes == (Outcome.HELD, Outcome.SURPLUS, Outcome.HELD, Outcome.REPEAT)
    assert (outcome.held, outcome.refused, outcome.repeats) == (2, 1, 1)
    (refusal,) = await store.refusals(10)
    assert (refusal.reason, refusal.record_id) == (Reason.UNKNOWN_PREDECESSOR, more[1].record_id)
    (outcome,) = await store.apply([batch(limit + 3, MISSING)])
    assert (outcome.history, outcome.held) == (limit + 1, -limit)
    assert await standing(reader, "1") == [limit + 1]
    assert [(one.held, one.difference) for one in await reader.recount()] == [(1, 0)]


async def test_a_group_without_room_for_all_its_members_is_refused_whole(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    await store.apply([batch(0, *waiting(*range(2, HELD_PER_ENTRY_MAX + 1)))])
    (outcome,) = await store.apply(
        [batch(HELD_PER_ENTRY_MAX - 1, *group(*waiting(100, 101), record("2", 1)))]
    )
    assert outcome.outcomes == (Outcome.SURPLUS,) * 3
    assert [one.reason for one in await store.refusals(10)] == [
        Reason.UNKNOWN_PREDECESSOR, Reason.UNKNOWN_PREDECESSOR, Reason.GROUP_REFUSED,
    ]  # fmt: skip
    assert await standing(reader, "2") == [None]
    assert [one.difference for one in await reader.recount()] == [0]


async def test_values_that_wait_are_not_read_until_they_join_nor_then(
    store: FundStore, reader: FundReader
) -> None:
    """Sixty records of 200 kB would be 12 MB at each touch of their entry."""
    await store.positions({PLACE: 0})
    for start in range(0, 60, 10):
        numbers = range(start + 2, start + 12)
        await store.apply([batch(start, *waiting(*numbers, fields=LARGE))])
    touching, missing = batch(60, *waiting(70)), batch(61, MISSING)
    tracemalloc.start()
    try:
        await store.apply([touching])
        touched_bytes = tracemalloc.get_traced_memory()[1]
        await store.apply([missing])
        joined_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert touched_bytes < 2_000_000
    assert joined_bytes < 2_000_000
    assert await standing(reader, "1") == [70]


async def test_a_record_that_waited_is_kept_as_one_that_did_not(
    store: FundStore, session: Session
) -> None:
    await store.positions({PLACE: 0})
    late, early = waiting(2, 3)
    late = replace(late, event_time="2026-03-05T09:30:00.123456Z", appended_ms=1_800_000_000_123)
    early = replace(early, event_time=late.event_time, appended_ms=late.appended_ms)
    await store.apply([batch(0, late)])
    await store.apply([batch(1, MISSING, early)])
    rows = await session.execute(
        "SELECT count(*), count(DISTINCT (event_time, appended_at, system, lane, catalogue, "
        "accepted_topic, accepted_partition, supersedes, schema_id, operation)) "
        "FROM history.schools WHERE version > 1"
    )
    assert await rows.fetchall() == [(2, 1)]
    kept = await session.execute(
        "SELECT value, bus_in, accepted_offset FROM history.schools WHERE version = 2"
    )
    assert await kept.fetchall() == [(late.value, late.bus_in, 0)]
