"""Standing views in the fund: told in its transaction, sent behind it, whatever dies in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import date
from random import Random

import pytest

from bus.catalogue.snapshot import Snapshot
from bus.errors import Fenced, Unavailable
from bus.fund.catch_up import catch_up_page, forget_views
from bus.fund.outbox import Send, StandingOutbox, Waiting
from bus.fund.store import FundStore
from bus.model.record import Operation, Presence, RegistryRecord
from bus.postgres.session import Session
from tests.fund.samples import APPENDED_MS, LAYOUTS, PLACE, SAMARA, SCHOOLS, batch, record
from tests.fund.standing_view import SNAPSHOT, VIEW, Consumer, snapshot

CREATE, CORRECT, ANNUL, CEASE = Operation
STANDS, LEFT = Presence
ENDED = snapshot(valid_to=date(2026, 12, 31))
"""A catalogue whose view closed before the samples' records were appended."""


@pytest.fixture
async def serving(store: FundStore) -> FundStore:
    """Give a worker's store that serves the view, at the beginning of its partition."""
    store.serve(SNAPSHOT)
    await store.positions({PLACE: 0})
    return store


@pytest.fixture
async def outbox(dsn: str) -> AsyncIterator[StandingOutbox]:
    opened = await StandingOutbox.open(dsn)
    yield opened
    await opened.close()


@pytest.fixture
def consumer() -> Consumer:
    return Consumer()


def school(
    key: str,
    version: int,
    places: int | None,
    operation: Operation = CREATE,
    supersedes: RegistryRecord | None = None,
) -> RegistryRecord:
    return record(key, version, operation, supersedes, fields={"places": places})


async def test_rows_enter_change_leave_and_come_back(
    serving: FundStore, outbox: StandingOutbox, consumer: Consumer
) -> None:
    first = school("1", 1, 300)
    await serving.apply([batch(0, first, school("2", 1, 50), school("3", 1, None))])
    assert await consumer.take(outbox) == [("1", STANDS, 1)]
    assert consumer.stands == {"1": "School 1 v1"}
    second = school("1", 2, 400, CORRECT, first)
    await serving.apply([batch(3, second)])
    assert await consumer.take(outbox) == [("1", STANDS, 2)]
    third = school("1", 3, 99, CORRECT, second)
    await serving.apply([batch(4, third)])
    assert await consumer.take(outbox) == [("1", LEFT, 3)]
    assert consumer.stands == {}
    assert consumer.received[-1].event_time == consumer.received[-2].event_time
    assert consumer.received[-1].bus_in == second.bus_in
    await serving.apply([batch(5, school("1", 4, 98, CORRECT, third))])
    assert await consumer.take(outbox) == []
    await serving.apply([batch(6, school("1", 5, 100, CORRECT, third))])
    assert await consumer.take(outbox) == [("1", STANDS, 4)]
    assert consumer.stands == {"1": "School 1 v5"}


async def test_an_annulment_brings_an_older_version_back_under_a_higher_number(
    serving: FundStore, outbox: StandingOutbox, consumer: Consumer
) -> None:
    first = school("1", 1, 300)
    second = school("1", 2, 50, CORRECT, first)
    await serving.apply([batch(0, first)])
    await serving.apply([batch(1, second)])
    await serving.apply([batch(2, school("1", 3, 50, ANNUL, second))])
    assert await consumer.take(outbox) == [("1", STANDS, 1), ("1", LEFT, 2), ("1", STANDS, 3)]
    assert consumer.stands == {"1": "School 1 v1"}
    assert consumer.received[-1].bus_in == first.bus_in
    await serving.apply([batch(3, school("1", 4, 300, ANNUL, first))])
    assert await consumer.take(outbox) == [("1", LEFT, 4)]
    assert consumer.stands == {}


async def test_a_ceased_entry_leaves_and_returns_when_the_cease_is_annulled(
    serving: FundStore, outbox: StandingOutbox, consumer: Consumer
) -> None:
    first = school("1", 1, 300)
    cease = school("1", 2, 300, CEASE, first)
    await serving.apply([batch(0, first)])
    await serving.apply([batch(1, cease)])
    await serving.apply([batch(2, school("1", 3, 300, ANNUL, cease))])
    assert await consumer.take(outbox) == [("1", STANDS, 1), ("1", LEFT, 2), ("1", STANDS, 3)]


async def test_several_versions_of_one_transaction_are_told_as_the_last_of_them(
    serving: FundStore, outbox: StandingOutbox, consumer: Consumer
) -> None:
    first = school("1", 1, 300)
    second = school("1", 2, 200, CORRECT, first)
    await serving.apply([batch(0, second)])  # waits for the first
    assert await consumer.take(outbox) == []
    other = school("2", 1, 300)
    await serving.apply([batch(1, first, other, school("2", 2, 1, CORRECT, other))])
    assert await consumer.take(outbox) == [("1", STANDS, 1)]
    assert consumer.stands == {"1": "School 1 v2"}


async def test_what_is_rolled_back_is_not_told(
    serving: FundStore, outbox: StandingOutbox, consumer: Consumer, session: Session
) -> None:
    await serving.apply([batch(0, school("1", 1, 300))])
    with pytest.raises(Fenced):
        await serving.apply([batch(0, school("2", 1, 300))])
    assert await consumer.take(outbox) == [("1", STANDS, 1)]
    rows = await (await session.execute("SELECT key FROM bus.standing_rows")).fetchall()
    assert rows == [("1",)]


async def test_a_repeat_tells_nothing(
    serving: FundStore, outbox: StandingOutbox, consumer: Consumer
) -> None:
    await serving.apply([batch(0, school("1", 1, 300))])
    await serving.apply([batch(1, school("1", 1, 300))])
    assert await consumer.take(outbox) == [("1", STANDS, 1)]


async def test_what_was_committed_is_sent_though_the_worker_dies_before_it(
    serving: FundStore, dsn: str, consumer: Consumer
) -> None:
    await serving.apply([batch(0, school("1", 1, 300))])
    await serving.close()  # a worker that is killed behind its commit leaves as much
    successor = await StandingOutbox.open(dsn)
    assert await consumer.take(successor) == [("1", STANDS, 1)]
    assert await consumer.take(successor) == []
    await successor.close()


@pytest.mark.parametrize("is_lost", ["before Kafka has it", "behind Kafka's answer"])
async def test_a_worker_that_dies_while_it_sends_leaves_all_to_be_sent_again_in_order(
    serving: FundStore, dsn: str, consumer: Consumer, session: Session, is_lost: str
) -> None:
    first = school("1", 1, 300)
    await serving.apply([batch(0, first, school("2", 1, 300))])
    await serving.apply([batch(2, school("1", 2, 1, CORRECT, first))])

    async def dies(page: Sequence[Waiting]) -> None:
        if is_lost == "behind Kafka's answer":
            await consumer.send(page)
        await session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'bus standing views' AND datname = current_database()"
        )

    dying = await StandingOutbox.open(dsn)
    with pytest.raises(Unavailable):
        await dying.send_page(dies)
    before = [one.record_id for one in consumer.received]
    successor = await StandingOutbox.open(dsn)
    assert await consumer.take(successor) == [
        ("1", STANDS, 1),
        ("2", STANDS, 1),
        ("1", LEFT, 2),
    ]
    again = [one.record_id for one in consumer.received][len(before) :]
    assert before in ([], again)  # the same ids, so that repeats are known
    assert consumer.stands == {"2": "School 2 v1"}
    await successor.close()


async def test_a_fault_of_sending_skips_nothing(
    serving: FundStore, outbox: StandingOutbox, consumer: Consumer
) -> None:
    await serving.apply([batch(0, school("1", 1, 300))])

    async def fails(_: Sequence[Waiting]) -> None:
        raise ConnectionError

    for _ in range(2):
        with pytest.raises(ConnectionError):
            await outbox.send_page(fails)
    assert await consumer.take(outbox) == [("1", STANDS, 1)]


async def test_workers_that_send_at_once_send_each_record_once_and_in_order(
    serving: FundStore, dsn: str, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.fund.outbox.PAGE_RECORDS_MAX", 7)
    start, known = 0, dict[str, RegistryRecord]()
    for version in range(1, 11):
        records = []
        for key in "abcde":
            before = known.get(key)
            one = school(key, version, 300, CORRECT if before else CREATE, before)
            known[key] = one
            records.append(one)
        await serving.apply([batch(start, *records)])
        start += len(records)
    senders = [await StandingOutbox.open(dsn) for _ in range(3)]
    await asyncio.gather(*(consumer.take(one) for one in senders))
    for sender in senders:
        await sender.close()
    assert len(consumer.received) == 50
    for key in "abcde":
        assert [one.number for one in consumer.received if one.key == key] == list(range(1, 11))


async def test_nothing_is_told_of_what_came_after_the_views_close(
    serving: FundStore, outbox: StandingOutbox, consumer: Consumer
) -> None:
    first = school("1", 1, 300)
    await serving.apply([batch(0, first)])
    serving.serve(ENDED)
    await serving.apply([batch(1, school("1", 2, 1, CORRECT, first), school("2", 1, 300))])
    assert await consumer.take(outbox) == [("1", STANDS, 1)]


async def test_a_dataset_without_such_views_costs_no_statement(
    serving: FundStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("the fund looked for standing views")

    monkeypatch.setattr("bus.fund.store.tell_changes", asked)
    serving.serve(snapshot(with_view=False))
    await serving.apply([batch(0, school("1", 1, 300))])
    serving.serve(SNAPSHOT)
    with pytest.raises(AssertionError):
        await serving.apply([batch(1, school("2", 1, 300))])


# rows that stand already


async def caught_up(session: Session, known: Snapshot = SNAPSHOT, now_ms: int = APPENDED_MS) -> int:
    """Tell all that stands; give the number of pages."""
    (view,) = known.standing[SCHOOLS]
    pages = 1
    while await catch_up_page(session, view, known, now_ms=now_ms, entries_max=2):
        pages += 1
    return pages


async def test_rows_that_stood_before_the_view_are_told_page_by_page_and_once(
    store: FundStore, outbox: StandingOutbox, consumer: Consumer, session: Session
) -> None:
    await store.positions({PLACE: 0})
    old = [school(str(number), 1, 300 if number % 2 else 1) for number in range(1, 7)]
    await store.apply([batch(0, *old)])
    store.serve(SNAPSHOT)
    assert await catch_up_page(session, VIEW, SNAPSHOT, now_ms=APPENDED_MS, entries_max=2)
    # Behind the page one leaves; before it one comes in and another changes.
    await store.apply([
        batch(
            6,
            school("1", 2, 1, CORRECT, old[0]),
            school("6", 2, 300, CORRECT, old[5]),
            school("3", 2, 500, CORRECT, old[2]),
        )
    ])  # fmt: skip
    assert await caught_up(session) == 3
    assert await consumer.take(outbox) == [
        ("1", STANDS, 1),
        ("1", LEFT, 2),
        ("6", STANDS, 1),
        ("3", STANDS, 1),
        ("5", STANDS, 1),
    ]
    assert consumer.stands == {"3": "School 3 v2", "5": "School 5 v1", "6": "School 6 v2"}
    assert await caught_up(session) == 1
    assert await consumer.take(outbox) == []


async def test_rows_that_change_while_they_are_told_are_told_as_they_stand_in_the_end(
    store: FundStore, outbox: StandingOutbox, consumer: Consumer, session: Session
) -> None:
    await store.positions({PLACE: 0})
    old = [school(f"{number:02}", 1, 300) for number in range(40)]
    await store.apply([batch(0, *old)])
    store.serve(SNAPSHOT)

    async def change() -> None:
        for number, first in enumerate(old):
            places = 1 if number % 2 else 400
            await store.apply([batch(40 + number, school(first.key, 2, places, CORRECT, first))])

    await asyncio.gather(change(), caught_up(session))
    await consumer.take(outbox)
    assert consumer.stands == {one.key: f"School {one.key} v2" for one in old[::2]}
    for one in old:
        numbers = [row.number for row in consumer.received if row.key == one.key]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_view_that_opens_again_tells_what_changed_meanwhile(
    serving: FundStore, outbox: StandingOutbox, consumer: Consumer, session: Session
) -> None:
    gone, changed = school("1", 1, 300), school("2", 1, 300)
    await serving.apply([batch(0, gone, changed, school("3", 1, 300))])
    await caught_up(session)
    serving.serve(ENDED)
    await serving.apply([
        batch(
            3,
            school("1", 2, 300, ANNUL, gone),
            school("2", 2, 400, CORRECT, changed),
            school("4", 1, 300),
        )
    ])  # fmt: skip
    assert len(await consumer.take(outbox)) == 3
    await caught_up(session, ENDED)  # closed: nothing
    assert await consumer.take(outbox) == []
    again = snapshot(8, valid_to=date(2028, 1, 31))
    assert await caught_up(session, again) == 3
    assert await consumer.take(outbox) == [("1", LEFT, 2), ("2", STANDS, 2), ("4", STANDS, 1)]


async def test_a_view_that_the_catalogue_lacked_for_a_time_begins_anew(
    serving: FundStore, outbox: StandingOutbox, consumer: Consumer, session: Session
) -> None:
    await caught_up(session)
    await forget_views(session, [VIEW.view.code])
    serving.serve(snapshot(with_view=False))
    await serving.apply([batch(0, school("1", 1, 300))])
    assert await caught_up(session) == 1
    assert await consumer.take(outbox) == []
    await forget_views(session, [])
    await caught_up(session)
    assert await consumer.take(outbox) == [("1", STANDS, 1)]


@pytest.mark.parametrize("seed", range(4))
async def test_a_copy_says_what_the_fund_has_inside_the_view(
    dsn: str, outbox: StandingOutbox, consumer: Consumer, session: Session, seed: int
) -> None:
    """Chance writes a history; workers are replaced, and some pages are sent twice."""
    chance, start = Random(seed), 0
    store = await FundStore.open(dsn, LAYOUTS)
    await store.positions({PLACE: 0})
    known: dict[str, list[RegistryRecord]] = {}
    for turn in range(25):
        if turn == 5:
            store.serve(SNAPSHOT)
        if turn == 8:
            await caught_up(session)
        records = [_drawn(chance, known) for _ in range(chance.randint(1, 6))]
        await store.apply([batch(start, *records)])
        start += len(records)
        if chance.random() < 0.2:
            await store.close()
            store = await FundStore.open(dsn, LAYOUTS)
            if turn >= 5:
                store.serve(SNAPSHOT)
        if chance.random() < 0.5:
            await consumer.take(outbox)
        elif chance.random() < 0.5:
            with contextlib.suppress(ConnectionError):  # raised where anything waits
                await outbox.send_page(_answer_lost(consumer))
    await consumer.take(outbox)
    rows = await session.execute(
        'SELECT key, title FROM current."schools" WHERE places >= 100 AND ceased_by IS NULL '
        "AND agency = %s",
        [SAMARA],
    )
    assert consumer.stands == {str(key): title for key, title in await rows.fetchall()}
    assert consumer.stands
    assert LEFT in {one.presence for one in consumer.received}
    await store.close()


def _drawn(chance: Random, known: dict[str, list[RegistryRecord]]) -> RegistryRecord:
    versions = known.setdefault(chance.choice("abcdefgh"), [])
    key = next(key for key, one in known.items() if one is versions)
    if versions and chance.random() < 0.1:
        return chance.choice(versions)
    operation = chance.choice([CORRECT, CORRECT, CORRECT, ANNUL, CEASE, CREATE])
    before = chance.choice(versions[-2:]) if versions else None
    operation = CREATE if before is None else operation
    versions.append(
        school(
            key,
            len(versions) + 1,
            chance.choice([None, 50, 100, 300]),
            operation,
            None if operation is CREATE else before,
        )
    )
    return versions[-1]


def _answer_lost(consumer: Consumer) -> Send:
    async def send(page: Sequence[Waiting]) -> None:
        await consumer.send(page)
        raise ConnectionError

    return send
