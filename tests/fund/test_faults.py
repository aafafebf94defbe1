from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bus.errors import BusError, Fenced, InvariantBroken, Unavailable
from bus.fund.batch import FundBatch
from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.model.record import Operation
from bus.postgres.session import Session, connect
from tests.fund.samples import LAYOUTS, PLACE, SAMARA, SCHOOLS, TOPIC, batch, batches, record

MOVE = "UPDATE bus.positions SET next_offset = next_offset + 1"


@asynccontextmanager
async def holding_counters(dsn: str) -> AsyncIterator[None]:
    """Lock the counters, so that a batch stops after it wrote its rows and before its commit."""
    holder = await connect(dsn, "holder")
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM bus.fund_counters FOR UPDATE")
            yield
    finally:
        await holder.close()


async def wait_until_blocked(session: Session, sessions: int = 1) -> None:
    """Wait until so many workers' sessions wait for a lock."""
    for _ in range(400):
        waiting = await session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND application_name = 'bus fund' AND datname = current_database()"
        )
        if await waiting.fetchall() == [(sessions,)]:
            return
        await asyncio.sleep(0.005)
    pytest.fail("no worker is blocked")


async def terminate_workers(session: Session) -> None:
    await session.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'bus fund' AND datname = current_database()"
    )


async def test_a_transaction_cut_before_its_commit_leaves_nothing(
    store: FundStore, reader: FundReader, session: Session, dsn: str
) -> None:
    await store.positions({PLACE: 0})
    sent = [record(str(number), 1) for number in range(200)]
    async with holding_counters(dsn):
        applying = asyncio.create_task(store.apply([batch(0, *sent)]))
        await wait_until_blocked(session)
        await terminate_workers(session)
        with pytest.raises(Unavailable):
            await applying
    assert (await reader.count(SCHOOLS)).history == 0
    successor = await FundStore.open(dsn, LAYOUTS)
    assert await successor.positions({PLACE: 0}) == {PLACE: 0}
    await successor.apply([batch(0, *sent)])
    assert (await reader.count(SCHOOLS)).history == 200
    await successor.close()


async def test_workers_killed_at_random_moments_write_every_record_once(
    reader: FundReader, session: Session, dsn: str
) -> None:
    dice = random.Random(20)
    sent = [record(str(number % 300), 1 + number // 300) for number in range(3_000)]
    waiting = batches(0, sent, 10)
    for _ in range(15):
        killing = asyncio.create_task(terminate_soon(session, dice.uniform(0, 0.06)))
        with suppress(Unavailable):
            await work_off(dsn, waiting)
        await killing
    await work_off(dsn, waiting)
    size = await reader.count(SCHOOLS)
    assert (size.history, size.current) == (3_000, 300)
    (account,) = await reader.counters()
    assert (account.records, account.history, account.repeats) == (3_000, 3_000, 0)
    assert await reader.recount() == (account,)


async def terminate_soon(session: Session, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    await terminate_workers(session)


async def work_off(dsn: str, waiting: list[FundBatch]) -> None:
    """Live one worker's life: read on from the kept position, to the end or to a fault."""
    store = await FundStore.open(dsn, LAYOUTS)
    try:
        position = (await store.positions({PLACE: 0}))[PLACE]
        for one in waiting:
            if one.start >= position:
                await store.apply([one])
    finally:
        await store.close()


async def test_of_two_workers_on_one_partition_one_writes_and_the_other_is_fenced(
    store: FundStore, reader: FundReader, session: Session, dsn: str
) -> None:
    await store.positions({PLACE: 0})
    rival = await FundStore.open(dsn, LAYOUTS)
    async with holding_counters(dsn):
        first = asyncio.create_task(store.apply([batch(0, record("1", 1))]))
        await wait_until_blocked(session)
        second = asyncio.create_task(rival.apply([batch(0, record("1", 1), record("2", 1))]))
        await wait_until_blocked(session, sessions=2)
    await first
    with pytest.raises(Fenced):
        await second
    assert (await reader.count(SCHOOLS)).history == 1
    await rival.close()


async def test_a_worker_frozen_in_its_transaction_is_evicted_and_writes_nothing(
    store: FundStore, reader: FundReader, dsn: str
) -> None:
    await store.positions({PLACE: 0})
    frozen = await connect(dsn, "frozen")
    await frozen.execute("BEGIN")
    await frozen.execute(MOVE)
    began = time.monotonic()
    await store.apply([batch(0, record("1", 1))])
    assert time.monotonic() - began < 6
    assert (await reader.count(SCHOOLS)).history == 1
    await frozen.close()


async def test_a_worker_frozen_inside_a_copy_is_evicted_where_postgresql_itself_would_wait(
    store: FundStore, reader: FundReader, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    await store.positions({PLACE: 0})
    frozen = await connect(dsn, "frozen")
    await frozen.execute("BEGIN")
    await frozen.execute(MOVE)
    frozen.pgconn.exec_(b"COPY bus.held FROM STDIN")  # no row and no end follows
    await asyncio.sleep(4)  # longer than idle_in_transaction_session_timeout, which can't see it
    began = time.monotonic()
    await store.apply([batch(0, record("1", 1))])
    assert 1 < time.monotonic() - began < 6
    assert "positions.evicted consumer=fund sessions=1" in caplog.text
    assert await store.positions({PLACE: 0}) == {PLACE: 1}
    assert (await reader.count(SCHOOLS)).history == 1
    frozen.pgconn.finish()
    await frozen.close()


async def test_one_entry_in_two_partitions_at_once_is_tried_again_and_converges(
    store: FundStore, reader: FundReader, session: Session, dsn: str
) -> None:
    await store.positions({PLACE: 0, (TOPIC, 1): 0})
    rival = await FundStore.open(dsn, LAYOUTS)
    first = record("1", 1)
    late = [batch(0, record("1", 2, Operation.CORRECT, first), record("1", 3), partition=1)]
    async with holding_counters(dsn):
        applying = asyncio.create_task(store.apply([batch(0, first)]))
        await wait_until_blocked(session)
        following = asyncio.create_task(rival.apply(late))
        await wait_until_blocked(session, sessions=2)
    await applying
    await following
    row = await reader.get(SCHOOLS, SAMARA, "1")
    assert row is not None
    assert row.version == 3
    assert [one.difference for one in await reader.recount()] == [0, 0]
    await rival.close()


async def test_a_current_row_that_another_partition_took_away_is_read_again(
    store: FundStore, reader: FundReader, session: Session, dsn: str
) -> None:
    await store.positions({PLACE: 0, (TOPIC, 1): 0})
    first = record("1", 1)
    await store.apply([batch(0, first)])
    rival = await FundStore.open(dsn, LAYOUTS)
    follower = [batch(0, record("1", 3, Operation.CORRECT, first), partition=1)]
    async with holding_counters(dsn):
        applying = asyncio.create_task(
            store.apply([batch(1, record("1", 2, Operation.ANNUL, first))])
        )
        await wait_until_blocked(session)
        following = asyncio.create_task(rival.apply(follower))
        await wait_until_blocked(session, sessions=2)
    await applying
    await following
    row = await reader.get(SCHOOLS, SAMARA, "1")
    assert row is not None
    assert row.version == 3
    await rival.close()


async def test_a_database_that_does_not_answer_is_unavailable_and_its_password_untold() -> None:
    with pytest.raises(Unavailable) as caught:
        await FundStore.open("host=127.0.0.1 port=1 user=bus password=hidden", LAYOUTS)
    assert isinstance(caught.value, BusError)
    assert "hidden" not in str(caught.value)


async def test_missing_tables_are_told_with_the_next_step(empty_dsn: str) -> None:
    store = await FundStore.open(empty_dsn, LAYOUTS)
    with pytest.raises(InvariantBroken, match="tables of this catalogue applied"):
        await store.positions({PLACE: 0})
    await store.close()
