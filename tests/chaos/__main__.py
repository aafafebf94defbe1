"""`python -m tests.chaos --seconds 600 --seed 1`: a chaos run; its last line is one JSON object.

Exit 0: no anomaly. 1: some, told on standard error, ten of each name; or the run is no proof, since
somebody was silent at its end or nothing befell anybody.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.anomaly import Anomaly
from tests.chaos.controls import NOTICED_AS, VARIABLE, Broken, take_away
from tests.chaos.run import Report, run, tell

_TOLD_OF_EACH = 10


def main() -> None:
    """Run, tell, and exit by what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=90.0, help="how long faults go on")
    parser.add_argument("--seed", type=int, default=1, help="of the schedule")
    parser.add_argument("--broken", type=Broken, help="a control run: " + ", ".join(Broken))
    parser.add_argument("--folder", type=Path, help="where to leave everything, for a look at it")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    # Why: brokers are killed before Java's slower compiler has paid for itself.
    os.environ.setdefault("BUS_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    if chosen.broken is Broken.RANDOM_IDS:  # this process proves records, too
        os.environ[VARIABLE] = chosen.broken
        take_away(chosen.broken)
    report = asyncio.run(
        _run(chosen.seconds, chosen.seed, broken=chosen.broken, folder=chosen.folder)
    )
    _tell_anomalies(report.anomalies)
    for problem in report.problems:
        tell(f"no proof: {problem}")
    result = report.as_json()
    if chosen.broken is not None:
        expected = NOTICED_AS[chosen.broken]
        noticed = any(one.name is expected for one in report.anomalies)
        result |= {"broken": chosen.broken, "expected": expected, "noticed": noticed}
    print(json.dumps(result))  # noqa: T201 - the result
    sys.exit(0 if report.is_clean else 1)


async def _run(seconds: float, seed: int, *, broken: Broken | None, folder: Path | None) -> Report:
    """Run, and stop the engines too where this process is told to end."""
    whole = asyncio.current_task()
    assert whole is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, whole.cancel)
    return await run(seconds, seed, broken=broken, folder=folder)


def _tell_anomalies(anomalies: Sequence[Anomaly]) -> None:
    told: Counter[str] = Counter()
    for one in anomalies:
        told[one.name] += 1
        if told[one.name] <= _TOLD_OF_EACH:
            tell(f"{one.name} {one.what}: {one.why}")


if __name__ == "__main__":
    main()
