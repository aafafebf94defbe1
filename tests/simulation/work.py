"""What each part of the bus does next, where nothing goes wrong.

A step takes its choices from its own `Random`; it tells whether there was anything to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, TypeAlias, TypeVar

from tests.simulation.custodian import Custodian
from tests.simulation.enforcer import Enforcer, WorkerEnded
from tests.simulation.funder import Funder
from tests.simulation.kinds import Kind
from tests.simulation.producer import Producer, Request, Stage
from tests.simulation.rows import PARTITIONS
from tests.simulation.world import World

Act: TypeAlias = Callable[[World, Random], bool]
T = TypeVar("T")


def _publish(world: World, chance: Random) -> bool:
    if world.publisher is None:
        world.start_publisher()
        return True
    if not world.publisher.can_send():
        return False
    world.publisher.send(chance.randint(1, 3), chance)
    return True


def _append(world: World, chance: Random) -> bool:
    picked = pick(chance, requests(world, Stage.WAITING))
    if picked is None:
        return False
    world.append(picked[1])
    return True


def _acknowledge(world: World, chance: Random) -> bool:
    picked = pick(chance, requests(world, Stage.APPENDED))
    if picked is None:
        return False
    producer, request = picked
    producer.acknowledge(request)
    if world.publisher is not None and producer is world.publisher.producer:
        world.publisher.hear(request)
    return True


def requests(world: World, *stages: Stage) -> list[tuple[Producer, Request]]:
    return [
        (producer, request)
        for producer in world.producers()
        for request in producer.on_their_way()
        if request.stage in stages
    ]


def _fetch(world: World, chance: Random) -> bool:
    worker = pick(chance, [one for one in world.workers if one.reader.has_news()])
    if worker is None:
        return False
    worker.reader.fetch(chance.randint(1, 6))
    return True


def _judge(world: World, chance: Random) -> bool:
    worker = pick(chance, [one for one in enforcers(world) if one.can_judge()])
    if worker is None:
        return False
    worker.judge(chance)
    return True


def _settle(world: World, chance: Random) -> bool:
    worker = pick(chance, [one for one in enforcers(world) if one.can_settle()])
    if worker is None:
        return False
    try:
        worker.settle()
    except WorkerEnded:
        world.end(worker)
    return True


def _commit(world: World, chance: Random) -> bool:
    worker = pick(chance, [one for one in enforcers(world) if one.can_commit()])
    if worker is None:
        return False
    world.check_committed(worker.commit())
    return True


def enforcers(world: World) -> list[Enforcer]:
    return [one for one in world.workers if isinstance(one, Enforcer)]


def _take(world: World, chance: Random) -> bool:
    able = [one for one in keepers(world) if one.reader.waiting and not one.is_busy]
    worker = pick(chance, able)
    if worker is None:
        return False
    if isinstance(worker, Funder):
        worker.version = max(worker.version, worker.take())
    else:
        worker.take()
    return True


def _work(world: World, chance: Random) -> bool:
    worker = pick(chance, [one for one in keepers(world) if one.is_busy and not one.may_commit])
    if worker is None:
        return False
    try:
        return worker.step()
    except WorkerEnded:
        world.end(worker)
        return True


def _commit_transaction(world: World, chance: Random) -> bool:
    worker = pick(chance, [one for one in keepers(world) if one.may_commit])
    if worker is None:
        return False
    commit_of(world, worker)
    return True


def commit_of(world: World, worker: Funder | Custodian) -> None:
    try:
        if isinstance(worker, Funder):
            world.check_fund(worker.commit())
        else:
            worker.commit()
    except WorkerEnded:
        world.end(worker)


def keepers(world: World) -> list[Funder | Custodian]:
    return [one for one in world.workers if not isinstance(one, Enforcer)]


def _consume(world: World, chance: Random) -> bool:
    consumer = pick(chance, [one for one in world.consumers.values() if one.has_news()])
    if consumer is None:
        return False
    consumer.take((consumer.topic, chance.randrange(PARTITIONS)), chance.randint(1, 5))
    return True


def _commit_consumed(world: World, chance: Random) -> bool:
    pick(chance, list(world.consumers.values())).commit()  # type: ignore[union-attr]
    return True


def _sweep(world: World, chance: Random) -> bool:
    world.database.sweep()
    return True


def pick(chance: Random, able: Sequence[T]) -> T | None:
    return chance.choice(able) if able else None


ACTS: Final[Mapping[Kind, Act]] = {
    Kind.PUBLISH: _publish,
    Kind.APPEND: _append,
    Kind.ACKNOWLEDGE: _acknowledge,
    Kind.FETCH: _fetch,
    Kind.JUDGE: _judge,
    Kind.SETTLE: _settle,
    Kind.COMMIT: _commit,
    Kind.TAKE: _take,
    Kind.WORK: _work,
    Kind.COMMIT_TRANSACTION: _commit_transaction,
    Kind.CONSUME: _consume,
    Kind.COMMIT_CONSUMED: _commit_consumed,
    Kind.SWEEP: _sweep,
}
