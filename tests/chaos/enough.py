"""Whether a run tried and saw enough to be a proof. Pure.

What finds nothing since it looked at nothing says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from tests.chaos.evidence import Evidence
from tests.chaos.schedule import Kind, PlannedFault

LONG_S: Final = 300.0
"""From here on a kind comes often enough to have met something at least once."""
_WEIGHED: Final = ("in.", "accepted.", "quarantine.")
"""Topics that the conservation law has to speak of."""


def untried(planned: Sequence[PlannedFault], bit: Mapping[Kind, int]) -> list[str]:
    """Name the kinds that were planned, and met nothing each time that they came."""
    met = {kind for kind, times in bit.items() if times}
    return [f"{kind} met nothing" for kind in sorted({one.kind for one in planned} - met)]


def unstopped(planned: Sequence[PlannedFault], stopped: int) -> list[str]:
    """Say where workers of the fund were to be frozen till others had their work, and none was.

    Args:
        planned: All faults.
        stopped: Workers that found on waking that they may not write: their position was moved,
            or their transaction ended. A worker that had nothing in its hands finds neither.
    """
    frozen = [one for one in planned if one.kind is Kind.FREEZE_WORKER]
    is_planned = any(one.target.startswith("fund-") for one in frozen)
    return ["no frozen worker was kept from writing"] if is_planned and not stopped else []


def unseen_places(evidence: Evidence, consumers: Collection[str]) -> list[str]:
    """Name what was not looked at.

    Args:
        evidence: Of the run.
        consumers: Each of which has an agreement, and took something.
    """
    looked_at = {
        "accepted topics": evidence.accepted,
        "views": evidence.views,
        "the fund's history": evidence.history,
        "the fund's current rows": evidence.current,
        "quarantine": evidence.quarantine,
    }
    lacking = [f"nothing of {name} was seen" for name, rows in looked_at.items() if not rows]
    places = [balance.place for balance in evidence.law]
    lacking += [
        f"the conservation law has no position of {prefix}*"
        for prefix in _WEIGHED
        if not any(place.startswith(prefix) for place in places)
    ]
    for told, known in (
        ("has no agreement", {one.consumer for one in evidence.entitled}),
        ("took nothing", {one.consumer for one in evidence.delivered}),
    ):
        lacking += [f"{who} {told}" for who in sorted(set(consumers) - known)]
    return lacking


def unrefused(forbidden: Collection[tuple[str, int]], refused: Collection[str]) -> list[str]:
    """Name the topics that the probe may not read, and was never kept from reading.

    Args:
        forbidden: Partitions that it tried.
        refused: Topics that brokers refused to it.
    """
    if not forbidden:
        return ["the probe had nothing to try"]
    untried_ones = {topic for topic, _ in forbidden} - set(refused)
    return [f"the probe was not refused {topic}" for topic in sorted(untried_ones)]
