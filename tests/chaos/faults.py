"""The hands of a run's faults: what each kind does to the world, and how it is mended again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from confluent_kafka import ElectionType, KafkaException
from confluent_kafka.admin import AdminClient

from bus.supervise.role import Role
from bus.supervise.supervisor import Slot
from tests.chaos.schedule import Kind, PlannedFault
from tests.chaos.world import World
from tests.proxy import (
    Cut,
    Direction,
    Fault,
    HalfClosed,
    HoldProduce,
    LateAnswers,
    Latency,
    Link,
    LoseAnswers,
    LoseRequests,
    OneWay,
    Reset,
    Slow,
)

_JOINED_S: Final = 2.5
"""How long a worker of a storm lives: it has just joined."""
_ELECTED_WITHIN_S: Final = 10.0
_LOOK_S: Final = 0.1
_LOOKS_MAX: Final = 80
_EXTRA_SLOTS: Final = range(2, 8)
_OF_PRODUCE_REQUESTS: Final = frozenset({Kind.HOLD_PRODUCE, Kind.LOSE_REQUESTS, Kind.LOSE_ANSWERS})
OF_LINKS: Final[dict[Kind, Fault]] = {
    Kind.CUT: Cut(),
    Kind.RESET: Reset(),
    Kind.ONE_WAY_IN: OneWay(swallowed=Direction.TO_ENGINE),
    Kind.ONE_WAY_OUT: OneWay(swallowed=Direction.TO_CLIENT),
    Kind.LATENCY: Latency(seconds=0.3, jitter=0.2),
    Kind.SLOW: Slow(bytes_per_s=100_000),
    Kind.HALF_CLOSED: HalfClosed(),
    Kind.HOLD_PRODUCE: HoldProduce(),
    Kind.LOSE_REQUESTS: LoseRequests(probability=0.5),
    Kind.LOSE_ANSWERS: LoseAnswers(probability=0.5),
    Kind.LATE_ANSWERS: LateAnswers(seconds=1.5),
}

Hand = Callable[[World, PlannedFault], Awaitable[bool]]


async def befall(world: World, fault: PlannedFault) -> bool:
    """Let a fault happen, last as long as it is planned to, and mend it.

    Returns: Whether it hurt anything: a process that lived, a link that carried something.
    """
    if fault.kind in OF_LINKS:
        return await _hurt_link(world, fault)
    return await HANDS[fault.kind](world, fault)


async def _hurt_link(world: World, fault: PlannedFault) -> bool:
    links = world.links_of(fault.target)
    was_in_use = any(link.open_connections for link in links)
    before, connections = _met(links), sum(link.counters.connections for link in links)
    for link in links:
        link.apply(OF_LINKS[fault.kind])
    try:
        await asyncio.sleep(fault.lasts_s)
        if fault.kind in _OF_PRODUCE_REQUESTS:
            return await _has_met(links, before)
    finally:
        for link in links:
            link.lift()
    return was_in_use or sum(link.counters.connections for link in links) > connections


async def _has_met(links: Iterable[Link], before: int) -> bool:
    """Tell whether more was held or lost than before; where nothing was, wait a while for it.

    Why: the fault before may just have left nobody who writes.
    """
    for _ in range(_LOOKS_MAX):
        if _met(links) > before:
            return True
        await asyncio.sleep(_LOOK_S)
    return False


def _met(links: Iterable[Link]) -> int:
    """Count what was held or lost so far."""
    counters = [link.counters for link in links]
    return sum(one.held + one.lost_requests + one.lost_answers for one in counters)


async def _hold_and_kill(world: World, fault: PlannedFault) -> bool:
    """Hold what enforcement writes, let it work on once something is held, kill it, lose that.

    Why lose: the kernel sends what a dead process had handed over, and it would arrive after all.
    """
    links = world.links_of(fault.target)
    before = _met(links)
    for link in links:
        link.apply(HoldProduce())
    try:
        is_held = await _has_met(links, before)
        await asyncio.sleep(fault.lasts_s)
        for slot in world.slots:
            if slot.role is Role.ENFORCE:
                world.signal_worker(slot, signal.SIGKILL)
        for link in links:
            link.lift()
            link.apply(LoseRequests())
        await asyncio.sleep(0.1)
    finally:
        for link in links:
            link.lift()
    return is_held


async def _kill_worker(world: World, fault: PlannedFault) -> bool:
    return world.signal_worker(_slot(fault.target), signal.SIGKILL)


async def _stop_worker(world: World, fault: PlannedFault) -> bool:
    return world.signal_worker(_slot(fault.target), signal.SIGTERM)


async def _freeze_worker(world: World, fault: PlannedFault) -> bool:
    with world.frozen_worker(_slot(fault.target)) as process:
        await asyncio.sleep(fault.lasts_s)
        return process.returncode is None


async def _join_and_leave(world: World, fault: PlannedFault) -> bool:
    """Let one more worker join each second, and leave as it came."""
    role = Role(fault.target)
    lives = [
        asyncio.create_task(
            _short_life(world, Slot(role=role, number=number), delay_s=float(place))
        )
        for place, number in enumerate(_EXTRA_SLOTS)
        if place < fault.lasts_s
    ]
    return any(await asyncio.gather(*lives))


async def _short_life(world: World, slot: Slot, *, delay_s: float) -> bool:
    await asyncio.sleep(delay_s)
    with (world.log_folder / f"{slot}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", world.worker_module, slot.role, str(slot.number), "0"),
            stdin=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, **world.worker_environment},
        )
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _JOINED_S)
    was_alive = process.returncode is None
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    return was_alive


async def _kill_actor(world: World, fault: PlannedFault) -> bool:
    return world.actors[fault.target].kill()


async def _jump_clock(world: World, fault: PlannedFault) -> bool:
    world.set_clock(fault.target)
    try:
        await asyncio.sleep(fault.lasts_s)
    finally:
        world.set_clock("+0")
    return True


async def _kill_broker(world: World, fault: PlannedFault) -> bool:
    return await _broker_away(world, int(fault.target), fault.lasts_s, kill=True)


async def _stop_broker(world: World, fault: PlannedFault) -> bool:
    return await _broker_away(world, int(fault.target), fault.lasts_s, kill=False)


async def _broker_away(world: World, number: int, lasts_s: float, *, kill: bool) -> bool:
    was_alive = world.engines.nodes[number].is_alive
    await asyncio.to_thread(world.engines.end_broker, number, kill=kill)
    await asyncio.sleep(lasts_s)
    await asyncio.to_thread(world.engines.start_broker, number)
    return was_alive


async def _freeze_broker(world: World, fault: PlannedFault) -> bool:
    number = int(fault.target)
    world.engines.signal_broker(number, signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.lasts_s)
    finally:
        world.engines.signal_broker(number, signal.SIGCONT)
    return world.engines.nodes[number].is_alive


async def _move_leaders(world: World, fault: PlannedFault) -> bool:
    """Lead every partition where it belongs: after brokers came back that is a move for many."""
    return await asyncio.to_thread(_elect, world)


def _elect(world: World) -> bool:
    client = AdminClient({**world.engines.cluster_as_admin().confluent_options(), "log_level": 0})
    try:
        elected = client.elect_leaders(ElectionType.PREFERRED).result(_ELECTED_WITHIN_S)
    except (KafkaException, TimeoutError):
        return False
    return any(problem is None for problem in elected.values())


async def _no_brokers(world: World, fault: PlannedFault) -> bool:
    engines = world.engines
    await asyncio.gather(
        *(asyncio.to_thread(engines.end_broker, number, kill=True) for number in engines.nodes)
    )
    await asyncio.sleep(fault.lasts_s)
    for number in engines.nodes:
        await asyncio.to_thread(engines.start_broker, number)
    return True


async def _crash_database(world: World, fault: PlannedFault) -> bool:
    return await _database_away(world, fault.lasts_s, signal.SIGQUIT)


async def _restart_database(world: World, fault: PlannedFault) -> bool:
    return await _database_away(world, fault.lasts_s, signal.SIGINT)


async def _database_away(world: World, lasts_s: float, sign: signal.Signals) -> bool:
    was_alive = await asyncio.to_thread(world.engines.end_database, sign)
    await asyncio.sleep(lasts_s)
    await asyncio.to_thread(world.engines.start_database)
    return was_alive


async def _fill_broker_disk(world: World, fault: PlannedFault) -> bool:
    async with _full_disk(world, of_database=False):
        await asyncio.sleep(fault.lasts_s)
    # A broker whose disk was full stops by itself, perhaps only now.
    number = int(fault.target)
    await asyncio.to_thread(world.engines.end_broker, number, kill=True)
    await asyncio.to_thread(world.engines.start_broker, number)
    return True


async def _fill_database_disk(world: World, fault: PlannedFault) -> bool:
    async with _full_disk(world, of_database=True):
        await asyncio.sleep(fault.lasts_s)
    await asyncio.to_thread(world.engines.end_database, signal.SIGQUIT)
    await asyncio.to_thread(world.engines.start_database)
    return True


@asynccontextmanager
async def _full_disk(world: World, *, of_database: bool) -> AsyncIterator[None]:
    ballast: Path = await asyncio.to_thread(world.engines.fill_disk, of_database=of_database)
    try:
        yield
    finally:
        await asyncio.to_thread(ballast.unlink)


async def _swap_catalogue(world: World, fault: PlannedFault) -> bool:
    await world.swap_catalogue()
    for slot in world.slots:
        if slot.role is Role.ENFORCE:
            world.signal_worker(slot, signal.SIGKILL)
    return True


async def _new_schema(world: World, fault: PlannedFault) -> bool:
    await world.add_schema_version()
    return True


def _slot(target: str) -> Slot:
    role, number = target.rsplit("-", 1)
    return Slot(role=Role(role), number=int(number))


HANDS: Final[dict[Kind, Hand]] = {
    Kind.KILL_WORKER: _kill_worker,
    Kind.STOP_WORKER: _stop_worker,
    Kind.PAUSE_WORKER: _freeze_worker,
    Kind.FREEZE_WORKER: _freeze_worker,
    Kind.JOIN_AND_LEAVE: _join_and_leave,
    Kind.KILL_PUBLISHER: _kill_actor,
    Kind.KILL_CONSUMER: _kill_actor,
    Kind.JUMP_CLOCK: _jump_clock,
    Kind.KILL_BROKER: _kill_broker,
    Kind.STOP_BROKER: _stop_broker,
    Kind.FREEZE_BROKER: _freeze_broker,
    Kind.MOVE_LEADERS: _move_leaders,
    Kind.NO_BROKERS: _no_brokers,
    Kind.CRASH_DATABASE: _crash_database,
    Kind.RESTART_DATABASE: _restart_database,
    Kind.NO_DATABASE: _crash_database,
    Kind.FILL_BROKER_DISK: _fill_broker_disk,
    Kind.FILL_DATABASE_DISK: _fill_database_disk,
    Kind.HOLD_AND_KILL: _hold_and_kill,
    Kind.SWAP_CATALOGUE: _swap_catalogue,
    Kind.NEW_SCHEMA: _new_schema,
}
