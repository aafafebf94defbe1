"""The rules of deploy/prometheus: read, looked over, and expanded into promtool's tests."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.tools import Tools
from tests.factories import ROOT

FOLDER = ROOT / "deploy/prometheus"
RULE_FILES = ("recording.yml", "alerts.yml")
"""In the order in which they are evaluated."""
CASES = ROOT / "tests/deploy/cases"
CASE_NAMES = ("fires", "just below", "two workers", "little traffic", "target gone")
SEVERITIES = ("critical", "warning", "info")
AUDIENCES = ("operator", "steward", "connector", "security")
TEXTS = ("summary", "summary_ru", "description", "description_ru")
"""An alert says itself in English and in Russian."""
BOARDS = (
    *("bus-health", "bus-flow", "bus-standards", "bus-dataset", "bus-letters", "bus-connector"),
    "bus-trust",
)
HEADINGS = ("What it means", "What to look at", "What to do", "How to know that it worked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alerting rule."""

    name: str
    expr: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    keeps_firing: bool


def documents(folder: Path = FOLDER) -> dict[str, Any]:
    return {name: yaml.safe_load((folder / name).read_text("utf-8")) for name in RULE_FILES}


def groups(folder: Path = FOLDER) -> list[dict[str, Any]]:
    return [group for content in documents(folder).values() for group in content["groups"]]


def alerts(folder: Path = FOLDER) -> list[Alert]:
    return [
        Alert(
            name=rule["alert"],
            expr=rule["expr"],
            labels=rule.get("labels", {}),
            annotations=rule.get("annotations", {}),
            keeps_firing="keep_firing_for" in rule,
        )
        for group in groups(folder)
        for rule in group["rules"]
        if "alert" in rule
    ]


def metrics_in(expr: str) -> set[str]:
    """Name the series that an expression speaks of."""
    without_strings = re.sub(r'"[^"]*"', "", expr)
    return {
        name
        for name in re.findall(r"(?<![\w:])(up|[a-z]\w*[_:][\w:]+)(?![\w:]*\s*\()", without_strings)
        if not re.search(rf"(by|on|group_left) \([^)]*\b{name}\b", without_strings)
    }


def findings(alert: Alert) -> Iterator[str]:
    """Tell what an alert lacks that whoever it wakes needs."""
    if alert.labels.get("severity") not in SEVERITIES:
        yield f"{alert.name}: no severity"
    if alert.labels.get("audience") not in AUDIENCES:
        yield f"{alert.name}: no audience"
    for text in TEXTS:
        if not alert.annotations.get(text):
            yield f"{alert.name}: no {text}"
    runbook = alert.annotations.get("runbook")
    page = ROOT / "docs/runbooks" / f"{alert.name}.md"
    if runbook != str(page.relative_to(ROOT)):
        yield f"{alert.name}: no runbook"
    elif not page.is_file():
        yield f"{alert.name}: {runbook} is not there"
    elif (found := re.findall(r"^## (.*)$", page.read_text("utf-8"), re.MULTILINE)) != [*HEADINGS]:
        yield f"{alert.name}: {runbook} has the headings {found}"
    board = re.match(r"/d/([a-z-]+)(\?|$)", alert.annotations.get("dashboard", ""))
    if board is None or board[1] not in BOARDS:
        yield f"{alert.name}: no dashboard"
    if not alert.keeps_firing and alert.name != "TargetDown":
        # What a dead process can't tell would be told as recovery before TargetDown is there.
        yield f"{alert.name}: no keep_firing_for"


def cases(name: str) -> dict[str, Any]:
    """Read the cases of an alert; each may be several."""
    content: dict[str, Any] = yaml.safe_load((CASES / f"{name}.yaml").read_text("utf-8"))
    return content


def failures(tools: Tools, name: str, into: Path, folder: Path = FOLDER) -> str:
    """Run the cases of one alert with promtool; give what failed, nothing where nothing did.

    Args:
        into: A scratch folder, where rules without annotations and the test stand.
        folder: The rules.
    """
    kept = _needed(name, documents(folder))
    for file, content in kept.items():
        (into / file).write_text(yaml.safe_dump(content, width=10_000), encoding="utf-8")
    content = cases(name)
    every = content.get("every", "1m")
    test = {
        "rule_files": [*RULE_FILES],
        "evaluation_interval": every,
        # Without an order promtool evaluates groups in any, and the same test passes now and then.
        "group_eval_order": [group["name"] for one in kept.values() for group in one["groups"]],
        "tests": [
            _expanded(name, case, one, content["labels"], every)
            for case in CASE_NAMES
            for one in (content[case] if isinstance(content[case], list) else [content[case]])
        ],
    }
    (into / "test.yml").write_text(yaml.safe_dump(test, width=10_000), encoding="utf-8")
    ended = subprocess.run(
        [tools.promtool, "test", "rules", "test.yml"],
        cwd=into,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ended.returncode == 0) == ("FAILED" not in ended.stdout + ended.stderr)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


def _needed(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Keep an alert and what it is computed from, without words: with all it takes minutes."""
    rules = [rule for one in found.values() for group in one["groups"] for rule in group["rules"]]
    recorded = [rule for rule in rules if "record" in rule]
    wanted = [{**rule, "annotations": {}} for rule in rules if rule.get("alert") == name]
    exprs = [rule["expr"] for rule in wanted]
    for expr in exprs:  # which grows
        for rule in recorded:
            if rule not in wanted and re.search(rf"(?<![\w:]){rule['record']}(?![\w:])", expr):
                wanted.append(rule)
                exprs.append(rule["expr"])
    return {
        file: {
            "groups": [
                {**group, "rules": kept}
                for group in content["groups"]
                if (kept := [one for one in map(_bare, group["rules"]) if one in wanted])
            ]
        }
        for file, content in found.items()
    }


def _bare(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**rule, "annotations": {}} if "alert" in rule else rule


def _expanded(
    name: str, case: str, one: Mapping[str, Any], labels: Mapping[str, str], every: str
) -> dict[str, Any]:
    firing = one.get("firing", {})
    return {
        "name": f"{name}: {case}",
        "interval": every,
        "input_series": [
            {"series": series, "values": str(values)} for series, values in one["series"].items()
        ],
        "alert_rule_test": [
            {
                "eval_time": time,
                "alertname": name,
                "exp_alerts": [
                    {"exp_labels": {**labels, **found}} for found in firing.get(time, [])
                ],
            }
            for time in (*one.get("silent", []), *firing)
        ],
    }
