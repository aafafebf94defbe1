"""Malformed input at volume: in this process by the million, or through running agents.

Usage: python -m tests.malformed [--count N] [--seed S]
       python -m tests.malformed --live N [--seed S]

Progress goes to stderr; the last line of stdout is one JSON object; exit 1 on a finding.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.malformed")
    parser.add_argument("--count", type=int, default=1_000_000, help="mutants to judge in process")
    parser.add_argument("--live", type=int, help="mutants to send through running agents instead")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    if chosen.live is None:
        from tests.malformed.in_process import run  # noqa: PLC0415 - the other needs no engines

        report = run(chosen.count, chosen.seed, tell=_tell)
    else:
        from tests.malformed.live import run_alone  # noqa: PLC0415 - the other needs engines

        report = run_alone(chosen.live, chosen.seed, tell=_tell)
    print(report.line())  # noqa: T201 - what a script reads
    return 1 if report.findings else 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a person waits


sys.exit(main(sys.argv[1:]))
