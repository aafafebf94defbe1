"""Who is told what, by audience and urgency, and what is held back while a process is gone."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from tests.deploy.alerting import CONFIG, START_S, alertmanager, call
from tests.deploy.rules import AUDIENCES, FOLDER, SEVERITIES, alerts
from tests.deploy.tools import Tools

URGENT = {"operator", "security", "connector"}
Labels = Mapping[str, str]


def amtool(tools: Tools, *arguments: str, config: Path = CONFIG) -> tuple[int, str]:
    ended = subprocess.run(
        [tools.amtool, *arguments, "--config.file", config]
        if "routes" in arguments
        else [tools.amtool, *arguments, config],
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_the_configuration_is_well_formed(tools: Tools) -> None:
    code, said = amtool(tools, "check-config")
    assert code == 0, said
    assert "1 templates" in said


def test_a_broken_configuration_is_found(tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(CONFIG.read_text("utf-8").replace("receiver: steward", "receiver: nobody"))
    code, said = amtool(tools, "check-config", config=file)
    assert code == 1, said
    assert "nobody" in said


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("audience", AUDIENCES)
def test_each_audience_is_told_at_its_own_address(
    tools: Tools, audience: str, severity: str
) -> None:
    urgent = audience in URGENT and severity == "critical"
    receiver = f"{audience}-urgent" if urgent else audience
    verified = f"--verify.receivers={receiver}"
    labels = (f"audience={audience}", f"severity={severity}", "alertname=Any")
    code, said = amtool(tools, "config", "routes", "test", verified, *labels)
    assert code == 0, said
    other = "--verify.receivers=" + ("operator" if receiver != "operator" else "steward")
    code, _ = amtool(tools, "config", "routes", "test", other, *labels)
    assert code == 1


def test_what_fits_no_route_reaches_the_operator(tools: Tools) -> None:
    code, said = amtool(
        tools, "config", "routes", "test", "--verify.receivers=operator", "alertname=New"
    )
    assert code == 0, said


def test_every_receiver_hears_what_is_over() -> None:
    content = yaml.safe_load(CONFIG.read_text("utf-8"))
    letters = [letter for one in content["receivers"] for letter in one["email_configs"]]
    assert len(letters) == len(content["receivers"]) == len({one["to"] for one in letters})
    assert all(letter["send_resolved"] for letter in letters)


@pytest.fixture(scope="module")
def running(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with alertmanager(tools, tmp_path_factory.mktemp("alertmanager")) as url:
        yield url


def held_back(url: str, firing: Sequence[Labels]) -> list[str]:
    """Let alerts fire, and give the names of those that are inhibited; then let them end."""
    probe = [labels_of(name, role="probe") for name in ("TargetDown", "WorkerIll")]
    # Why a probe behind them: what holds others back is learned in the order in which it came, by
    # a task of its own; once the probe is held back, all that came before it is known.
    for posted in (firing, probe):
        call(f"{url}/api/v2/alerts", [{"labels": labels} for labels in posted])
    deadline = time.monotonic() + START_S
    try:
        while True:
            found = call(f"{url}/api/v2/alerts?active=true&inhibited=true")
            inhibited = [one["labels"] for one in found if one["status"]["inhibitedBy"]]
            if len(found) == len(firing) + len(probe) and probe[1] in inhibited:
                inhibited.remove(probe[1])
                return sorted(labels["alertname"] for labels in inhibited)
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
    finally:
        past = "2020-01-01T00:00:00Z"
        over = [
            {"labels": labels, "startsAt": past, "endsAt": past} for labels in (*firing, *probe)
        ]
        call(f"{url}/api/v2/alerts", over)


def test_a_letter_says_it_in_both_languages_and_what_to_do(tools: Tools, tmp_path: Path) -> None:
    firing = next(alert for alert in alerts() if alert.name == "LagHigh")
    over = next(alert for alert in alerts() if alert.name == "TargetDown")
    begun, ended = "2026-11-30T10:00:00Z", "2026-11-30T11:00:00Z"
    letter = {
        "status": "firing",
        "alerts": [
            {
                "status": status,
                "labels": {"alertname": alert.name, **alert.labels},
                "annotations": alert.annotations,
                "startsAt": begun,
                "endsAt": ended,
            }
            for alert, status in ((firing, "firing"), (over, "resolved"))
        ],
    }
    (tmp_path / "letter.json").write_text(json.dumps(letter), encoding="utf-8")
    texts = ('{{ template "bus.subject" . }}', '{{ template "bus.text" . }}')
    subject, body = (
        subprocess.run(
            [
                *(tools.amtool, "template", "render", "--template.text", text),
                *("--template.glob", FOLDER / "alertmanager.tmpl"),
                *("--template.data", tmp_path / "letter.json"),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for text in texts
    )
    assert subject.strip() == f"[1] {firing.annotations['summary_ru']}"
    assert "2026-11-30 10:00 UTC" in body
    for alert in (firing, over):
        assert all(words in body for words in alert.annotations.values())
    assert body.index("ТРЕВОГА / FIRING: LagHigh") < body.index("ОТБОЙ / RESOLVED: TargetDown")


def labels_of(name: str, **more: str) -> Labels:
    """An alert as the rules give it."""
    found = next(alert for alert in alerts() if alert.name == name)
    return {"alertname": name, **found.labels, **more}


FUND_GONE = labels_of("TargetDown", role="fund", instance="h/fund-0")


@pytest.mark.parametrize(
    ("firing", "inhibited"),
    [
        ([labels_of("LawBroken"), labels_of("QuarantineOld", agency="edu")], True),
        ([labels_of("WorkerIll", role="fund", instance="h/fund-0")], True),
        # Another worker of the role is another worker; another role is told by others.
        ([labels_of("WorkerIll", role="fund", instance="h/fund-1")], False),
        ([labels_of("GatewayBudgetBurnsFast"), labels_of("RightsNotKept")], False),
        # Two roles tell these together.
        ([labels_of("DeliveryBudgetBurnsFast"), labels_of("DatasetAbsent", agency="edu")], True),
        ([labels_of("ValidityBudgetBurns", agency="edu")], True),
        ([labels_of("SeriesTooMany")], False),
        # Who stops a process must not silence these.
        ([labels_of("AuditUnsigned"), labels_of("KeyExpiring", agency="edu")], False),
        ([labels_of("TargetDown", role="enforce", instance="h/enforce-0")], False),
        ([labels_of("TargetDown", role="fund", instance="h/fund-1")], False),
    ],
)
def test_a_dead_process_holds_back_what_only_it_could_tell(
    running: str, firing: list[Labels], *, inhibited: bool
) -> None:
    names = sorted(labels["alertname"] for labels in firing)
    assert held_back(running, [FUND_GONE, *firing]) == (names if inhibited else [])


def test_a_role_that_nobody_announces_holds_back_what_only_it_could_tell(running: str) -> None:
    gone = labels_of("TargetDown", role="fund")
    assert held_back(running, [gone, labels_of("LawBroken")]) == ["LawBroken"]


def test_a_dead_connector_holds_back_its_own_alerts_and_no_other_connectors(running: str) -> None:
    gone = labels_of("TargetDown", role="connector", instance="h/connector-schools")
    own = labels_of("ConnectorDown", role="connector", instance="h/connector-schools")
    other = labels_of("ConnectorSilent", role="connector", instance="h/connector-meals")
    assert held_back(running, [gone, own, other]) == ["ConnectorDown"]


def test_it_runs_without_a_warning(tools: Tools, tmp_path: Path) -> None:
    with alertmanager(tools, tmp_path):
        pass
    assert "level=warn" not in (tmp_path / "alertmanager.log").read_text("utf-8")


def test_without_a_dead_process_nothing_is_held_back(running: str) -> None:
    assert held_back(running, [labels_of("LawBroken"), labels_of("DatasetStale")]) == []


@pytest.mark.parametrize("what", ["Delivery", "Gateway"])
def test_who_is_called_gets_no_letter_about_the_same(running: str, what: str) -> None:
    both = [labels_of(f"{what}BudgetBurnsFast"), labels_of(f"{what}BudgetBurnsSlowly")]
    assert held_back(running, both) == [f"{what}BudgetBurnsSlowly"]
