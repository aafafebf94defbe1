"""A first load and then live: exactly what a reader from the topic's beginning gets."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from bus.catalogue.parties import BUS
from bus.client import (
    BatchSigner,
    DeliveredRecord,
    Publisher,
    RegistryCopy,
    Subscriber,
    verify_copy,
)
from bus.client import snapshot as fund_snapshot
from bus.fund.layout import layouts_of
from bus.fund.reader import FundReader
from bus.gateway import fund_versions
from bus.gateway.process import serving
from bus.kafka.scan import offsets, topic_partitions
from bus.model.identifiers import DatasetCode, RecordId, SystemCode
from bus.model.record import Group, Operation
from bus.supervise.role import Role
from bus.supervise.supervisor import Slot
from bus.wire.headers import format_time, with_group
from bus.wire.record_id import record_id
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET, ROOT, SYSTEM, VALID, Raw, signed, unsigned
from tests.flow import path

Row = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Party:
    """A consumer of one dataset, and the provider it hears from."""

    system: SystemCode
    dataset: DatasetCode
    provider: SystemCode
    row: Callable[[str, int], Row]
    change: Mapping[str, object]
    passes: Callable[[int], bool]
    """Whether the consumer sees row `number`."""


def institution(prefix: str, number: int) -> Row:
    """Every second one lies outside of the city of Samara."""
    oktmo = "36701000" if number % 2 else "36740000"
    return {**VALID, "registry_number": f"{prefix}-{number}", "oktmo": oktmo}


def municipality(prefix: str, number: int) -> Row:
    return {"registry_number": f"{prefix}-{number}", "oktmo": "36701000", "name": "Село"}


HEALTH = Party(
    system=SystemCode("health-analytics"),
    dataset=DATASET,
    provider=SYSTEM,
    row=institution,
    change={"places": 601},
    passes=lambda number: number % 2 == 1,
)
"""Under a mask and a filter."""
PORTAL = Party(
    system=SystemCode("region-portal"),
    dataset=DatasetCode("municipalities"),
    provider=SystemCode("territory-registry"),
    row=municipality,
    change={"name": "Город"},
    passes=lambda _: True,
)
"""Under an agreement on everything."""


@pytest.fixture
async def gateway(installation: Installation) -> AsyncIterator[None]:
    async with serving(installation):
        yield


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fund_versions, "PAGE_RECORDS_MAX", 20)


def now() -> datetime:
    return datetime.now(UTC)


def rows(party: Party, prefix: str, count: int, **changed: object) -> list[Row]:
    return [{**party.row(prefix, number), **changed} for number in range(count)]


async def publish(
    installation: Installation, party: Party, given: Iterable[Row] | AsyncIterator[Row]
) -> None:
    credentials = installation.credentials(party.provider)
    async with Publisher.open(
        installation.cluster_with(credentials),
        home=installation.home,
        system=party.provider,
        dataset=party.dataset,
        signer=BatchSigner(credentials.key_id, credentials.private_key),
        clock=now,
    ) as publisher:
        report = await publisher.publish(given)
    assert report.unsendable_count == 0


async def received(
    installation: Installation, party: Party, memory: Path | None, *, load: bool
) -> AsyncIterator[DeliveredRecord]:
    async with Subscriber.open(
        installation.cluster_as(party.system),
        system=party.system,
        dataset=party.dataset,
        clock=now,
        from_beginning=memory is None,
        follow=False,
        gateway=installation.gateway_as(party.system) if load else None,
        memory=memory,
    ) as subscriber:
        async for record in subscriber:
            yield record


def what(records: Iterable[DeliveredRecord]) -> Counter[tuple[object, ...]]:
    """Count records by all that a consumer sees of them, but for the place."""
    return Counter(
        (
            record.record_id,
            record.agency,
            record.key,
            record.version,
            record.operation,
            record.supersedes,
            record.event_time,
            record.lane,
            *record.fields.items(),
        )
        for record in records
    )


@pytest.mark.usefixtures("gateway", "small_pages")
@pytest.mark.parametrize("party", [HEALTH, PORTAL], ids=["view", "whole"])
async def test_a_load_and_what_comes_after_are_what_the_topic_holds_each_once(
    installation: Installation, tmp_path: Path, party: Party
) -> None:
    memory = tmp_path / "memory"
    found: list[DeliveredRecord] = []
    async with path.supervised(installation):
        await publish(installation, party, rows(party, "loaded", 150))
        await publish(installation, party, rows(party, "loaded", 40, **party.change))
        await path.settled(installation)
        async for record in received(installation, party, memory, load=True):
            found.append(record)
            if len(found) == 50:
                await publish(installation, party, rows(party, "meanwhile", 60))
        await publish(installation, party, rows(party, "afterwards", 60))
        await path.settled(installation)
    found += [record async for record in received(installation, party, memory, load=False)]
    expected = [record async for record in received(installation, party, None, load=False)]
    wanted = {f"afterwards-{number}" for number in range(60) if party.passes(number)}
    assert wanted <= {record.key for record in expected}
    assert what(found) == what(expected)


@pytest.mark.usefixtures("gateway")
async def test_a_load_of_a_view_has_no_gap_and_no_repeat_while_enforcement_is_killed(
    installation: Installation, tmp_path: Path
) -> None:
    loads: list[list[DeliveredRecord]] = []
    enough = asyncio.Event()
    async with path.supervised(installation) as supervisor:
        publication = asyncio.create_task(publish(installation, HEALTH, rows_until(enough)))
        killing = asyncio.create_task(kill_again_and_again(installation, supervisor.processes))
        begun_with = 0
        deadline = asyncio.get_running_loop().time() + 300
        while begun_with < 3 or supervisor.restarts < 3:
            assert asyncio.get_running_loop().time() < deadline, (begun_with, supervisor.restarts)
            # Each begins anew, so that seams fall everywhere.
            memory = tmp_path / f"memory-{len(loads)}"
            records = received(installation, HEALTH, memory, load=True)
            loads.append([record async for record in records])
            begun_with += sum(json.loads(memory.read_text())["loads"][0]["live"]) > 0
        killing.cancel()
        enough.set()
        await publication
        await path.settled(installation)
        assert (await path.verified(installation)).holds
    # All loads are of one group, so only the last can be read on.
    loads[-1] += [one async for one in received(installation, HEALTH, memory, load=False)]
    expected = [record async for record in received(installation, HEALTH, None, load=False)]
    assert what(loads[-1]) == what(expected)
    for found in loads:
        assert what(found) <= what(expected)


async def rows_until(enough: asyncio.Event) -> AsyncIterator[Row]:
    """Some hundred rows a second, each seen by the consumer."""
    number = 0
    while not enough.is_set():
        await asyncio.sleep(0.1)
        for _ in range(25):
            number += 1
            yield {**institution("killed", number), "oktmo": "36701000"}


async def kill_again_and_again(
    installation: Installation, processes: Mapping[Slot, asyncio.subprocess.Process]
) -> None:
    """Kill enforcement in the middle of its work: soon after it has got a little further."""
    chance = random.Random(11)
    cluster = installation.cluster_as(BUS)
    places = await topic_partitions(cluster, [f"accepted.{DATASET}"])
    reached = 0
    while True:
        ends = await offsets(cluster, places)
        accepted = sum(end for _, end in ends.values())
        process = processes.get(Slot(role=Role.ENFORCE, number=0))
        if accepted > reached and process is not None and process.returncode is None:
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            os.kill(process.pid, signal.SIGKILL)
            reached = sum(end for _, end in (await offsets(cluster, places)).values())
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("gateway", "small_pages")
async def test_a_consumer_killed_in_a_load_goes_on_with_the_page_it_had_not_taken(
    installation: Installation,
) -> None:
    async with path.supervised(installation):
        await publish(installation, PORTAL, rows(PORTAL, "resumed", 200))
        await path.settled(installation)
    first = await command(installation, lines=70)
    second = await command(installation, lines=None)
    expected = [record async for record in received(installation, PORTAL, None, load=False)]
    again = set(first) & set(second)
    assert len(again) <= 20
    assert {json.loads(line)["record_id"] for line in {*first, *second}} == {
        record.record_id for record in expected
    }
    assert len(set(second)) == len(second)


async def command(installation: Installation, *, lines: int | None) -> list[str]:
    """Run `bus subscribe --from-snapshot` to its end, or kill it after some lines."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from bus.cli.main import run; run()", "subscribe"),
        *(PORTAL.dataset, "--as", PORTAL.system, "--from-snapshot"),
        env={**os.environ, "BUS_HOME": str(installation.home), "PYTHONUNBUFFERED": "1"},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    read = []
    async for line in process.stdout:
        read.append(line.decode())
        if len(read) == lines:
            process.kill()
            break
    code = await process.wait()
    assert (code == 0) == (lines is None)
    return read


@pytest.mark.usefixtures("gateway")
async def test_a_copy_made_from_a_load_says_what_the_fund_says_held_records_and_groups_included(
    installation: Installation, tmp_path: Path
) -> None:
    memory = tmp_path / "memory"
    copy = RegistryCopy(DATASET)
    async with path.supervised(installation):
        await publish(installation, HEALTH, rows(HEALTH, "copied", 40))
        await publish(installation, HEALTH, rows(HEALTH, "copied", 20, places=700))
        await send(installation, orphan("copied-held"))
        await send(installation, *renumbering("copied-wrong", "copied-right"))
        await path.settled(installation)
        await copy_all(installation, copy, memory, load=True)
        cluster = installation.cluster_as(HEALTH.system)
        gateway = installation.gateway_as(HEALTH.system)
        whole = await verify_copy(copy, cluster, gateway, clock=now)
        assert (whole.missing_count, whole.records > 30) == (0, True)
        nothing = await verify_copy(RegistryCopy(DATASET), cluster, gateway, clock=now)
        assert (nothing.missing_count, nothing.records) == (whole.records, whole.records)
        async with fund_snapshot(cluster, gateway, dataset=DATASET, clock=now) as entries:
            standing = {entry.current.key: entry async for entry in entries if entry.current}
        assert {record.key for record in copy.current()} == set(standing)
        for key, version in {"copied-held": 2, "copied-wrong": 2, "copied-right": 1}.items():
            held = copy.entry(AGENCY, key)
            assert held is not None
            assert (held.current, [record.version for record in held.held]) == (None, [version])
        await assert_as_in_the_fund(installation, copy)
        await send(installation, version_of("copied-wrong", 1, Operation.CREATE))
        await path.settled(installation)
    await copy_all(installation, copy, memory, load=False)
    released = copy.entry(AGENCY, "copied-right")
    assert released is not None
    assert released.current is not None
    await assert_as_in_the_fund(installation, copy)


async def copy_all(
    installation: Installation, copy: RegistryCopy, memory: Path, *, load: bool
) -> None:
    """Take a load, or what came behind it, into a copy as the how-to says."""
    async with Subscriber.open(
        installation.cluster_as(HEALTH.system),
        system=HEALTH.system,
        dataset=HEALTH.dataset,
        clock=now,
        follow=False,
        gateway=installation.gateway_as(HEALTH.system) if load else None,
        memory=memory,
    ) as subscriber:
        async for unit in subscriber.groups():
            copy.apply_together(unit)


def version_of(
    key: str, version: int, operation: Operation, supersedes: RecordId | None = None
) -> Raw:
    return unsigned(
        key=key,
        version=version,
        operation=operation,
        supersedes=supersedes,
        event_time=format_time(1_775_000_000_000),
        oktmo="36701000",
    )


def orphan(key: str) -> Raw:
    """A correction whose predecessor has not come."""
    return version_of(key, 2, Operation.CORRECT, RecordId("ab" * 16))


def renumbering(wrong: str, right: str) -> list[Raw]:
    """A group that annuls what has not come, and creates it under the right number."""
    missing = record_id(AGENCY, DATASET, wrong, 1, Operation.CREATE)
    members = [
        version_of(wrong, 2, Operation.ANNUL, missing),
        version_of(right, 1, Operation.CREATE),
    ]
    return [
        replace(raw, headers=with_group(raw.headers, Group(id="0a" * 8, index=index, size=2)))
        for index, raw in enumerate(members)
    ]


async def send(installation: Installation, *raws: Raw) -> None:
    """Write records as one Kafka batch, as a provider's client does."""
    credentials = installation.credentials(SYSTEM)
    async with AIOKafkaProducer(
        **installation.cluster_with(credentials).aiokafka_options()
    ) as producer:
        batch = producer.create_batch()
        for raw in signed(raws, BatchSigner(credentials.key_id, credentials.private_key)):
            assert batch.append(
                key=raw.key, value=raw.value, timestamp=None, headers=list(raw.headers)
            )
        await (await producer.send_batch(batch, f"in.{AGENCY}.{DATASET}", partition=0))


async def assert_as_in_the_fund(installation: Installation, copy: RegistryCopy) -> None:
    snapshot = await path.snapshot_of(installation)
    layouts = layouts_of(snapshot.region.contracts.values(), snapshot.region.lock)
    reader = await FundReader.open(installation.fund_dsn(), layouts)
    try:
        for agency, key in copy:
            entry, row = copy.entry(agency, key), await reader.get(DATASET, agency, key)
            current = None if entry is None else entry.current
            assert (current is None) == (row is None)
            if current is not None and row is not None:
                assert current.version == row.version
                assert current.fields.items() <= row.values.items()
    finally:
        await reader.close()
