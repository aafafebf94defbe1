"""What the product does not promise, told apart from news (docs/explanation/delivery.md).

Each stands here with what shows it. Once it is promised its test says so (`test_simulation`), and
what is written here of it goes.
"""

from __future__ import annotations

from enum import StrEnum, unique

from bus.model.verdict import Reason
from tests.chaos.anomaly import Name
from tests.simulation.invariants import AnomalyFound
from tests.simulation.script import Flaw
from tests.simulation.world import World


@unique
class Known(StrEnum):
    """One thing that may happen."""

    LEFT_OUT_OF_A_VIEW = "left-out-of-a-view"
    """A worker ended between a record's accepted output and its view's, and under the next
    catalogue its successor set the record aside: accepted wins in the fund, the view lacks it."""
    REPEAT_SET_ASIDE = "repeat-set-aside"
    """A record was sent twice, and its second place was judged under a catalogue that refuses it:
    that entry of quarantine stays open though the record is in the fund."""


def known(world: World, anomaly: AnomalyFound) -> Known | None:
    """Tell which of them an anomaly shows; None: it is news."""
    flaws = {row.mark: row.flaw for unit in world.script for row in unit.rows}
    if flaws.get(anomaly.what) is Flaw.NEW_KEY:
        if anomaly.name == Name.UNSEEN and _is_set_aside(world, anomaly.what):
            return Known.LEFT_OUT_OF_A_VIEW
        if anomaly.name == Name.DUPLICATE and _is_set_aside(world, anomaly.what):
            return Known.REPEAT_SET_ASIDE
    return None


def _is_set_aside(world: World, mark: str) -> bool:
    key = mark.partition("/")[0].encode()
    reasons = {Reason.KEY_UNKNOWN, Reason.KEY_NOT_VALID}
    kept = world.database.tables.quarantine.values()
    return any(one.entry.key == key and one.entry.reason in reasons for one in kept)
