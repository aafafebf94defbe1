"""Every query of boards and rules on a bus at work, by the real Prometheus: each has an answer."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.parse
from collections.abc import Iterator

import pytest

from bus.wiring import Installation
from deploy.grafana.board import VALUES_OF, Query, Variable
from deploy.grafana.boards import ALL
from tests.deploy.alerting import call
from tests.deploy.busy import PROCESSES, Seen, ending_key, filled, work
from tests.deploy.questions import questions
from tests.deploy.rules import groups
from tests.deploy.tools import Tools
from tests.deploy.watched import watched
from tests.factories import AGENCY, DATASET
from tests.flow import path
from tests.flow.command_line import bus

PANELS = [
    pytest.param(query, id=f"{board.uid}-{panel.name}-{number}")
    for board in ALL
    for panel in board.panels
    for number, query in enumerate(panel.queries)
]
RULES = [
    pytest.param(rule["expr"], id=f"{rule.get('alert') or rule['record']}-{number}")
    for group in groups()
    for number, rule in enumerate(group["rules"])
]
NEVER_HERE = {
    # Of several hosts, each with a Prometheus of its own; this is one.
    'min by (instance) (up{job="bus-hosts"})',
    'up{job="bus-hosts"}',
    # It is recorded of weeks past, and this bus is minutes old; what it is made of is asked below.
    "agency_dataset:bus_live_accepted_usual:increase1h",
}


@pytest.fixture(scope="module")
def seen(
    enrolled: Installation, tools: Tools, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("seen")
    path.forget_the_dead(enrolled.home)
    with ending_key(enrolled), watched(tools, enrolled.home, folder) as watch:
        pages = asyncio.run(work(enrolled, folder / "exports", watch))
        yield Seen(prometheus=watch.prometheus, pages=pages)


@pytest.mark.parametrize("query", PANELS)
def test_a_panel_has_points(seen: Seen, query: Query) -> None:
    assert seen.points(query.expr) > 0, query.expr


def test_a_misspelt_metric_has_none(seen: Seen) -> None:
    assert seen.points("sum(rate(bus_record_accepted_total[$__rate_interval]))") == 0


@pytest.mark.parametrize("expr", RULES)
def test_what_a_rule_looks_at_is_there(seen: Seen, expr: str) -> None:
    assert [one for one in silent(seen, expr) if one not in NEVER_HERE] == []


@pytest.mark.parametrize(
    "expr",
    [
        "sum by (agency) (increase(bus_record_accepted_total[5m])) > 10",
        'time() - (max(bus_key_expiry_timestamp_seconds{agency=""}) > 0) > 120',
        "min by (connector) (bus_connector_source_up or bus_connector_sinks_up) == 0",
        "bus_worker_healthy == 0 unless on (role) sum by (role) (bus_worker_restart_total) > 3",
        "max by (agency) (bus_dataset_target_ratio) / on (agency) bus_key_expiry_timestamp_seconds",
    ],
)
def test_a_rule_that_looks_at_nothing_is_found(seen: Seen, expr: str) -> None:
    assert silent(seen, expr)


def silent(seen: Seen, expr: str) -> list[str]:
    return [one for one in questions(expr) if not seen.points(one)]


@pytest.mark.parametrize("process", PROCESSES)
def test_a_page_is_as_prometheus_wants_it(seen: Seen, tools: Tools, process: str) -> None:
    assert said_of(tools, seen.pages[process]) == ""


def test_no_process_is_left_out_and_a_page_that_is_none_is_found(seen: Seen, tools: Tools) -> None:
    assert sorted(seen.pages) == sorted(PROCESSES)
    assert said_of(tools, seen.pages["fund-0"].replace(b"# HELP bus_", b"# HELP bus"))


def said_of(tools: Tools, page: bytes) -> str:
    """Let promtool look at a page; give what it finds."""
    ended = subprocess.run(
        [tools.promtool, "check", "metrics"], input=page, capture_output=True, check=False
    )
    said = (ended.stdout + ended.stderr).decode()
    assert (ended.returncode == 0) == (said == "")
    return said


@pytest.mark.parametrize("variable", list(Variable))
def test_a_board_can_be_narrowed(seen: Seen, variable: Variable) -> None:
    metric, label = (
        VALUES_OF[variable].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
    )
    found = urllib.parse.urlencode({"match[]": filled(metric)})
    values = call(f"{seen.prometheus}/api/v1/label/{label}/values?{found}")["data"]
    assert values


def test_what_was_promised_is_shown_by_steward(
    seen: Seen, enrolled: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_PROMETHEUS", seen.prometheus)
    code, out, talk = bus(enrolled, "slo", "--dataset", DATASET, "--agency", AGENCY, "--json")
    assert code in {0, 1}, talk
    reached = {one["objective"]: one["reached"] for one in json.loads(out)["promises"]}
    assert reached["validity"] is not None
    assert 0 < reached["validity"] < 1
    assert (code == 1) == any(one["standing"] == "broken" for one in json.loads(out)["promises"])
