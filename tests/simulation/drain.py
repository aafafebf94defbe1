"""Letting everything come to its end once nothing fails any more."""

from __future__ import annotations

from random import Random

from tests.simulation.acts import act
from tests.simulation.invariants import STUCK, AnomalyFound
from tests.simulation.kinds import Kind
from tests.simulation.world import World

_WORK = (
    Kind.PUBLISH,
    Kind.APPEND,
    Kind.ACKNOWLEDGE,
    Kind.FETCH,
    Kind.JUDGE,
    Kind.SETTLE,
    Kind.COMMIT,
    Kind.TAKE,
    Kind.WORK,
    Kind.COMMIT_TRANSACTION,
    Kind.CONSUME,
)
_STEPS_MAX = 3_000


def drain(world: World, chance: Random) -> int:
    """Work until there is nothing left to do; tell in how many steps.

    Raises:
        AnomalyFound: It does not come to an end, or something is wrong on the way.
    """
    _settle_the_past(world, chance)
    for steps in range(0, _STEPS_MAX, len(_WORK)):
        done = [act(world, kind, chance.getrandbits(32)) for kind in _WORK if _is_due(world, kind)]
        # Two workers that wait for each other, or one that a session without a worker blocks.
        if not any(done) and not act(world, Kind.EVICT, chance.getrandbits(32)):
            world.database.sweep()
            return steps
    raise AnomalyFound(STUCK, "the bus", f"not drained after {_STEPS_MAX} steps")


def _is_due(world: World, kind: Kind) -> bool:
    return kind is not Kind.PUBLISH or world.publisher is not None


def _settle_the_past(world: World, chance: Random) -> None:
    """End who was replaced; let late requests come or not; let the publisher finish, or not."""
    for worker in [one for one in world.workers if world.is_replaced(one)]:
        world.end(worker)
    if chance.random() < 0.2:
        world.end_publisher()
    elif world.publisher is None:
        world.start_publisher()
    while world.late:
        act(world, Kind.ARRIVE_LATE, chance.getrandbits(32))
