"""A history from a seed: what is likely, how long it goes on, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from bus.errors import BusError
from tests.simulation.acts import act
from tests.simulation.broken import Broken
from tests.simulation.drain import drain
from tests.simulation.invariants import FAULT, AnomalyFound
from tests.simulation.kinds import Kind
from tests.simulation.known import Known, known
from tests.simulation.verdict import anomalies
from tests.simulation.world import World

_WEIGHTS: Mapping[Kind, int] = {
    Kind.PUBLISH: 10,
    Kind.APPEND: 20,
    Kind.ACKNOWLEDGE: 16,
    Kind.FETCH: 16,
    Kind.JUDGE: 10,
    Kind.SETTLE: 10,
    Kind.COMMIT: 8,
    Kind.TAKE: 10,
    Kind.WORK: 24,
    Kind.COMMIT_TRANSACTION: 10,
    Kind.CONSUME: 6,
    Kind.COMMIT_CONSUMED: 2,
    Kind.SWEEP: 1,
    Kind.KILL_PUBLISHER: 1,
    Kind.APPEND_AGAIN: 1,
    Kind.REFUSE: 1,
    Kind.ARRIVE_LATE: 2,
    Kind.KILL: 2,
    Kind.FREEZE: 3,
    Kind.REBALANCE: 1,
    Kind.LOSE_COMMIT: 1,
    Kind.DATABASE_DOWN: 1,
    Kind.EVICT: 2,
    Kind.KILL_CONSUMER: 1,
    Kind.SWAP: 2,
    Kind.ADOPT: 2,
    Kind.JUMP: 1,
    Kind.MARK: 1,
}
_KINDS = list(_WEIGHTS)
_CUMULATED = [sum(list(_WEIGHTS.values())[: place + 1]) for place in range(len(_WEIGHTS))]


@dataclass(slots=True, kw_only=True)
class Told:
    """What one history came to."""

    seed: int
    steps: list[tuple[Kind, int]] = field(default_factory=list)
    """Those that did something, with the number that each choice in them follows from."""
    drained: int = 0
    anomalies: list[tuple[str, str]] = field(default_factory=list)
    """Name, and what it is about."""
    known: list[Known] = field(default_factory=list)
    """What was found, and is known to be wrong."""

    def note(self, world: World, anomaly: AnomalyFound) -> None:
        """Note what was found."""
        cause = known(world, anomaly)
        if cause is None:
            self.anomalies.append((anomaly.name, str(anomaly)))
        elif cause not in self.known:
            self.known.append(cause)


def run(seed: int, broken: Broken | None = None) -> Told:
    """Run one history, drain it and look at what is there."""
    told = Told(seed=seed)
    world = World(seed, broken)
    chance = Random(seed)
    try:
        for kind in chance.choices(_KINDS, cum_weights=_CUMULATED, k=chance.randint(40, 400)):
            number = chance.getrandbits(32)
            if act(world, kind, number):
                told.steps.append((kind, number))
        told.drained = drain(world, chance)
        for anomaly in anomalies(world):
            told.note(world, anomaly)
    except AnomalyFound as anomaly:
        told.note(world, anomaly)
    except BusError as fault:
        told.anomalies.append((FAULT, f"{type(fault).__name__}: {fault}"))
    return told
