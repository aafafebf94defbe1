"""Run random histories as fast as they go, and say what is wrong.

    python -m tests.simulation [--seconds N] [--seed S] [--histories N] [--broken WHAT]

The last line of stdout is one JSON object. Exit 1 on an anomaly, whose history is told on stderr;
`--history SEED` runs that one again.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tests.simulation.broken import Broken
from tests.simulation.schedule import Told, run

_PER_SEED: Final = 10**9
"""Histories of one seed have seeds of their own, from `seed * _PER_SEED` on."""
_TOLD_MAX: Final = 3
_PROGRESS_S: Final = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report, and give the exit code."""
    asked = _asked(arguments)
    broken = None if asked.broken is None else Broken(asked.broken)
    began = told_at = time.monotonic()
    anomalies: Counter[str] = Counter()
    known: Counter[str] = Counter()
    histories = steps = 0
    for seed in _seeds(asked):
        now = time.monotonic()
        if now - began > asked.seconds:
            break
        if now - told_at > _PROGRESS_S:
            told_at = now
            _say(f"{histories} histories, {steps} steps, {sum(anomalies.values())} anomalies")
        told = run(seed, broken)
        histories += 1
        steps += len(told.steps) + told.drained
        known.update(told.known)
        if told.anomalies and sum(anomalies.values()) < _TOLD_MAX:
            _tell(told)
        anomalies.update(name for name, _ in told.anomalies)
    result = {
        "seed": asked.seed,
        "histories": histories,
        "steps": steps,
        "seconds": round(time.monotonic() - began, 1),
        "known": dict(known),
        "anomalies": dict(anomalies),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if anomalies else 0


def _asked(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--histories", type=int, default=_PER_SEED, help="at most so many")
    parser.add_argument("--history", type=int, help="the seed of one history, to run it again")
    parser.add_argument("--broken", choices=[one.value for one in Broken])
    return parser.parse_args(arguments)


def _seeds(asked: Namespace) -> range:
    if asked.history is not None:
        return range(asked.history, asked.history + 1)
    first = asked.seed * _PER_SEED
    return range(first, first + asked.histories)


def _tell(told: Told) -> None:
    _say(f"history {told.seed}:")
    for kind, number in told.steps:
        _say(f"  {kind} {number}")
    for _, what in told.anomalies:
        _say(what)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
