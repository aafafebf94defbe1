"""The same steps, chosen by hypothesis: what fails is cut down to the shortest history it finds."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.simulation.acts import act
from tests.simulation.broken import Broken
from tests.simulation.drain import drain
from tests.simulation.invariants import AnomalyFound, check_positions
from tests.simulation.kinds import FAULTS, WORK, Kind
from tests.simulation.known import known
from tests.simulation.verdict import anomalies
from tests.simulation.world import World

_NUMBERS = st.integers(0, 2**16)


class BusMachine(RuleBasedStateMachine):
    """A bus that works and fails in any order, and is whole at its end."""

    broken: Broken | None = None

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None

    @initialize(seed=_NUMBERS)
    def begin(self, seed: int) -> None:
        """Draw what the agency says, and who has which partitions."""
        self.world = World(seed, self.broken)

    @rule(kind=st.sampled_from(WORK), number=_NUMBERS)
    def work(self, kind: Kind, number: int) -> None:
        self._act(kind, number)

    @rule(kinds=st.lists(st.sampled_from(WORK), min_size=4, max_size=24), number=_NUMBERS)
    def work_on(self, kinds: list[Kind], number: int) -> None:
        """Go on for a while, so that histories are long enough for faults to matter."""
        for place, kind in enumerate(kinds):
            self._act(kind, number + place)

    @rule(kind=st.sampled_from(FAULTS), number=_NUMBERS)
    def fail(self, kind: Kind, number: int) -> None:
        self._act(kind, number)

    def _act(self, kind: Kind, number: int) -> None:
        assert self.world is not None
        try:
            act(self.world, kind, number)
        except AnomalyFound as anomaly:
            self._judge(anomaly)

    @invariant()
    def positions_are_in_the_log(self) -> None:
        if self.world is not None:
            check_positions(self.world.database.tables, self.world.log)

    def teardown(self) -> None:
        """Drain, and look at the whole."""
        if self.world is None:
            return
        drain(self.world, Random(0))
        for anomaly in anomalies(self.world):
            self._judge(anomaly)

    def _judge(self, anomaly: AnomalyFound) -> None:
        assert self.world is not None
        if known(self.world, anomaly) is None:
            raise anomaly
