"""One step of a history."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.simulation import faults, work
from tests.simulation.kinds import Kind
from tests.simulation.world import World

_ACTS: Final = {**work.ACTS, **faults.ACTS}


def act(world: World, kind: Kind, number: int) -> bool:
    """Do one step; tell whether there was anything to do. A process that ends by it is replaced."""
    return _ACTS[kind](world, Random(number))
