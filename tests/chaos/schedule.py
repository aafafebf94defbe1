"""Which fault befalls what, and when: a function of the seed and the length of the run. Pure.

Two lanes run side by side. Processes of ours are killed, frozen and joined the whole time, while
engines and links suffer one after the other. Each lane draws its kinds from a bag that is refilled
when it is empty, so that every kind comes about equally often.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, TypeVar

T = TypeVar("T")


@unique
class Kind(StrEnum):
    """What can happen."""

    KILL_WORKER = "kill-worker"
    STOP_WORKER = "stop-worker"
    PAUSE_WORKER = "pause-worker"
    """Stopped for less than its session."""
    FREEZE_WORKER = "freeze-worker"
    """Stopped until another has its partitions, then let go."""
    JOIN_AND_LEAVE = "join-and-leave"
    """One more worker each second, each killed soon after."""
    KILL_PUBLISHER = "kill-publisher"
    KILL_CONSUMER = "kill-consumer"
    JUMP_CLOCK = "jump-clock"
    """All workers' clocks."""
    KILL_BROKER = "kill-broker"
    STOP_BROKER = "stop-broker"
    FREEZE_BROKER = "freeze-broker"
    MOVE_LEADERS = "move-leaders"
    NO_BROKERS = "no-brokers"
    CRASH_DATABASE = "crash-database"
    RESTART_DATABASE = "restart-database"
    NO_DATABASE = "no-database"
    FILL_BROKER_DISK = "fill-broker-disk"
    FILL_DATABASE_DISK = "fill-database-disk"
    CUT = "cut"
    RESET = "reset"
    ONE_WAY_IN = "one-way-in"
    ONE_WAY_OUT = "one-way-out"
    LATENCY = "latency"
    SLOW = "slow"
    HALF_CLOSED = "half-closed"
    HOLD_PRODUCE = "hold-produce"
    LOSE_REQUESTS = "lose-requests"
    LOSE_ANSWERS = "lose-answers"
    LATE_ANSWERS = "late-answers"
    HOLD_AND_KILL = "hold-and-kill"
    """Outputs of enforcement are held, and it is killed before they are let go."""
    SWAP_CATALOGUE = "swap-catalogue"
    """And enforcement killed at once, between outputs and commit."""
    NEW_SCHEMA = "new-schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a kind befalls, and for how long."""

    targets: tuple[str, ...]
    lasts_s: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """One fault of a run."""

    at_s: float
    """Since the run began; it may come later if the lane is still busy."""
    kind: Kind
    target: str
    lasts_s: float

    def __str__(self) -> str:
        return f"{self.at_s:6.1f} {self.kind} {self.target} {self.lasts_s:.1f}"


WORKERS: Final = ("enforce-0", "enforce-1", "fund-0", "fund-1", "quarantine-0", "quarantine-1")
BROKERS: Final = ("1", "2", "3")
_KAFKA_LINKS: Final = (
    *("workers-1", "workers-2", "workers-3", "publishers-1", "publishers-2", "publishers-3"),
    *("consumers-1", "consumers-2", "consumers-3"),
)
_LINKS: Final = (*_KAFKA_LINKS, "fund", "fund", "peers-1", "peers-2", "peers-3")
_PRODUCE_LINKS: Final = ("publishers", "workers")
"""Those to all brokers at once: to one of them perhaps nobody writes just then."""

OF_PROCESSES: Final = {
    Kind.KILL_WORKER: Recipe(targets=WORKERS),
    Kind.STOP_WORKER: Recipe(targets=WORKERS),
    Kind.PAUSE_WORKER: Recipe(targets=WORKERS, lasts_s=(0.5, 3.0)),
    Kind.FREEZE_WORKER: Recipe(targets=WORKERS, lasts_s=(8.0, 10.0)),
    Kind.KILL_PUBLISHER: Recipe(targets=("publisher-0", "publisher-1", "raw-client")),
    Kind.KILL_CONSUMER: Recipe(targets=("consumer-0", "consumer-1", "consumer-2")),
}
OF_ENGINES: Final = {
    Kind.JOIN_AND_LEAVE: Recipe(targets=("enforce", "fund", "quarantine"), lasts_s=(4.0, 6.0)),
    Kind.JUMP_CLOCK: Recipe(targets=("+1h", "-1d"), lasts_s=(3.0, 5.0)),
    Kind.KILL_BROKER: Recipe(targets=BROKERS, lasts_s=(0.0, 4.0)),
    Kind.STOP_BROKER: Recipe(targets=BROKERS, lasts_s=(0.0, 2.0)),
    Kind.FREEZE_BROKER: Recipe(targets=BROKERS, lasts_s=(2.0, 7.0)),
    Kind.MOVE_LEADERS: Recipe(targets=("all",)),
    Kind.CRASH_DATABASE: Recipe(targets=("fund",), lasts_s=(0.0, 1.0)),
    Kind.RESTART_DATABASE: Recipe(targets=("fund",), lasts_s=(0.0, 1.0)),
    Kind.FILL_BROKER_DISK: Recipe(targets=("3",), lasts_s=(3.0, 5.0)),
    Kind.FILL_DATABASE_DISK: Recipe(targets=("fund",), lasts_s=(3.0, 5.0)),
    Kind.CUT: Recipe(targets=_LINKS, lasts_s=(1.0, 5.0)),
    Kind.RESET: Recipe(targets=_LINKS),
    Kind.ONE_WAY_IN: Recipe(targets=_LINKS, lasts_s=(1.0, 5.0)),
    Kind.ONE_WAY_OUT: Recipe(targets=_LINKS, lasts_s=(1.0, 5.0)),
    Kind.LATENCY: Recipe(targets=_LINKS, lasts_s=(2.0, 5.0)),
    Kind.SLOW: Recipe(targets=_LINKS, lasts_s=(2.0, 5.0)),
    Kind.HALF_CLOSED: Recipe(targets=_LINKS, lasts_s=(1.0, 5.0)),
    Kind.HOLD_PRODUCE: Recipe(targets=_PRODUCE_LINKS, lasts_s=(1.0, 4.0)),
    Kind.LOSE_REQUESTS: Recipe(targets=_PRODUCE_LINKS, lasts_s=(1.0, 4.0)),
    Kind.LOSE_ANSWERS: Recipe(targets=_PRODUCE_LINKS, lasts_s=(1.0, 4.0)),
    Kind.LATE_ANSWERS: Recipe(targets=_PRODUCE_LINKS, lasts_s=(1.0, 4.0)),
    Kind.HOLD_AND_KILL: Recipe(
        targets=("workers", "workers-1", "workers-2", "workers-3"), lasts_s=(1.0, 2.0)
    ),
    Kind.SWAP_CATALOGUE: Recipe(targets=("all",)),
}
OUTAGES: Final = (Kind.NO_BROKERS, Kind.NO_DATABASE)
OUTAGE_MAX_S: Final = 60.0
_OUTAGE_SHARE: Final = 10
"""Of a run: a minute in ten."""
_APART_S: Final = 2.0
_DIRECTED_PAUSE_S: Final = 4.0
_AGAIN_S: Final = 0.2
_PAUSE_OF_PROCESSES_S: Final = (2.5, 4.5)
_PAUSE_OF_ENGINES_S: Final = (1.5, 4.0)


def schedule(seed: int, seconds: float, missing: Collection[Kind] = ()) -> list[PlannedFault]:
    """Plan a run.

    Args:
        seed: Equal seeds, equal plans.
        seconds: How long faults go on.
        missing: Kinds that this machine can't do; the others come at the same times as with them.

    Returns: In the order of their times.
    """
    planned = [*_of_processes(seed, seconds), *_of_engines(seed, seconds)]
    return sorted(
        (one for one in planned if one.kind not in missing), key=lambda one: (one.at_s, one.kind)
    )


def _of_processes(seed: int, seconds: float) -> Iterator[PlannedFault]:
    """Faults at any time, but never two of one process at once, nor a freeze in an outage.

    Why: a frozen worker that is killed, or whose session can't end, never meets its successor.
    """
    draw = _Draw(random.Random(f"{seed} processes"), OF_PROCESSES)
    outages = [(one.at_s, one.at_s + one.lasts_s) for one in _special(seconds)]
    busy_until_s: dict[str, float] = {}
    at_s = 1.0
    while at_s < seconds:
        fault = draw.fault(at_s)
        end_s = at_s + fault.lasts_s
        is_free = busy_until_s.get(fault.target, 0.0) <= at_s
        is_apart = not fault.lasts_s or all(
            end_s + _APART_S < begin_s or at_s > over_s + _APART_S for begin_s, over_s in outages
        )
        if is_free and is_apart and end_s <= seconds:
            busy_until_s[fault.target] = end_s + _APART_S
            yield fault
            at_s += draw.pause_s(_PAUSE_OF_PROCESSES_S)
        else:
            draw.put_off(fault)
            at_s += _AGAIN_S


def _special(seconds: float) -> list[PlannedFault]:
    """Plan what comes once in a run: two outages and a new schema."""
    outage_s = min(OUTAGE_MAX_S, seconds / _OUTAGE_SHARE)
    return [
        PlannedFault(at_s=seconds / 4, kind=Kind.NO_BROKERS, target="all", lasts_s=outage_s),
        PlannedFault(at_s=seconds / 2, kind=Kind.NEW_SCHEMA, target="all", lasts_s=0.0),
        PlannedFault(at_s=seconds * 3 / 4, kind=Kind.NO_DATABASE, target="fund", lasts_s=outage_s),
    ]


def _of_engines(seed: int, seconds: float) -> Iterator[PlannedFault]:
    """Faults one after the other, with the two outages and the new schema at their times."""
    draw = _Draw(random.Random(f"{seed} engines"), OF_ENGINES)
    at_s = 2.0
    for special in [*_special(seconds), None]:
        end_s = seconds if special is None else special.at_s
        while True:
            fault = draw.fault(at_s)
            if at_s + fault.lasts_s > end_s:
                draw.put_back(fault)
                break
            yield fault
            at_s += fault.lasts_s + draw.pause_s(_PAUSE_OF_ENGINES_S)
        if special is not None:
            yield special
            at_s = special.at_s + special.lasts_s + _PAUSE_OF_ENGINES_S[1]


class _Draw:
    """Draws kinds, and targets of each kind, from bags that are refilled when they are empty."""

    def __init__(self, chance: random.Random, recipes: Mapping[Kind, Recipe]) -> None:
        self._chance = chance
        self._recipes = recipes
        self._kinds: list[Kind] = []
        self._targets: dict[Kind, list[str]] = {kind: [] for kind in recipes}

    def fault(self, at_s: float) -> PlannedFault:
        kind = self._from(self._kinds, list(self._recipes))
        recipe = self._recipes[kind]
        return PlannedFault(
            at_s=round(at_s, 2),
            kind=kind,
            target=self._from(self._targets[kind], list(recipe.targets)),
            lasts_s=round(self._chance.uniform(*recipe.lasts_s), 2),
        )

    def put_back(self, fault: PlannedFault) -> None:
        """Let what had no room be the next."""
        self._kinds.append(fault.kind)
        self._targets[fault.kind].append(fault.target)

    def put_off(self, fault: PlannedFault) -> None:
        """Let what can't be now be the last of its bags."""
        self._kinds.insert(0, fault.kind)
        self._targets[fault.kind].insert(0, fault.target)

    def pause_s(self, limits_s: tuple[float, float]) -> float:
        return self._chance.uniform(*limits_s)

    def _from(self, bag: list[T], whole: list[T]) -> T:
        if not bag:
            bag += whole
            self._chance.shuffle(bag)
        return bag.pop()


def directed(
    kind: Kind, targets: Sequence[str], *, lasts_s: float, seconds: float
) -> list[PlannedFault]:
    """Plan one kind again and again, target by target: what a control run needs to be noticed."""
    each_s = lasts_s + _DIRECTED_PAUSE_S
    count = int((seconds - 1.0) / each_s)
    return [
        PlannedFault(
            at_s=round(1.0 + place * each_s, 2),
            kind=kind,
            target=targets[place % len(targets)],
            lasts_s=lasts_s,
        )
        for place in range(count)
    ]
