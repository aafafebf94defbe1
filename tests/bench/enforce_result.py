"""What rounds of enforcement came to: spreads of each variant, and ratios within rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.bench.figures import spread
from tests.bench.measure import Figures

Round = Mapping[str, Figures]

_FULL: Final = ("ours-full", "aiokafka-full")
_RATIOS: Final = {
    "bare_vs_aiokafka": ("ours-bare", "aiokafka"),
    "bare_vs_confluent": ("ours-bare", "confluent-kafka"),
    "bare_vs_faust": ("ours-bare", "faust"),
    "vs_kafka_streams": ("ours-bare", "kafka-streams"),
    "full_vs_bare_aiokafka": ("ours-full", "aiokafka"),
    "full_vs_full_aiokafka": ("ours-full", "aiokafka-full"),
}
"""Ours against a peer."""


def result_of(rounds: Sequence[Round], not_run: Mapping[str, str]) -> dict[str, Any]:
    """Give the part of the result.

    Args:
        rounds: Figures by variant.
        not_run: Why a variant has none, or no more after some round.
    """
    names = list(dict.fromkeys(name for found in rounds for name in found))
    spreads = {name: _spreads([one[name] for one in rounds if name in one]) for name in names}
    return {
        "bare": {name: spreads[name] for name in names if name not in _FULL},
        "full": {name: spreads[name] for name in names if name in _FULL},
        "ratios": {
            name: ratio
            for name, (ours, peer) in _RATIOS.items()
            if (ratio := _ratio(rounds, ours, peer)) is not None
        },
        "not_run": dict(not_run),
    }


def _spreads(runs: Sequence[Figures]) -> dict[str, Any]:
    return {
        "records_per_s": _without_runs([run.records_per_s for run in runs], 0),
        "cpu_s_per_100k": _without_runs([run.cpu_s_per_100k for run in runs], 3),
        "broker_cpu_s_per_100k": _without_runs([run.broker_cpu_s_per_100k for run in runs], 3),
        "runs": len(runs),
    }


def _without_runs(values: Sequence[float], digits: int) -> dict[str, Any]:
    found = spread(values, digits)
    del found["runs"]
    return found


def _ratio(rounds: Sequence[Round], ours: str, peer: str) -> dict[str, Any] | None:
    """Tell how much better ours is, round by round, so that a slow minute meets both.

    Returns: By rate, ours through the peer's; by CPU seconds of the client, the peer's through
        ours; above 1 ours is better. None where they never ran in one round.
    """
    pairs = [(one[ours], one[peer]) for one in rounds if ours in one and peer in one]
    if not pairs:
        return None
    return {
        "by_rate": spread([mine.records_per_s / its.records_per_s for mine, its in pairs], 2),
        "by_cpu": spread([its.cpu_s_per_100k / mine.cpu_s_per_100k for mine, its in pairs], 2),
    }
