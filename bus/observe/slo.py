"""What was promised and what became of it in 30 days: by steward, and of the bus itself.

Prometheus counts (deploy/prometheus/recording.yml); contracts say who answers and for how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, TypeAlias

from bus.catalogue.region import Region
from bus.contracts.contract import Contract
from bus.observe.prometheus import Sample
from bus.observe.terms import Score

_MISSED: Final = "agency_dataset_score:bus_promise_missed:increase5m"
_DUE: Final = "agency_dataset_score:bus_promise_due:increase5m"
MISSED_SHARE: Final = f"sum_over_time({_MISSED}[30d]) / sum_over_time({_DUE}[30d])"
"""Of what was due, by agency, dataset and score."""
OWN_MISSED_SHARES: Final[Mapping[str, tuple[str, float]]] = {
    "delivery": (
        "clamp_max(sum_over_time(bus:delivery_late:increase1m[30d])"
        " / sum_over_time(bus:delivery_arrived:increase1m[30d]), 1)",
        0.99,
    ),
    "gateway": (
        "sum_over_time(bus:gateway_failed:increase1m[30d])"
        " / sum_over_time(bus:gateway_answered:increase1m[30d])",
        0.999,
    ),
}
"""Objective of the bus → what was missed, and the share that is promised."""
_ALLOWED_MIN: Final = 0.0001
"""A promise of 100 % leaves nothing; this stands for it, as in the recording rules."""
_BURNT: Final = 0.5

Missed: TypeAlias = Mapping[tuple[str, str, str], float]
"""Agency, dataset and score → share of what was due, 0 to 1."""


@unique
class Standing(StrEnum):
    """How a promise stands; words are keyed `slo.<value>`."""

    KEPT = "kept"
    AT_RISK = "at_risk"
    """More than half of what may be missed is spent."""
    BROKEN = "broken"
    NOTHING_DUE = "nothing_due"
    """Nothing came that could be counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One figure that somebody answers for, over the last 30 days."""

    steward: str
    """Post that answers; of the bus's own objectives: empty."""
    agency: str
    dataset: str
    objective: str
    """A score, or `delivery` and `gateway` of the bus itself."""
    promised: float
    """Share, 0 to 1."""
    reached: float | None
    """None: nothing was due."""
    left: float | None
    """Of what may be missed: 1 whole, 0 spent, below 0 overdrawn."""
    standing: Standing


def promises(region: Region, missed: Missed) -> tuple[Promise, ...]:
    """Hold what contracts promise against what was missed, steward by steward.

    Args:
        region: The catalogue in force.
        missed: As Prometheus tells it.
    """
    found = [
        _promise(contract.steward, agency.code, contract.dataset, score, promised, missed)
        for contract in region.contracts.values()
        for agency in region.agencies.values()
        if contract.dataset in agency.provides
        for score, promised in _promised(contract)
    ]
    return tuple(sorted(found, key=lambda one: (one.steward, one.agency, one.dataset)))


def own_promises(missed: Mapping[str, float]) -> Iterator[Promise]:
    """Hold what the bus promises itself against what it missed, by objective."""
    for objective, (_, promised) in OWN_MISSED_SHARES.items():
        shares = {("", "", objective): missed[objective]} if objective in missed else {}
        yield _promise("", "", "", objective, promised, shares)


def missed_of(samples: Iterable[Sample]) -> Missed:
    """Read Prometheus' answer to `MISSED_SHARE`; what is no number has nothing due."""
    return {
        (one.labels["agency"], one.labels["dataset"], one.labels["score"]): one.value
        for one in samples
        if one.is_number
    }


def _promised(contract: Contract) -> Iterator[tuple[Score, float]]:
    sla = contract.sla
    yield Score.COMPLETENESS, sla.completeness_percent / 100
    yield Score.VALIDITY, sla.validity_percent / 100
    yield Score.TIMELINESS, sla.timeliness_percent / 100


def _promise(
    steward: str, agency: str, dataset: str, objective: str, promised: float, missed: Missed
) -> Promise:
    share = missed.get((agency, dataset, objective))
    left = None if share is None else 1 - share / max(1 - promised, _ALLOWED_MIN)
    return Promise(
        steward=steward,
        agency=agency,
        dataset=dataset,
        objective=objective,
        promised=promised,
        reached=None if share is None else 1 - share,
        left=left,
        standing=_standing(left),
    )


def _standing(left: float | None) -> Standing:
    if left is None:
        return Standing.NOTHING_DUE
    if left < 0:
        return Standing.BROKEN
    return Standing.AT_RISK if left < _BURNT else Standing.KEPT
