"""Rights follow agreements by themselves, and hold against a reader that does its worst."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from bus.access import reconcile
from bus.access.credentials import load_credentials
from bus.access.enrol import enrol_all
from bus.access.reconcile import read_access
from bus.audit.note import Note
from bus.catalogue.agreement import Ending, Suspension
from bus.catalogue.decision import Side
from bus.catalogue.granted import next_turn
from bus.catalogue.parties import BUS
from bus.catalogue.region import Region
from bus.catalogue.snapshot import Snapshot
from bus.errors import Unavailable
from bus.kafka.administration import Administration, connect_admin
from bus.kafka.cluster import Cluster
from bus.keeper import keeping
from bus.keeper.keeping import LATE_S, RightsKeeper
from bus.model.identifiers import SystemCode
from bus.observe import series
from bus.observe.board import Board
from bus.observe.health import Ailment
from bus.provision.topic_apply import apply_topics, read_topics
from bus.provision.topic_plan import topics_of
from tests.access.doors import read, write
from tests.access.regions import agreement, region

TOPIC = "accepted.schools"
OUT_OF_FORCE_S = 5.0
"""Nothing that was appended later than this after an end may reach its reader."""
MORNING = datetime(2026, 6, 1, 9, tzinfo=UTC)


def _exchange(*, ending: datetime | None = None, rests: tuple[Suspension, ...] = ()) -> Region:
    granted = replace(
        agreement("clinic", ["health"], "schools", valid_to=date(2099, 12, 31)),
        ending=None if ending is None else Ending(side=Side.PROVIDER, by="head", at=ending),
        suspensions=rests,
    )
    return region({"town": {"edu": ["schools"]}, "clinic": {"health": []}}, [granted])


class Desk:
    """A keeper with a clock that the test turns, and a catalogue that it swaps."""

    def __init__(self, admin: Administration, region: Region, moment: datetime) -> None:
        self.region, self.moment, self.version = region, moment, 1
        self.board = Board()
        self.notes: list[Note] = []
        self.is_recording = True
        self.keeper = RightsKeeper(
            admin, self._snapshot, lambda: self.moment, self.board, self.record
        )
        self._admin = admin

    def record(self, notes: Sequence[Note]) -> None:
        if not self.is_recording:
            raise Unavailable("no database")
        self.notes += notes

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            version=self.version,
            region=self.region,
            keys={},
            schemas={},
            projections={},
            standing={},
        )

    async def may_read(self) -> bool:
        """Let the keeper look, then tell whether the consumer may read the dataset."""
        await self.keeper.look()
        entries = await asyncio.to_thread(read_access, self._admin)
        return ("User:health", TOPIC) in {(one.principal, one.name) for one in entries}

    def counted(self, name: str) -> float:
        total = 0.0
        for change in series.Change:
            total += self.board.registry.get_sample_value(name, {"change": change}) or 0.0
        return total


async def test_rights_come_and_go_at_the_moment_without_a_command(admin: Administration) -> None:
    rest = Suspension(
        side=Side.CONSUMER,
        by="head",
        begins=MORNING + timedelta(hours=1),
        ends=MORNING + timedelta(hours=2),
    )
    exchange = _exchange(ending=MORNING + timedelta(hours=3), rests=(rest,))
    apply_topics(admin, topics_of(exchange, replication_factor=1))
    desk = Desk(admin, exchange, MORNING)
    expected = {0: True, 59: True, 60: False, 119: False, 120: True, 179: True, 180: False}
    for minutes, readable in expected.items():
        desk.moment = MORNING + timedelta(minutes=minutes)
        assert await desk.may_read() is readable, minutes
    assert next_turn(desk.region, desk.moment) is None


async def test_a_catalogue_that_is_swapped_is_followed(admin: Administration) -> None:
    apply_topics(admin, topics_of(_exchange(), replication_factor=1))
    desk = Desk(admin, _exchange(), MORNING)
    assert await desk.may_read()
    desk.region, desk.version = _exchange(ending=MORNING), 2
    assert not await desk.may_read()
    assert desk.counted("bus_rights_drifted_total") == 0


async def test_an_end_does_not_wait_for_the_database_and_is_noted_when_that_is_back(
    admin: Administration,
) -> None:
    exchange = _exchange(ending=MORNING + timedelta(hours=1))
    apply_topics(admin, topics_of(exchange, replication_factor=1))
    desk = Desk(admin, exchange, MORNING)
    assert await desk.may_read()
    desk.notes.clear()
    desk.is_recording = False
    desk.moment += timedelta(hours=1)
    assert not await desk.may_read()
    desk.is_recording = True
    await desk.keeper.look()
    withdrawn = [note.content["name"] for note in desk.notes]
    assert TOPIC in withdrawn
    await desk.keeper.look()
    assert [note.content["name"] for note in desk.notes] == withdrawn


async def test_a_right_given_by_hand_is_taken_away_and_counted_as_drift(
    admin: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(admin, _exchange(), MORNING)
    assert await desk.may_read()
    made = AclBinding(
        ResourceType.TOPIC,
        TOPIC,
        ResourcePatternType.LITERAL,
        "User:edu",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    for answer in admin.client.create_acls([made]).values():
        answer.result(10)
    await _until(lambda: "User:edu" in _readers(admin))
    await desk.keeper.look()
    assert "User:edu" in _readers(admin), "nothing has turned, and it is not time to look"
    monkeypatch.setattr(keeping, "DRIFT_LOOK_S", 0.0)
    await desk.keeper.look()
    assert "User:edu" not in _readers(admin)
    assert desk.counted("bus_rights_drifted_total") == 1


async def test_a_topic_rolls_its_segments_for_a_while_only(
    admin: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_topics(admin, topics_of(_exchange(), replication_factor=1))
    desk = Desk(admin, _exchange(ending=MORNING + timedelta(hours=1)), MORNING)
    assert await desk.may_read()
    monkeypatch.setattr(keeping, "ARMED_S", 2.0)
    desk.moment += timedelta(hours=1)
    assert not await desk.may_read()
    await _until(lambda: read_topics(admin)[TOPIC].config.get("segment.ms") == "1000")
    await asyncio.sleep(2)
    await desk.keeper.look()
    await _until(lambda: "segment.ms" not in read_topics(admin)[TOPIC].config)


async def test_a_topic_that_is_gone_keeps_no_right_from_ending(admin: Administration) -> None:
    exchange = _exchange(ending=MORNING + timedelta(hours=1))
    apply_topics(admin, topics_of(exchange, replication_factor=1))
    desk = Desk(admin, exchange, MORNING)
    assert await desk.may_read()
    desk.keeper._armed["accepted.gone"] = 0.0
    desk.moment += timedelta(hours=1)
    await desk.keeper.look()
    assert "User:health" not in _readers(admin)
    assert "accepted.gone" not in desk.keeper._armed


def _readers(admin: Administration) -> set[str]:
    return {one.principal for one in read_access(admin) if one.name == TOPIC}


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.05)


async def test_what_kafka_does_not_take_is_tried_again_and_told_when_late(
    admin_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "REQUEST_TIMEOUT_S", 1.0)
    silent = connect_admin(replace(admin_cluster, bootstrap="127.0.0.1:9"))
    desk = Desk(silent, _exchange(), MORNING)
    monkeypatch.setattr(keeping, "LOOK_S", 0.1)
    running = asyncio.create_task(desk.keeper.run())
    async with asyncio.timeout(LATE_S + 60):
        while not desk.keeper.problems():
            await asyncio.sleep(0.2)
    assert [one.ailment for one in desk.keeper.problems()] == [Ailment.RIGHTS_LATE]
    assert not running.done()
    running.cancel()
    await asyncio.wait({running})


PARKED = 10
"""Readers that wait for more bytes than ever come: a right is checked when a fetch arrives."""
PARKED_MS = 9_000
"""For so long they wait: who waits longer is cut off for its silence, and gets nothing."""


@contextmanager
def _reading(cluster: Cluster, seen_ms: list[int], **more: str | int) -> Iterator[None]:
    """Read the topic in a thread; note the append time of each record that comes."""
    consumer = Consumer(
        {
            **cluster.confluent_options(),
            "group.id": f"{cluster.principal}.unused",
            "enable.auto.commit": "false",
            "log_level": 0,
            "error_cb": lambda _: None,
            **more,
        }
    )
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(2)])
    ending = threading.Event()

    def read_on() -> None:
        while not ending.is_set():
            record = consumer.poll(0.1)
            if record is not None and record.error() is None:
                seen_ms.append(record.timestamp()[1])

    thread = threading.Thread(target=read_on)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        consumer.close()


async def test_nothing_reaches_a_reader_later_than_the_limit_whatever_it_asks_for(
    home: Path, admin: Administration, admin_cluster: Cluster
) -> None:
    ends_at = datetime.now(UTC) + timedelta(seconds=PARKED + 5)
    exchange = _exchange(ending=ends_at)
    apply_topics(admin, topics_of(exchange, replication_factor=1))
    enrol_all(home, admin, [SystemCode("health"), BUS], MORNING)
    desk = Desk(admin, exchange, datetime.now(UTC))
    keeper = RightsKeeper(admin, desk._snapshot, lambda: datetime.now(UTC), desk.board, desk.record)
    await keeper.look()
    as_health, as_bus = (
        replace(
            admin_cluster, principal=code, password=load_credentials(home, code, MORNING).password
        )
        for code in (SystemCode("health"), BUS)
    )
    running = asyncio.create_task(keeper.run())
    ordinary: list[int] = []
    parked: list[list[int]] = [[] for _ in range(PARKED)]
    patient = {
        "fetch.wait.max.ms": PARKED_MS,
        "fetch.min.bytes": 50_000_000,
        "socket.timeout.ms": 300_000,
    }
    with ExitStack() as stack:
        stack.enter_context(_writing(as_bus))
        stack.enter_context(_reading(as_health, ordinary))
        for seen in parked:
            stack.enter_context(_reading(as_health, seen, **patient))
            # Why: whenever the end comes, some have begun to wait just before.
            await asyncio.sleep(1)
        while datetime.now(UTC) < ends_at + timedelta(milliseconds=PARKED_MS + 1_000):
            await asyncio.sleep(0.2)
    running.cancel()
    await asyncio.wait({running})
    limit_ms = (ends_at.timestamp() + OUT_OF_FORCE_S) * 1000
    assert max(ordinary) > ends_at.timestamp() * 1000 - 1_000, "it read until the end"
    assert max(ordinary) < limit_ms
    for seen in parked:
        assert max(seen, default=0) < limit_ms
    assert read(as_health, TOPIC) is not None


@contextmanager
def _writing(cluster: Cluster) -> Iterator[None]:
    """Write a record each 20 ms in a thread."""
    ending = threading.Event()
    producer = Producer({**cluster.confluent_options(), "linger.ms": 0, "log_level": 0})

    def write_on() -> None:
        while not ending.is_set():
            producer.produce(TOPIC, b"value")
            producer.poll(0)
            time.sleep(0.02)
        producer.flush(10)

    assert write(cluster, TOPIC) is None
    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
