"""What goes wrong, and what else happens between two steps of the bus; as in `work`."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

from tests.factories import APPENDED_MS
from tests.simulation.enforcer import Enforcer
from tests.simulation.kinds import Kind
from tests.simulation.producer import Stage
from tests.simulation.rows import ACCEPTED, INBOUND, PARTITIONS
from tests.simulation.work import Act, commit_of, enforcers, keepers, pick, requests
from tests.simulation.world import World

_HOUR_MS: Final = 3_600_000


def _kill_publisher(world: World, chance: Random) -> bool:
    if world.publisher is None:
        return False
    world.end_publisher()
    return True


def _append_again(world: World, chance: Random) -> bool:
    """The acknowledgement is lost, and so is what the broker knew of the producer."""
    picked = pick(chance, requests(world, Stage.APPENDED))
    if picked is None:
        return False
    world.append(picked[1])
    return True


def _refuse(world: World, chance: Random) -> bool:
    """A request is given up; its sender may not know whether it is in the log."""
    picked = pick(chance, requests(world, Stage.WAITING, Stage.APPENDED))
    if picked is None:
        return False
    producer, request = picked
    if world.publisher is not None and producer is world.publisher.producer:
        world.publisher.give_up(request)
        producer.refuse(request)
        world.end_publisher()
    else:
        producer.refuse(request)
    return True


def _arrive_late(world: World, chance: Random) -> bool:
    """What was on its way when its process died reaches the broker, or does not."""
    request = pick(chance, world.late)
    if request is None:
        return False
    world.late.remove(request)
    if request.stage is Stage.WAITING and chance.random() < 0.7:
        world.append(request)
    return True


def _lose_commit(world: World, chance: Random) -> bool:
    """The database fails at a commit: before it, or after it and before its answer."""
    worker = pick(chance, [one for one in keepers(world) if one.may_commit])
    if worker is None:
        return False
    if chance.random() < 0.5:
        commit_of(world, worker)
    if worker in world.workers:
        world.end(worker)
    return True


def _database_down(world: World, chance: Random) -> bool:
    """Every session ends; its worker learns it at its next step."""
    if not world.database.open:
        return False
    world.database.end_sessions()
    return True


def _evict(world: World, chance: Random) -> bool:
    """A time limit ends who waits for a lock, or who has it."""
    worker = pick(chance, [one for one in keepers(world) if one.blocking])
    if worker is None:
        return False
    if chance.random() < 0.5:
        world.end(worker)
    else:
        for holder in worker.blocking:
            holder.roll_back()
    return True


def _kill_consumer(world: World, chance: Random) -> bool:
    world.start_consumer(chance.choice(list(world.consumers)))
    return True


def _kill(world: World, chance: Random) -> bool:
    world.end(chance.choice(world.workers))
    return True


def _freeze(world: World, chance: Random) -> bool:
    """A worker stops long enough to be replaced; later it goes on as if nothing had been."""
    fresh = [one for one in world.workers if not world.is_replaced(one)]
    world.replace(chance.choice(fresh))
    return True


def _rebalance(world: World, chance: Random) -> bool:
    """A worker commits what is done, gives its partitions away, and gets them again."""
    worker = chance.choice([one for one in world.workers if not world.is_replaced(one)])
    if isinstance(worker, Enforcer):
        world.check_committed(worker.commit())
    worker.join()
    return True


def _swap(world: World, chance: Random) -> bool:
    """Another catalogue comes into force; each worker learns of it when it does (`ADOPT`)."""
    world.version += 1
    return True


def _adopt(world: World, chance: Random) -> bool:
    worker = pick(chance, [one for one in enforcers(world) if one.version < world.version])
    if worker is None:
        return False
    worker.version = world.version
    return True


def _jump(world: World, chance: Random) -> bool:
    """The brokers' clock jumps, never back to where an event would lie in the future."""
    clock = world.clock
    clock.now_ms += chance.randint(-_HOUR_MS, 24 * _HOUR_MS)
    clock.now_ms = max(clock.now_ms, APPENDED_MS - _HOUR_MS)
    return True


def _mark(world: World, chance: Random) -> bool:
    """An offset without a record."""
    world.log.append_marker((chance.choice((INBOUND, ACCEPTED)), chance.randrange(PARTITIONS)))
    return True


ACTS: Final[Mapping[Kind, Act]] = {
    Kind.KILL_PUBLISHER: _kill_publisher,
    Kind.APPEND_AGAIN: _append_again,
    Kind.REFUSE: _refuse,
    Kind.ARRIVE_LATE: _arrive_late,
    Kind.LOSE_COMMIT: _lose_commit,
    Kind.DATABASE_DOWN: _database_down,
    Kind.EVICT: _evict,
    Kind.KILL_CONSUMER: _kill_consumer,
    Kind.KILL: _kill,
    Kind.FREEZE: _freeze,
    Kind.REBALANCE: _rebalance,
    Kind.SWAP: _swap,
    Kind.ADOPT: _adopt,
    Kind.JUMP: _jump,
    Kind.MARK: _mark,
}
