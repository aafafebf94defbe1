"""`python -m tests.chaos --seconds 600 --seed 1`: a chaos run; its last line is one JSON object.

Exit 0: no anomaly. 1: some, told on standard error, ten of each name; or the run is no proof, since
somebody was silent at its end or nothing befell anybody. A control run (`--broken`) has to find
something: 1 says that it named what the bus went without, 2 that it did not notice (or that the
command itself is wrong). With `--whole` nothing is taken away, and a control run has to end with 0.
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
from tests.chaos.report import Report, exit_code_of
from tests.chaos.run import run, tell

_TOLD_OF_EACH = 10


def main() -> None:
    """Run, tell, and exit by what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=90.0, help="how long faults go on")
    parser.add_argument("--seed", type=int, default=1, help="of the schedule")
    parser.add_argument("--broken", type=Broken, help="a control run: " + ", ".join(Broken))
    parser.add_argument(
        "--whole", action="store_true", help="of a control the stage and the plan, nothing broken"
    )
    parser.add_argument("--folder", type=Path, help="where to leave everything, for a look at it")
    chosen = parser.parse_args()
    if chosen.whole and chosen.broken is None:
        parser.error("--whole is of a control run; say which by --broken")
    broken = None if chosen.whole else chosen.broken
    logging.basicConfig(level=logging.ERROR)
    # Why: brokers are killed before Java's slower compiler has paid for itself.
    os.environ.setdefault("BUS_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    if broken is Broken.RANDOM_IDS:  # this process proves records, too
        os.environ[VARIABLE] = broken
        take_away(broken)
    report = asyncio.run(_run(chosen))
    _tell_anomalies(report.anomalies)
    for problem in report.problems:
        tell(f"no proof: {problem}")
    result = report.as_json()
    if broken is not None:
        expected = NOTICED_AS[broken]
        result |= {"broken": broken, "expected": expected, "noticed": report.notices(broken)}
    print(json.dumps(result))  # noqa: T201 - the result
    sys.exit(exit_code_of(report, broken))


async def _run(chosen: argparse.Namespace) -> Report:
    """Run, and stop the engines too where this process is told to end."""
    whole = asyncio.current_task()
    assert whole is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, whole.cancel)
    return await run(
        chosen.seconds,
        chosen.seed,
        broken=chosen.broken,
        is_whole=chosen.whole,
        folder=chosen.folder,
    )


def _tell_anomalies(anomalies: Sequence[Anomaly]) -> None:
    told: Counter[str] = Counter()
    for one in anomalies:
        told[one.name] += 1
        if told[one.name] <= _TOLD_OF_EACH:
            tell(f"{one.name} {one.what}: {one.why}")


if __name__ == "__main__":
    main()
