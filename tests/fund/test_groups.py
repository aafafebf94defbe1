"""Groups in the fund: no transaction leaves one half done, whoever else works beside it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from bus.fund import store as store_module
from bus.fund.batch import Arrival, FundBatch
from bus.fund.change import Change
from bus.fund.deciding import decided
from bus.fund.entries import QUERIES
from bus.fund.layout import DatasetLayout
from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.merge import Outcome
from bus.model.record import Group, Operation, RegistryRecord
from bus.model.verdict import Reason
from bus.postgres.session import SETTINGS, Session, connect
from tests.fund.samples import LAYOUTS, PLACE, SAMARA, SCHOOLS, TOPIC, age, batch, record

CREATE, CORRECT, ANNUL, CEASE = Operation
OTHER = (TOPIC, 1)
LOCK_TIMEOUT_S = int(SETTINGS["lock_timeout"].removesuffix("s"))


def group(*records: RegistryRecord, name: str = "0" * 16) -> list[RegistryRecord]:
    size = len(records)
    return [
        replace(one, group=Group(id=name, index=index, size=size))
        for index, one in enumerate(records)
    ]


def renumbering(wrong: str, right: str) -> list[RegistryRecord]:
    """Annul an entry under a wrong number and create it under the right one."""
    return group(record(wrong, 2, ANNUL, record(wrong, 1)), record(right, 1))


async def standing(reader: FundReader, *keys: str) -> list[int | None]:
    rows = [await reader.get(SCHOOLS, SAMARA, key) for key in keys]
    return [None if row is None else row.version for row in rows]


async def test_a_group_is_held_whole_and_released_whole_by_a_predecessor(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0, OTHER: 0})
    (held,) = await store.apply([batch(0, *renumbering("wrong", "right"))])
    assert (held.held, held.outcomes) == (2, (Outcome.HELD, Outcome.HELD))
    assert await standing(reader, "wrong", "right") == [None, None]
    # The group's other entry goes on in its own partition, and must not pull half of it along.
    follower = record("right", 2, CORRECT, record("right", 1))
    await store.apply([batch(0, follower, partition=1)])
    assert await standing(reader, "wrong", "right") == [None, None]
    await store.apply([batch(2, record("wrong", 1))])
    assert await standing(reader, "wrong", "right") == [None, 2]
    assert [one.difference for one in await reader.recount()] == [0, 0]
    assert [one.held for one in await reader.recount()] == [0, 0]


async def test_a_group_delivered_twice_is_a_repeat_held_or_not(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    await store.apply([batch(0, *renumbering("wrong", "right"))])
    (again,) = await store.apply([batch(2, *renumbering("wrong", "right"))])
    assert again.repeats == 2
    await store.apply([batch(4, record("wrong", 1))])
    (again,) = await store.apply([batch(5, *renumbering("wrong", "right"))])
    assert again.repeats == 2
    assert await standing(reader, "wrong", "right") == [None, 1]


async def test_a_conflict_of_one_member_refuses_the_others_with_it(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    rival = record("right", 1, fields={"title": "another"})
    await store.apply([batch(0, record("wrong", 1), rival)])
    await store.apply([batch(2, *renumbering("wrong", "right"))])
    reasons = {one.record_id: one.reason for one in await store.refusals(10)}
    first, second = renumbering("wrong", "right")
    assert reasons == {
        first.record_id: Reason.GROUP_REFUSED,
        second.record_id: Reason.CONFLICTING_VERSION,
    }
    assert await standing(reader, "wrong", "right") == [1, 1]
    assert [one.difference for one in await reader.recount()] == [0]


async def test_a_group_that_waited_too_long_is_refused_whole(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    await store.apply([batch(0, *renumbering("wrong", "right"))])
    assert await store.refuse_held(age() - timedelta(minutes=1)) == 2
    assert [one.reason for one in await store.refusals(10)] == [
        Reason.UNKNOWN_PREDECESSOR, Reason.GROUP_REFUSED,
    ]  # fmt: skip
    assert [(one.held, one.difference) for one in await reader.recount()] == [(0, 0)]


async def test_two_workers_never_miss_each_other_s_part_of_an_entry(
    dsn: str, reader: FundReader
) -> None:
    """A group brings a create in one partition while its correction comes in another's."""
    one = await FundStore.open(dsn, LAYOUTS)
    other = await FundStore.open(dsn, LAYOUTS)
    try:
        await one.positions({PLACE: 0})
        await other.positions({OTHER: 0})
        dice = random.Random(11)
        for number in range(30):
            wrong, right = f"wrong{number}", f"right{number}"
            await one.apply([batch(3 * number, record(wrong, 1))])
            follower = record(right, 2, CORRECT, record(right, 1))

            async def later(store: FundStore, arrivals: FundBatch, pause_s: float) -> None:
                await asyncio.sleep(pause_s)
                await store.apply([arrivals])

            await asyncio.gather(
                later(one, batch(3 * number + 1, *renumbering(wrong, right)), dice.random() / 200),
                later(other, batch(number, follower, partition=1), dice.random() / 200),
            )
            assert await standing(reader, wrong, right) == [None, 2]
    finally:
        await one.close()
        await other.close()


async def test_a_group_held_back_while_another_worker_brings_what_it_waits_for_is_let_in(
    dsn: str, reader: FundReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one has read and decided before the other commits, if nothing keeps them apart."""
    one = await FundStore.open(dsn, LAYOUTS)
    other = await FundStore.open(dsn, LAYOUTS)
    try:
        await one.positions({PLACE: 0})
        await other.positions({OTHER: 0})
        await one.apply([batch(0, record("a", 1))])
        both = asyncio.Barrier(2)

        async def decided_late(
            session: Session, arrivals: Sequence[Arrival], layout: DatasetLayout, *, is_alone: bool
        ) -> Change:
            change = await decided(session, arrivals, layout, is_alone=is_alone)
            with suppress(TimeoutError, asyncio.BrokenBarrierError):
                await asyncio.wait_for(both.wait(), 0.3)
            return change

        monkeypatch.setattr(store_module, "decided", decided_late)
        pair = group(
            record("a", 2, CORRECT, record("a", 1)), record("b", 2, CORRECT, record("b", 1))
        )
        await asyncio.gather(
            one.apply([batch(1, *pair)]), other.apply([batch(0, record("b", 1), partition=1)])
        )
        assert await standing(reader, "a", "b") == [2, 2]
        assert sum(counters.held for counters in await reader.recount()) == 0
    finally:
        await one.close()
        await other.close()


@asynccontextmanager
async def dataset_locked(dsn: str, lock: str) -> AsyncIterator[None]:
    """Hold a dataset as another worker's transaction does."""
    other = await connect(dsn, "another worker")
    try:
        async with other.transaction():
            await other.execute(QUERIES.get(lock), {"dataset": SCHOOLS})
            yield
    finally:
        await other.close()


async def test_a_worker_waits_for_a_dataset_longer_than_for_a_row(
    store: FundStore, reader: FundReader, dsn: str
) -> None:
    """Many may be in front; one that waited in vain would end, and others with it."""
    await store.positions({PLACE: 0})
    async with dataset_locked(dsn, "lock_alone"):
        applying = asyncio.create_task(store.apply([batch(0, record("patient", 1))]))
        await asyncio.sleep(LOCK_TIMEOUT_S + 0.5)
        assert not applying.done()
    await applying
    assert await standing(reader, "patient") == [1]


async def test_held_records_are_refused_while_nobody_else_is_in_the_dataset(
    store: FundStore, dsn: str
) -> None:
    await store.positions({PLACE: 0})
    await store.apply([batch(0, record("orphan", 2, CORRECT, record("orphan", 1)))])
    async with dataset_locked(dsn, "lock_shared"):
        refusing = asyncio.create_task(store.refuse_held(age() - timedelta(minutes=1)))
        await asyncio.sleep(0.3)
        assert not refusing.done()
    assert await refusing == 1


async def test_a_reader_never_sees_half_a_group_while_it_is_applied(
    store: FundStore, reader: FundReader, dsn: str
) -> None:
    await store.positions({PLACE: 0})
    count = 40
    await store.apply([batch(0, *[record(f"wrong{n}", 1) for n in range(count)])])
    second = await FundReader.open(dsn, LAYOUTS)
    done = asyncio.Event()

    async def look() -> list[int]:
        seen = []
        while not done.is_set():
            seen.append((await second.count(SCHOOLS)).current)
        return seen

    looking = asyncio.create_task(look())
    for number in range(count):
        start = count + 2 * number
        await store.apply([batch(start, *renumbering(f"wrong{number}", f"right{number}"))])
    done.set()
    assert set(await looking) == {count}
    await second.close()
    assert await standing(reader, "wrong0", "right0") == [None, 1]
