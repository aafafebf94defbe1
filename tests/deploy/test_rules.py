"""Every rule is sound, every alert fires when it should and at no other time."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bus.model.verdict import FUND_REASONS, Reason, Stage
from bus.observe.series import LATENCY_BUCKETS_S
from deploy.grafana.boards import ALL
from tests.deploy.rules import (
    CASE_NAMES,
    CASES,
    FOLDER,
    RULE_FILES,
    Alert,
    alerts,
    cases,
    failures,
    findings,
    groups,
    metrics_in,
)
from tests.deploy.tools import Tools
from tests.factories import ROOT

NAMES = sorted({alert.name for alert in alerts()})
PROMETHEUS_OWN = {"up", "scrape_samples_scraped"}
_HISTOGRAM_PARTS = re.compile(r"_(bucket|count)$")
SIGNATURE = {reason.value for reason in Reason if reason.stage is Stage.SIGNATURE}


def promtool(tools: Tools, *arguments: str, cwd: Path = FOLDER) -> tuple[int, str]:
    ended = subprocess.run(
        [tools.promtool, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def copied(into: Path) -> Path:
    return Path(shutil.copytree(FOLDER, into / "prometheus"))


def broken(folder: Path, found: str, put: str) -> None:
    """Change one place of the copied alerts."""
    file = folder / "alerts.yml"
    content = file.read_text("utf-8")
    assert content.count(found) == 1, found
    file.write_text(content.replace(found, put), encoding="utf-8")


def test_rules_and_configuration_are_well_formed(tools: Tools) -> None:
    code, said = promtool(tools, "check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)
    assert code == 0, said
    code, said = promtool(tools, "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")
    assert code == 0, said


def test_a_rule_that_is_there_twice_is_found(tools: Tools, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    content = (folder / "recording.yml").read_text("utf-8")
    rule = "      - record: bus:delivery_late:ratio1h\n"
    assert rule in content
    (folder / "recording.yml").write_text(
        content.replace(rule, f"{rule}        expr: vector(0)\n{rule}")
    )
    code, said = promtool(
        tools, "check", "rules", "--lint=all", "--lint-fatal", "recording.yml", cwd=folder
    )
    assert code == 3, said


def test_every_alert_has_what_whoever_it_wakes_needs() -> None:
    assert [one for alert in alerts() for one in findings(alert)] == []


@pytest.mark.parametrize(
    ("found", "put", "finding"),
    [
        ("          runbook: docs/runbooks/LagHigh.md\n", "", "LagHigh: no runbook"),
        ("alert: LagHigh", "alert: LagMuch", "LagMuch: no runbook"),
        ("{severity: warning, audience: operator, role: fund}", "{severity: loud}", "no severity"),
        ('summary_ru: "Процесс {{ $labels.instance }} ', 'summary_uk: "', "no summary_ru"),
        ("dashboard: /d/bus-connector?var-c", "dashboard: /d/bus-things?var-c", "no dashboard"),
    ],
)
def test_an_alert_without_one_of_these_is_found(
    tmp_path: Path, found: str, put: str, finding: str
) -> None:
    folder = copied(tmp_path)
    file = folder / "alerts.yml"
    content = file.read_text("utf-8")
    assert found in content
    file.write_text(content.replace(found, put, 1), encoding="utf-8")
    assert finding in "\n".join(one for alert in alerts(folder) for one in findings(alert))


def test_every_alert_has_each_kind_of_case_and_every_case_an_alert() -> None:
    assert sorted(path.stem for path in CASES.glob("*.yaml")) == NAMES
    for name in NAMES:
        content = cases(name)
        every = {
            case: content[case] if isinstance(content[case], list) else [content[case]]
            for case in CASE_NAMES
        }
        assert set(content) <= {*CASE_NAMES, "labels", "every"}, name
        assert any(one.get("firing") for one in every["fires"]), name
        assert any(one.get("firing") for one in every["two workers"]), name
        for case in ("just below", "little traffic"):
            assert all(one.get("silent") and "firing" not in one for one in every[case]), name
        for one in every["two workers"]:
            assert len(set(re.findall(r'instance="([^"]+)"', str([*one["series"]])))) > 1, name
        assert any("stale" in str(one["series"]) for one in every["target gone"]), name
        # promtool reads 0x60 as a number in base 16, not as sixty zeros: 0+0x60 is meant.
        values = [str(v) for many in every.values() for one in many for v in one["series"].values()]
        assert not [value for value in values if re.search(r"(^| )0x", value)], name


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_fires_when_it_should_and_at_no_other_time(
    tools: Tools, tmp_path: Path, name: str
) -> None:
    assert failures(tools, name, tmp_path) == ""


@pytest.mark.parametrize(
    ("name", "found", "put", "said"),
    [
        (  # a join without aggregation dies with the second worker
            "DatasetStale",
            "> 2 * max by (agency, dataset) (bus_dataset_expected_interval_seconds)",
            "> on (agency, dataset) 2 * bus_dataset_expected_interval_seconds",
            "many-to-many matching not allowed",
        ),
        (  # looks at one of the two
            "WorkerIll",
            "(bus_worker_healthy)",
            '(bus_worker_healthy{instance=~".*-0"})',
            "WorkerIll: two workers",
        ),
        (
            "DeliveryBudgetBurnsFast",
            " and sum_over_time(bus:delivery_late:increase1m[1h]) > 10",
            "",
            "DeliveryBudgetBurnsFast: little traffic",
        ),
        ("LagHigh", "max > 300 and", "max > 270 and", "LagHigh: fires"),
        (
            "SignatureFailures",
            "key_foreign|key_not_valid",
            "key_not_valid",
            "SignatureFailures: target",
        ),
        (
            "TargetDown",
            'absent(up{job="bus", role="fund"})',
            "absent(up)",
            "TargetDown: target gone",
        ),
    ],
)
def test_a_rule_that_is_wrong_fails_its_case(
    tools: Tools, tmp_path: Path, name: str, found: str, put: str, said: str
) -> None:
    folder = copied(tmp_path)
    broken(folder, found, put)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert said in failures(tools, name, scratch, folder)


def test_rules_speak_of_metrics_that_there_are() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text("utf-8")
    known = {*re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE), *PROMETHEUS_OWN}
    recorded = {rule["record"] for group in groups() for rule in group["rules"] if "record" in rule}
    unknown = {
        name
        for group in groups()
        for rule in group["rules"]
        for name in metrics_in(rule["expr"])
        if name not in known | recorded and _HISTOGRAM_PARTS.sub("", name) not in known
    }
    assert unknown == set()
    in_alerts = {name for alert in alerts() for name in metrics_in(alert.expr)}
    in_rules = {
        name for group in groups() for rule in group["rules"] for name in metrics_in(rule["expr"])
    }
    budgets = {name for name in recorded if name.endswith("remaining30d")}
    assert recorded - in_alerts - in_rules == budgets, "recorded, and nobody reads it"


def test_buckets_in_rules_are_buckets_that_there_are() -> None:
    exprs = " ".join(rule["expr"] for group in groups() for rule in group["rules"])
    found = set(re.findall(r'\ble="([^"]*)"', exprs))
    assert found == {"30.0"}
    assert found <= {str(limit) for limit in LATENCY_BUCKETS_S}


def test_words_of_an_alert_name_labels_that_it_has() -> None:
    for alert in alerts():
        content = cases(alert.name)
        fires = content["fires"] if isinstance(content["fires"], list) else [content["fires"]]
        has = {*content["labels"]}.union(
            *(found for one in fires for found in one.get("firing", {}).values() for found in found)
        )
        named = set(re.findall(r"\$labels\.(\w+)", str(dict(alert.annotations))))
        assert named <= has, alert.name


def test_boards_that_alerts_lead_to_can_be_narrowed_so() -> None:
    narrowed = {board.uid: {*map(str, board.variables)} for board in ALL}
    for alert in alerts():
        board, _, query = alert.annotations["dashboard"].removeprefix("/d/").partition("?")
        assert set(re.findall(r"var-(\w+)=", query)) <= narrowed[board], alert.name


def test_reasons_in_rules_are_those_of_their_stages() -> None:
    not_the_records = SIGNATURE | {reason.value for reason in FUND_REASONS}
    told: dict[str, set[frozenset[str]]] = {"=~": set(), "!~": set()}
    for group in groups():
        for rule in group["rules"]:
            for kind, reasons in re.findall(r'reason(=~|!~)"([^"]*)"', rule["expr"]):
                told[kind].add(frozenset(reasons.split("|")))
    assert told == {"=~": {frozenset(SIGNATURE)}, "!~": {frozenset(not_the_records)}}


def test_alerts_of_one_name_differ_in_urgency_alone() -> None:
    by_name: dict[str, list[Alert]] = {}
    for alert in alerts():
        by_name.setdefault(alert.name, []).append(alert)
    for name, found in by_name.items():
        assert len({alert.labels["severity"] for alert in found}) == len(found), name
        assert len({alert.labels["audience"] for alert in found}) == 1, name
