"""`make bench`: speed on real engines, against peers; the last line is one JSON object.

    python -m tests.bench [PART...] [--only PART] [--quick]

Progress is told on standard error. A part that fails stands in the result with its error, the
others are measured all the same, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from tests.bench.options import PEERS, Options, say

PARTS: Final[Mapping[str, str]] = {
    "enforce": "tests.bench.enforce",
    "duties": "tests.bench.duties",
    "fund": "tests.bench.fund",
    "path": "tests.bench.path",
    "latency": "tests.bench.latency",
    "growth": "tests.bench.growth",
    "rules": "tests.bench.rules",
}
"""Part → module with `async def run(options) -> dict`, in the order in which they are measured."""


def main(arguments: list[str]) -> int:
    """Measure what is asked for; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--only", action="append", default=[], metavar="PART", choices=PARTS)
    parser.add_argument("--quick", action="store_true", help="small numbers, for development")
    parser.add_argument("--peers", type=Path, default=PEERS, help="Python with the peers' packages")
    given = parser.parse_args(arguments)
    unknown = sorted({*given.parts} - {*PARTS})
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    chosen = [name for name in PARTS if name in {*given.parts, *given.only}] or list(PARTS)
    # Why: engines are stopped and removed on the way out, however the run is ended.
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        options = Options(quick=given.quick, home=Path(home), peers=given.peers)
        parts = {name: _measured(name, options) for name in chosen}
    not_run = {
        name: reason for part in parts.values() for name, reason in part.pop("not_run", {}).items()
    }
    result = {**parts, "not_run": not_run}
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    return int(any("error" in part for part in parts.values()))


def _end(*_: object) -> None:
    """Go to the end once: a second signal must not cut the stopping of engines short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _measured(name: str, options: Options) -> dict[str, Any]:
    """Measure one part; a failure is a result too."""
    began = time.monotonic()
    say(f"{name} begins")
    try:
        module = importlib.import_module(PARTS[name])
        found = cast("dict[str, Any]", asyncio.run(module.run(options)))
    except Exception as problem:  # noqa: BLE001 - told, and the other parts are measured
        say("".join(traceback.format_exception(problem)))
        found = {"error": f"{type(problem).__name__}: {problem}"}
    took_s = round(time.monotonic() - began, 1)
    say(f"{name} took {took_s} s")
    return {**found, "took_s": took_s}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
