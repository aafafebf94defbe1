"""Every kind of bad input over the running bus: set aside with its reason, and nothing stops."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from bus.catalogue.parties import BUS
from bus.fund.layout import layouts_of
from bus.fund.store import FundStore
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.scan import offsets, read_whole, topic_partitions
from bus.model.record import RawRecord
from bus.model.verdict import Reason, Stage
from bus.quarantine.entry import QuarantineState
from bus.quarantine.store import QuarantineDetail, QuarantineStore
from bus.wire.groups import units
from bus.wire.headers import group_of
from bus.wiring import Installation
from tests.bad_input.bench import Bench
from tests.bad_input.cases import CASES, Case, sound
from tests.factories import ROOT, SYSTEM, Raw
from tests.flow import path

TABLE = ROOT / "docs/explanation/bad-input.md"
BATCH_BYTES_MAX = 768 * 1024
LANDS_WITHIN = timedelta(seconds=1)
ATTEMPTS = 4
"""Of which one must be in time: the machine that runs the tests may be busy with others."""
WAIT_S = 20.0
"""Longer than a record waits for its predecessor."""
MEMORY_GROWTH_BYTES_MAX = 64 * 1024 * 1024
MEMORY_BYTES_MAX = 512 * 1024 * 1024


def named(stage_is_fund: bool) -> list[str]:
    return [
        name for name, case in CASES.items() if (case.reason.stage is Stage.FUND) is stage_is_fund
    ]


async def send(installation: Installation, records: Sequence[Raw]) -> list[str]:
    """Write records with a client of no library of ours, groups as one batch; give their places."""
    cluster = installation.cluster_as(SYSTEM)
    places = []
    async with AIOKafkaProducer(
        **cluster.aiokafka_options(), acks="all", max_batch_size=BATCH_BYTES_MAX
    ) as producer:
        for unit in units(records, [group_of(record.headers) for record in records]):
            batch = producer.create_batch()
            for record in unit:
                added = batch.append(
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                    timestamp=None,
                )
                assert added is not None, "the unit fits one batch"
            batch.close()
            sent = await (await producer.send_batch(batch, unit[0].topic, partition=0))
            places += [f"{sent.topic}/0/{sent.offset + index}" for index in range(len(unit))]
    return places


async def entry_of(installation: Installation, quarantine_id: str) -> QuarantineDetail:
    store = await QuarantineStore.open(installation.fund_dsn())
    try:
        async with asyncio.timeout(WAIT_S):
            while (found := await store.show(quarantine_id)) is None:
                await asyncio.sleep(0.05)
            return found
    finally:
        await store.close()


@pytest.mark.parametrize("name", named(stage_is_fund=False))
async def test_it_is_set_aside_within_a_second_while_good_records_pass(
    bench: Bench, name: str
) -> None:
    case: Case = CASES[name]
    for attempt in range(1, ATTEMPTS + 1):
        records = [sound(bench.world), *case.make(bench.world), sound(bench.world)]
        before, *_, bad, after = await send(bench.installation, records)
        bench.sound.extend((before, after))
        entry = await entry_of(bench.installation, bad)
        assert (entry.reason, entry.path) == (case.reason, case.where)
        assert entry.state is QuarantineState.OPEN
        # By the broker's clock and the database's, which are one machine's here.
        if entry.recorded_at - entry.appended_at <= LANDS_WITHIN:
            break
        assert attempt < ATTEMPTS, "it took more than a second each time"


async def set_aside(installation: Installation, ids: Sequence[str]) -> list[str]:
    store = await QuarantineStore.open(installation.fund_dsn())
    try:
        return [one for one in ids if await store.show(one) is not None]
    finally:
        await store.close()


async def test_what_only_the_fund_can_know_it_refuses(bench: Bench) -> None:
    """A version conflict at once; what supersedes nothing when it has waited for a week."""
    installation, world = bench.installation, bench.world
    places = {
        name: (await send(installation, CASES[name].make(world)))[-1]
        for name in named(stage_is_fund=True)
    }
    await path.settled(installation)
    for name in ("version-conflict", "entry-that-was-erased"):
        found = await entry_of(installation, places[name])
        assert (found.reason, found.path) == (CASES[name].reason, CASES[name].where)
    waiting = places["annulment-of-what-never-came"]
    assert await set_aside(installation, [waiting]) == []
    await refuse_held(installation, timedelta(days=-1))
    refused = await entry_of(installation, waiting)
    case = CASES["annulment-of-what-never-came"]
    assert (refused.reason, refused.path) == (case.reason, case.where)


async def refuse_held(installation: Installation, older_than: timedelta) -> None:
    async with CatalogueReader(installation.cluster_as(BUS)) as reader:
        await reader.read_to_end()
        snapshot = reader.snapshot()
    assert snapshot is not None
    layouts = layouts_of(snapshot.region.contracts.values(), snapshot.region.lock)
    store = await FundStore.open(installation.fund_dsn(), layouts)
    try:
        await store.refuse_held(older_than)
    finally:
        await store.close()


async def test_a_record_of_an_aborted_transaction_is_never_seen(bench: Bench) -> None:
    installation = bench.installation
    aborted, kept = sound(bench.world), sound(bench.world)
    cluster = installation.cluster_as(SYSTEM)
    async with AIOKafkaProducer(
        **cluster.aiokafka_options(), transactional_id=f"{SYSTEM}.aborting"
    ) as producer:
        await producer.begin_transaction()
        sent = await producer.send_and_wait(
            aborted.topic,
            key=aborted.key,
            value=aborted.value,
            headers=list(aborted.headers),
            partition=0,
        )
        await producer.abort_transaction()
    # Why: the broker writes the marker a little later, and nothing may stand before it.
    await ends_at(installation, TopicPartition(sent.topic, sent.partition), sent.offset + 2)
    await send(installation, [kept])
    await path.settled(installation)
    place = f"{sent.topic}/{sent.partition}/{sent.offset}"
    seen = [
        record.key
        async for record in outputs(installation)
        if dict(record.headers)["bus_in"].decode() == place
    ]
    assert seen == []
    assert (await path.verified(installation)).holds


async def ends_at(installation: Installation, place: TopicPartition, offset: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while (await offsets(installation.cluster_as(BUS), [place]))[place][1] < offset:
            await asyncio.sleep(0.05)


async def outputs(installation: Installation) -> AsyncIterator[RawRecord]:
    cluster = installation.cluster_as(BUS)
    places = await topic_partitions(cluster, ["accepted.", "quarantine.", "view."])
    ends = {place: end for place, (_, end) in (await offsets(cluster, places)).items()}
    async for record in read_whole(cluster, ends):
        yield record


async def test_the_whole_table_stops_no_worker_and_fills_no_memory(bench: Bench) -> None:
    """Hundreds of bad records, bombs among them, and the workers are those that began."""
    await send_all(bench)  # what a worker needs once: buffers, code, connections
    before = {worker.pid: worker.memory_info().rss for worker in bench.workers}
    for _ in range(3):
        await send_all(bench)
    assert await set_aside(bench.installation, bench.sound) == []
    for worker in bench.workers:
        assert worker.is_running(), f"{worker.pid} ended"
        size_bytes = worker.memory_info().rss
        assert size_bytes - before[worker.pid] < MEMORY_GROWTH_BYTES_MAX
        assert size_bytes < MEMORY_BYTES_MAX
    found = await path.verified(bench.installation)
    assert found.holds, found


async def send_all(bench: Bench) -> None:
    """Send one of each, and wait until all of them are judged."""
    records = [
        record for name in named(stage_is_fund=False) for record in CASES[name].make(bench.world)
    ]
    await send(bench.installation, records)
    await path.settled(bench.installation)


def test_people_read_the_same_table() -> None:
    told = dict(re.findall(r"^\| `([\w-]+)` \|.*\| `([\w]+)` \|$", TABLE.read_text(), re.MULTILINE))
    assert told == {name: case.reason.value for name, case in CASES.items()}


def test_every_reason_has_its_input() -> None:
    assert {case.reason for case in CASES.values()} == set(Reason)
