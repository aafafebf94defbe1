"""The longest time without progress when a worker is killed, or frozen and replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from bus.agents.consumer_thread import SESSION_TIMEOUT_S
from bus.model.identifiers import DatasetCode
from bus.supervise.role import Role
from bus.supervise.supervisor import Slot
from bus.wire import topics
from tests.bench.children import Child, child
from tests.bench.figures import rounded
from tests.bench.invented_contract import BAD_EACH
from tests.bench.watching import Course
from tests.chaos.engines import Engines as Cluster

RATE: Final = 1_000
BEFORE_S: Final = 3
KILLED_S: Final = 14
FROZEN_S: Final = 26
BROKER_KILLED_S: Final = 20
RESTART_S: Final = 3.0
BROKER_S: Final = 6.0
TAKEOVER_S: Final = SESSION_TIMEOUT_S + 2.0
_LOOK_S: Final = 0.01
_LAST_S: Final = 60.0


@dataclass(slots=True)
class Progress:
    """When each partition of a dataset moved in the fund."""

    counts: dict[int, int] = field(default_factory=dict)
    moved_at: dict[int, list[float]] = field(default_factory=dict)

    def note(self, partition: int, count: int, now: float) -> None:
        """Take in one look."""
        if count > self.counts.get(partition, 0):
            self.counts[partition] = count
            self.moved_at.setdefault(partition, []).append(now)

    def longest_of_all(self, since: float) -> float:
        """Give the longest time in which no partition moved."""
        return _longest(sorted(at for times in self.moved_at.values() for at in times), since)

    def longest_of_one(self, since: float) -> float:
        """Give the longest time in which some partition did not move."""
        return max(_longest(times, since) for times in self.moved_at.values())


def _longest(times: list[float], since: float) -> float:
    """Give the longest gap that ended after a moment."""
    return max(
        (after - before for before, after in pairwise(times) if after > since),
        default=0.0,
    )


async def killed_gap(course: Course, role: Role, code: DatasetCode) -> dict[str, Any]:
    """Kill the only worker of a role; its supervisor starts it again."""

    def kill() -> None:
        os.kill(_pid(course, role, 0), signal.SIGKILL)

    gaps = await _gaps(course, code, seconds=KILLED_S, fault=kill)
    return {"longest_gap_s": gaps["of_all"], "target_s": RESTART_S}


async def frozen_gap(course: Course, role: Role, code: DatasetCode) -> dict[str, Any]:
    """Freeze one of two workers of a role; the other takes its partitions."""
    pid = _pid(course, role, 1)
    try:
        gaps = await _gaps(
            course, code, seconds=FROZEN_S, fault=lambda: os.kill(pid, signal.SIGSTOP)
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    return {"longest_gap_of_a_partition_s": gaps["of_one"], "target_s": TAKEOVER_S}


async def killed_broker_gap(
    course: Course, cluster: Cluster, number: int, code: DatasetCode
) -> dict[str, Any]:
    """Kill one of three brokers and leave it dead; the others take what it led."""
    gaps = await _gaps(
        course,
        code,
        seconds=BROKER_KILLED_S,
        fault=lambda: cluster.signal_broker(number, signal.SIGKILL),
    )
    return {
        "longest_gap_s": gaps["of_all"],
        "longest_gap_of_a_partition_s": gaps["of_one"],
        "target_s": BROKER_S,
    }


async def _gaps(
    course: Course, code: DatasetCode, *, seconds: int, fault: Callable[[], None]
) -> dict[str, float]:
    """Publish for some seconds, let a fault happen in between, and wait for the last record."""
    count = RATE * seconds
    arguments = (code, 0, count, RATE)
    async with child(course.one.installation, "publishing", *arguments) as publisher:
        await publisher.ready()
        await publisher.begin()
        progress, struck_at = await _observed(course, code, count, publisher, fault)
    return {
        "of_all": rounded(progress.longest_of_all(struck_at), 2),
        "of_one": rounded(progress.longest_of_one(struck_at), 2),
    }


async def _observed(
    course: Course, code: DatasetCode, count: int, publisher: Child, fault: Callable[[], None]
) -> tuple[Progress, float]:
    progress, topic = Progress(), topics.accepted(code)
    wanted = count - -(-count // BAD_EACH)
    began, struck_at = time.monotonic(), 0.0
    ending = asyncio.ensure_future(publisher.result())
    async with asyncio.timeout(count / RATE + _LAST_S):
        while sum(progress.counts.values()) < wanted:
            counts = await course.arrivals.by_place()
            now = time.monotonic()
            for (of, partition), taken in counts.items():
                if of == topic:
                    progress.note(partition, taken, now)
            if not struck_at and now - began > BEFORE_S:
                fault()
                struck_at = now
            await asyncio.sleep(_LOOK_S)
    await ending
    return progress, struck_at


def _pid(course: Course, role: Role, number: int) -> int:
    return course.supervisor.processes[Slot(role=role, number=number)].pid
