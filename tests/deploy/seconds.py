"""How long it takes from a fault to the letter about it, measured and to expect.

    python -m tests.deploy.seconds

lets the faults of `test_alerts_live.py` befall a real bus, with hurried rules, notes what it took
in `seconds.json` and writes the table into the page on alerts. What to expect is counted from that
and from the waits of the rules and routes as they are committed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.hurry import hurried, milliseconds
from tests.deploy.rules import FOLDER
from tests.factories import ROOT

MEASURED_INTO: Final = "BUS_TEST_SECONDS_INTO"
"""Variable of the environment: the file that the test writes what it measured into."""
MEASURED: Final = ROOT / "tests/deploy/seconds.json"
PAGE: Final = ROOT / "docs/how-to/be-alerted.md"
_BEGIN: Final = "<!-- written by python -m tests.deploy.seconds -->\n"
_END: Final = "<!-- end -->\n"


@unique
class Fault(StrEnum):
    """What befalls a bus."""

    SOURCE_STOPS = "A connector's source stops"
    DATASET_GOES_STALE = "A dataset goes stale: twice the promised interval is over"
    RULE_FAILS = "Records begin to break a rule"
    FUND_GOES_DOWN = "The data fund's PostgreSQL stops"
    WORKER_IS_KILLED = "A worker is killed and not started again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What stands between a symptom and the letter, seconds."""

    alert: str
    receiver: str
    holds_s: float
    """The rule's `for`."""
    grouped_s: float
    """The route's `group_wait`."""


_ALERT_OF: Final = {
    Fault.SOURCE_STOPS: "ConnectorDown",
    Fault.DATASET_GOES_STALE: "DatasetStale",
    Fault.RULE_FAILS: "RuleNewlyBroken",
    Fault.FUND_GOES_DOWN: "TargetDown",
    Fault.WORKER_IS_KILLED: "TargetDown",
}


def note(told_s: Mapping[Fault, float], into: Path) -> None:
    """Keep what was measured, with its day and its machine."""
    content = {
        "on": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} processors, {platform.machine()}, a load of"
        f" {os.getloadavg()[1]:.0f}",
        "told_s": {fault.name: round(told_s[fault], 1) for fault in Fault},
    }
    into.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def table(folder: Path = FOLDER) -> str:
    """Write the table by what was measured and by the rules and routes in a folder."""
    content = json.loads(MEASURED.read_text("utf-8"))
    lines = [
        f"Measured on {content['on']} ({content['machine']}).",
        "",
        "| Fault | Alert | Told | In a hurry | It waited | Else it waits | To expect at most |",
        "|---|---|---|---|---|---|---|",
    ]
    for fault in Fault:
        told_s = content["told_s"][fault.name]
        hurry, real = waits(fault, folder, is_hurried=True), waits(fault, folder, is_hurried=False)
        expected_s = told_s - hurry.holds_s - hurry.grouped_s
        expected_s += real.holds_s + real.grouped_s + _looks_s(folder)
        lines.append(
            f"| {fault} | {real.alert} | `{real.receiver}` | {told_s:.0f} s"
            f" | {hurry.holds_s:.0f} + {hurry.grouped_s:.1f} s"
            f" | {real.holds_s:.0f} + {real.grouped_s:.0f} s | {expected_s:.0f} s |"
        )
    return "\n".join(lines) + "\n"


def waits(fault: Fault, folder: Path, *, is_hurried: bool) -> Waits:
    """Look up how long rule and route wait at a fault."""
    rules, routes = (
        _read(folder / name, is_hurried) for name in ("alerts.yml", "alertmanager.yml")
    )
    rule = next(
        rule
        for group in rules["groups"]
        for rule in group["rules"]
        if rule["alert"] == _ALERT_OF[fault]
    )
    labels = {f'{name}="{value}"' for name, value in rule["labels"].items()}
    root = routes["route"]
    route = {**root, **next(one for one in root["routes"] if labels >= {*one["matchers"]})}
    return Waits(
        alert=rule["alert"],
        receiver=route["receiver"],
        holds_s=_s(rule.get("for", "0s")),
        grouped_s=_s(route["group_wait"]),
    )


def _looks_s(folder: Path) -> float:
    """Tell for how long at most a symptom is there and nobody has looked."""
    every = _read(folder / "prometheus.yml", is_hurried=False)["global"]
    return _s(every["scrape_interval"]) + _s(every["evaluation_interval"])


def _s(wait: str) -> float:
    return milliseconds(wait) / 1000


def _read(file: Path, is_hurried: bool) -> Any:  # noqa: ANN401 - YAML; one of two readings
    content = yaml.safe_load(file.read_text("utf-8"))
    return hurried(content) if is_hurried else content


def written(page: str, content: str) -> str:
    """Put the table into the page."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{content}{_END}{after}"


def main() -> None:
    """Measure, and write both."""
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "seconds.json"
        os.environ[MEASURED_INTO] = str(into)
        code = pytest.main(["-n", "0", str(ROOT / "tests/deploy/test_alerts_live.py")])
        if code or not into.exists():
            sys.exit("nothing was measured")
        MEASURED.write_bytes(into.read_bytes())
    PAGE.write_text(written(PAGE.read_text("utf-8"), table()), encoding="utf-8")


if __name__ == "__main__":
    main()
