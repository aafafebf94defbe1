"""Operations, held records and correction groups on real engines, with workers being killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from bus.catalogue.parties import BUS
from bus.client import Annul, BatchSigner, Cease, Publisher, RowGiven, Subscriber
from bus.errors import Unavailable
from bus.fund.asof import AsOf
from bus.fund.layout import layouts_of
from bus.fund.past import PastReader
from bus.fund.past_answer import Answer, answer
from bus.fund.reader import FundReader
from bus.kafka.producer import BatchProducer
from bus.kafka.scan import offsets, read_whole, topic_partitions
from bus.model.identifiers import SystemCode
from bus.model.record import Operation, RawRecord
from bus.supervise.role import Role
from bus.supervise.supervisor import Slot, Supervisor
from bus.wire import topics
from bus.wire.delivery import Delivery, sign
from bus.wire.headers import group_of
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET, SYSTEM, VALID, unsigned
from tests.flow import path
from tests.flow.command_line import bus

HEALTH = SystemCode("health-analytics")
ACCEPTED = topics.accepted(DATASET)
CREATE, CORRECT, ANNUL, CEASE = Operation
GROUPED = "grp-"
"""Begins the keys of what goes in groups here."""


def row(key: str, **changed: object) -> dict[str, object]:
    return {**VALID, "oktmo": "36701305", "registry_number": key, **changed}


@asynccontextmanager
async def publishing(installation: Installation) -> AsyncIterator[Publisher]:
    credentials = installation.credentials(SYSTEM)
    async with Publisher.open(
        installation.cluster_with(credentials),
        home=installation.home,
        system=SYSTEM,
        dataset=DATASET,
        signer=BatchSigner(credentials.key_id, credentials.private_key),
        clock=lambda: datetime.now(UTC),
    ) as publisher:
        yield publisher


@asynccontextmanager
async def reading(installation: Installation) -> AsyncIterator[tuple[FundReader, PastReader]]:
    snapshot = await path.snapshot_of(installation)
    layouts = layouts_of(snapshot.region.contracts.values(), snapshot.region.lock)
    reader = await FundReader.open(installation.fund_dsn(), layouts)
    past = await PastReader.open(installation.fund_dsn(), layouts)
    try:
        yield reader, past
    finally:
        await reader.close()
        await past.close()


async def send_raw(installation: Installation, deliveries: Sequence[Delivery]) -> None:
    """Send records as the system, one by one, without the publisher's numbering."""
    credentials = installation.credentials(SYSTEM)
    signer = BatchSigner(credentials.key_id, credentials.private_key)
    async with BatchProducer(
        installation.cluster_with(credentials), client_id=f"{SYSTEM}.raw"
    ) as producer:
        for delivery in deliveries:
            sign([delivery], signer)
            await producer.deliver([delivery])


def delivery(key: str, version: int, operation: Operation, after: Delivery | None) -> Delivery:
    supersedes = None if after is None else dict(after.headers)["ce_id"].decode()
    raw = unsigned(key=key, version=version, operation=operation, supersedes=supersedes)  # type: ignore[arg-type]
    return Delivery(
        topic=raw.topic, partition=3, key=raw.key, value=raw.value, headers=list(raw.headers)
    )


async def test_an_entry_is_created_corrected_annulled_and_ceased_with_back_pointers(
    installation: Installation,
) -> None:
    key = "op-1"
    said: list[RowGiven] = [
        row(key),
        row(key, places=700),
        Annul(row(key, places=700)),
        Cease(row(key, places=10)),
    ]
    async with path.supervised(installation), publishing(installation) as publisher:
        for one in said:
            report = await publisher.publish([one])
            again = await publisher.publish([one])
            assert (report.sent, again.sent, again.repeats) == (1, 0, 1)
        none = await publisher.publish([Annul(row("op-never"))])
        assert (none.sent, none.unsendable_count) == (0, 1)
        await path.settled(installation)
    async with reading(installation) as (reader, _):
        kept = await reader.history(DATASET, AGENCY, key)
        current = await reader.get(DATASET, AGENCY, key)
    assert [one.operation for one in kept] == [CREATE, CORRECT, ANNUL, CEASE]
    ids = [one.record_id for one in kept]
    assert [one.supersedes for one in kept] == [None, ids[0], ids[1], ids[0]]
    assert current is not None
    assert (current.version, current.ceased_at) == (4, kept[3].event_time)
    assert (await path.verified(installation)).holds


async def test_a_correction_that_comes_before_its_predecessor_waits_and_joins_by_itself(
    installation: Installation,
) -> None:
    create = delivery("late-1", 1, CREATE, None)
    correct = delivery("late-1", 2, CORRECT, create)
    async with path.supervised(installation), reading(installation) as (reader, past):
        await send_raw(installation, [correct])
        await path.settled(installation)
        (held,) = [one for one in await past.held(DATASET, 100) if one.key == "late-1"]
        assert held.supersedes == dict(create.headers)["ce_id"].decode()
        assert await reader.get(DATASET, AGENCY, "late-1") is None
        await send_raw(installation, [create])
        await path.settled(installation)
        current = await reader.get(DATASET, AGENCY, "late-1")
        assert current is not None
        assert current.version == 2
        assert not [one for one in await past.held(DATASET, 100) if one.key == "late-1"]


async def test_no_reader_ever_sees_half_a_group_though_workers_are_killed(
    installation: Installation,
) -> None:
    count = 120
    wrong = [f"{GROUPED}wrong-{number}" for number in range(count)]
    right = [f"{GROUPED}right-{number}" for number in range(count)]
    async with path.supervised(installation) as supervisor, publishing(installation) as publisher:
        await publisher.publish(row(key) for key in wrong)
        await path.settled(installation)
        done = asyncio.Event()
        counting = asyncio.create_task(_standing_entries(installation, done))
        ending = asyncio.create_task(_ends(installation, done))
        killing = asyncio.create_task(_kill(supervisor, done))
        for old, new in zip(wrong, right, strict=True):
            report = await publisher.publish_group([Annul(row(old)), row(new)])
            assert (report.annulled, report.created) == (1, 1)
        again = await publisher.publish_group([Annul(row(wrong[0])), row(right[0])])
        assert again.repeats == 2
        await path.settled(installation)
        done.set()
        standing, ends, kills = await counting, await ending, await killing
    assert kills >= 4
    assert len(standing) > 10
    assert set(standing) == {count}, "a transaction of the fund showed half a group"
    groups = await _groups(installation)
    assert len({name for _, _, name in groups}) == count
    for place, (first, last), _ in groups:
        assert not [end for end in ends if first < end.get(place, 0) <= last]
    assert (await path.verified(installation)).holds
    assert await _units_of_a_consumer(installation) == {2: count}
    async with reading(installation) as (reader, past):
        assert await reader.get(DATASET, AGENCY, wrong[7]) is None
        found = await _asked(installation, past)
    assert found.is_complete
    assert {one.key for one in found.rows} == {right[7]}


async def test_a_moment_that_the_fund_is_not_complete_up_to_is_refused_or_marked(
    installation: Installation,
) -> None:
    inbound = topics.inbound(AGENCY, DATASET)
    async with path.supervised(installation), publishing(installation) as publisher:
        await publisher.publish([row("asof-1")])
        await path.settled(installation)
    with path.worker(installation, Role.ENFORCE):  # and no fund
        before = await path.committed(installation, inbound)
        async with publishing(installation) as publisher:
            await publisher.publish([row("asof-2")])
        async with asyncio.timeout(60):
            while await path.committed(installation, inbound) == before:
                await asyncio.sleep(0.1)
    async with reading(installation) as (_, past):
        asked = await past.now()
        question = AsOf(recorded=asked, agency=AGENCY, key="asof-1")
        cluster = installation.cluster_as_admin()
        with pytest.raises(Unavailable, match="--incomplete"):
            await answer(past, cluster, DATASET, question, counting=False, incomplete=False)
        marked = await answer(past, cluster, DATASET, question, counting=False, incomplete=True)
        assert (marked.is_complete, len(marked.rows)) == (False, 1)
        assert marked.complete_before < asked
        earlier = AsOf(recorded=marked.complete_before, agency=AGENCY, key="asof-1")
        found = await answer(past, cluster, DATASET, earlier, counting=False, incomplete=False)
        assert (found.is_complete, len(found.rows)) == (True, 1)
    async with path.supervised(installation):
        await path.settled(installation)
    told = ["fund", "as-of", DATASET, "--key"]
    code, out, talk = await asyncio.to_thread(bus, installation, *told, "asof-2", "--json")
    assert (code, [one["key"] for one in json.loads(out)["rows"]]) == (0, ["asof-2"]), talk
    later = [*told, "asof-2", "--valid", "2999-01-01T00:00:00Z"]
    assert (await asyncio.to_thread(bus, installation, *later))[0] == 1
    zoneless = [*told, "asof-2", "--recorded", "2026-03-01"]
    assert (await asyncio.to_thread(bus, installation, *zoneless))[0] == 2


async def _units_of_a_consumer(installation: Installation) -> Counter[int]:
    """Read a view as its consumer does, and count groups by the number of their members."""
    credentials = installation.credentials(HEALTH)
    sizes: Counter[int] = Counter()
    async with Subscriber.open(
        installation.cluster_with(credentials),
        system=HEALTH,
        dataset=DATASET,
        clock=lambda: datetime.now(UTC),
        from_beginning=True,
        follow=False,
    ) as subscriber:
        async for unit in subscriber.groups():
            if unit[0].group is not None and unit[0].key.startswith(GROUPED):
                assert len(unit) == unit[0].group.size
                sizes[len(unit)] += 1
    return sizes


async def _standing_entries(installation: Installation, done: asyncio.Event) -> list[int]:
    """Count the test's entries again and again, each time as of one moment."""
    seen = []
    session = await psycopg.AsyncConnection.connect(installation.fund_dsn(), autocommit=True)
    async with session:
        while not done.is_set():
            async with session.transaction():
                await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                found = await session.execute(
                    f"SELECT count(*) FROM current.\"{DATASET}\" WHERE key LIKE 'grp-%'"
                )
                ((number,),) = await found.fetchall()
            seen.append(int(number))
            await asyncio.sleep(0.005)
    return seen


async def _ends(installation: Installation, done: asyncio.Event) -> list[dict[TopicPartition, int]]:
    """Ask again and again where the log ends for a reader of committed records."""
    cluster = installation.cluster_as(BUS)
    places = await topic_partitions(cluster, [ACCEPTED])
    seen = []
    consumer = AIOKafkaConsumer(
        isolation_level="read_committed", enable_auto_commit=False, **cluster.aiokafka_options()
    )
    await consumer.start()
    try:
        while not done.is_set():
            seen.append(await consumer.end_offsets(places))
            await asyncio.sleep(0.01)
    finally:
        await consumer.stop()
    return seen


async def _kill(supervisor: Supervisor, done: asyncio.Event) -> int:
    chance, kills = random.Random(3), 0
    while not done.is_set():
        await asyncio.sleep(chance.uniform(0.4, 1.5))
        role = chance.choice([Role.ENFORCE, Role.FUND])
        process = supervisor.processes.get(Slot(role=role, number=0))
        if process is not None and process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
            if kills > 12:
                break
    return kills


async def _groups(
    installation: Installation,
) -> list[tuple[TopicPartition, tuple[int, int], str]]:
    """Find every group in the accepted topic, whole and side by side, repeats too."""
    cluster = installation.cluster_as(BUS)
    places = await topic_partitions(cluster, [ACCEPTED])
    ends = {place: end for place, (_, end) in (await offsets(cluster, places)).items()}
    by_place: dict[TopicPartition, list[RawRecord]] = {place: [] for place in places}
    async for record in read_whole(cluster, ends):
        by_place[TopicPartition(record.topic, record.partition)].append(record)
    found = []
    for place, records in by_place.items():
        waiting = iter(records)
        for record in waiting:
            group = group_of(record.headers)
            if group is None:
                continue
            assert group.index == 0
            members = [record, *(next(waiting) for _ in range(group.size - 1))]
            claims = [group_of(one.headers) for one in members]
            assert [(one.id, one.index) for one in claims if one is not None] == [
                (group.id, index) for index in range(group.size)
            ]
            assert [one.offset for one in members] == list(
                range(record.offset, record.offset + group.size)
            )
            if (record.key or b"").startswith(GROUPED.encode()):  # another test may have sent some
                found.append((place, (members[0].offset, members[-1].offset), group.id))
    return found


async def _asked(installation: Installation, past: PastReader) -> Answer:
    return await answer(
        past,
        installation.cluster_as_admin(),
        DATASET,
        AsOf(recorded=await past.now(), agency=AGENCY, key="grp-right-7"),
        counting=False,
        incomplete=False,
    )
