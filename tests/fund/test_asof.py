"""The fund's past: what it had recorded by a moment, and what was true at one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bus.fund.asof import AsOf, AsOfCount
from bus.fund.past import PastReader
from bus.fund.store import FundStore
from bus.model.record import Operation, RegistryRecord
from bus.postgres.session import Session, connect
from tests.fund.samples import APPENDED_MS, LAYOUTS, PLACE, SAMARA, SCHOOLS, TOPIC, batch, record

CREATE, CORRECT, ANNUL, CEASE = Operation


@pytest.fixture
async def past(dsn: str) -> AsyncIterator[PastReader]:
    opened = await PastReader.open(dsn, LAYOUTS)
    yield opened
    await opened.close()


def on(day: str, one: RegistryRecord) -> RegistryRecord:
    return replace(one, event_time=f"2026-{day}T00:00:00Z")


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"2026-{day}T12:00:00Z")


async def stood(past: PastReader, question: AsOf) -> dict[str, tuple[int, bool]]:
    page = await past.as_of(SCHOOLS, question)
    return {row.key: (row.version, row.ceased_at is not None) for row in page.rows}


async def test_each_moment_keeps_its_answer_whatever_is_recorded_later(
    store: FundStore, past: PastReader
) -> None:
    await store.positions({PLACE: 0})
    first = record("1", 1)
    second = record("1", 2, CORRECT, first)
    steps = [
        [first, record("2", 1)],
        [second],
        [record("1", 3, ANNUL, second), record("2", 2, CEASE, record("2", 1))],
        [record("1", 4, CORRECT, first), record("3", 1)],
    ]
    moments, offset = [await past.now()], 0
    for step in steps:
        await store.apply([batch(offset, *step)])
        offset += len(step)
        moments.append(await past.now())
    answers = [await stood(past, AsOf(recorded=moment)) for moment in moments]
    assert answers == [
        {},
        {"1": (1, False), "2": (1, False)},
        {"1": (2, False), "2": (1, False)},
        {"1": (1, False), "2": (2, True)},
        {"1": (4, False), "2": (2, True), "3": (1, False)},
    ]
    counted = await past.count_as_of(SCHOOLS, AsOf(recorded=moments[3]))
    assert counted == AsOfCount(alive=1, ceased=1, versions=5)


async def test_what_was_true_at_a_moment_is_told_by_what_is_recorded_now(
    store: FundStore, past: PastReader
) -> None:
    await store.positions({PLACE: 0})
    opened = on("01-10", record("1", 1))
    mended = on("01-10", record("1", 2, CORRECT, opened))  # it was wrong from the beginning
    moved = on("03-01", record("1", 3, CORRECT, mended))
    closed = on("06-01", record("1", 4, CEASE, moved))
    never = on("02-01", record("2", 1))
    await store.apply([batch(0, opened, never)])
    before_corrections = await past.now()
    taken_back = on("04-01", record("2", 2, ANNUL, never))
    await store.apply([batch(2, mended, moved, closed, taken_back)])
    now = await past.now()
    days = ["01-01", "02-15", "03-15", "07-01"]
    assert [await stood(past, AsOf(recorded=now, valid=at(day))) for day in days] == [
        {},
        {"1": (2, False)},  # the annulled entry never was, on no day
        {"1": (3, False)},
        {"1": (4, True)},
    ]
    then = AsOf(recorded=before_corrections, valid=at("03-15"))
    assert await stood(past, then) == {"1": (1, False), "2": (1, False)}


async def test_pages_follow_one_another_and_one_entry_can_be_asked_for(
    store: FundStore, past: PastReader
) -> None:
    await store.positions({PLACE: 0})
    keys = [f"{number:02}" for number in range(7)]
    await store.apply([batch(0, *[record(key, 1) for key in keys])])
    question, found = AsOf(recorded=await past.now(), limit=3), list[str]()
    while True:
        page = await past.as_of(SCHOOLS, question)
        found += [row.key for row in page.rows]
        if page.next_after is None:
            break
        question = replace(question, after=page.next_after)
    assert found == keys
    (one,) = (await past.as_of(SCHOOLS, replace(question, after=("", ""), key="04"))).rows
    assert (one.key, one.values["title"]) == ("04", "School 04 v1")
    other = replace(question, after=("", ""), agency=SAMARA, key="99")
    assert (await past.as_of(SCHOOLS, other)).rows == ()


async def test_the_present_waits_for_what_was_being_recorded_when_it_was_asked_for(
    store: FundStore, past: PastReader, dsn: str, session: Session
) -> None:
    await store.positions({PLACE: 0})
    slow = await connect(dsn, "slow")
    async with slow.transaction():
        await slow.execute("LOCK bus.fund_counters IN EXCLUSIVE MODE")
        applying = asyncio.create_task(store.apply([batch(0, record("1", 1))]))
        while not await _is_writing(session):
            await asyncio.sleep(0.01)
        asking = asyncio.create_task(past.now())
        await asyncio.sleep(0.2)
        assert not asking.done()
    await applying
    assert await stood(past, AsOf(recorded=await asking)) == {"1": (1, False)}
    await slow.close()


async def _is_writing(session: Session) -> bool:
    rows = await session.execute(
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND query LIKE '%fund_counters%' AND pid <> pg_backend_pid()"
    )
    return bool(await rows.fetchall())


async def test_held_records_are_listed_with_what_they_wait_for(
    store: FundStore, past: PastReader
) -> None:
    await store.positions({PLACE: 0})
    missing = record("1", 1)
    await store.apply([batch(0, record("1", 2, CORRECT, missing))])
    (held,) = await past.held(SCHOOLS, 10)
    assert (held.key, held.version, held.supersedes) == ("1", 2, missing.record_id)
    assert held.accepted_at == datetime.fromtimestamp(APPENDED_MS / 1000, UTC)
    assert await past.positions(TOPIC) == {0: 1}
