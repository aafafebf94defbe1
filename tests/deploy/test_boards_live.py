"""Every query of every board on a bus at work, by the real Prometheus: each has an answer."""

from __future__ import annotations

import asyncio
import json
import math
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bus.supervise.role import Door, Role
from bus.supervise.supervisor import Slot, Supervisor
from bus.wiring import Installation
from deploy.grafana.board import VALUES_OF, Query, Variable
from deploy.grafana.boards import ALL
from tests.deploy.alerting import call
from tests.deploy.tools import Tools
from tests.deploy.watched import Watched, watched
from tests.factories import AGENCY, DATASET
from tests.flow import path
from tests.flow.command_line import bus
from tests.flow.conftest import put_in_force
from tests.flow.test_sinks import running

INTERVAL, RANGE = "20s", "10m"
"""What Grafana puts for `$__rate_interval` and `$__range`."""
PATIENCE_S = 45.0
LAST_TO_COME = (
    'sum(bus_requests_total{outcome="answered_auto"}) > 0',
    "sum(bus_gateway_refusals_total) > 0",
    'sum(bus_connector_rows_total{outcome="unreadable"}) > 0',
    "bus_law_checked_timestamp_seconds",
    "bus_key_expiry_timestamp_seconds",
    "count(bus_probe_last_back_timestamp_seconds) == 2",
    "bus:delivery_budget:remaining30d > -2",
    "bus:gateway_budget:remaining30d > -2",
    "agency_dataset_score:bus_promise_budget:remaining30d > -1e6",
)
OTHER = "economy-samara"
CONNECTOR = """\
connector: boards-folder
source: folder
system: territory-registry
dataset: municipalities
again_s: 1
config: {{folder: {folder}, settle_s: 0.1}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A Prometheus that saw a bus at work."""

    prometheus: str

    def points(self, expr: str) -> int:
        """Count the finite points of the last ten minutes."""
        now = time.time()
        asked = {"query": filled(expr), "step": "2", "start": str(now - 600), "end": str(now)}
        found = call(f"{self.prometheus}/api/v1/query_range?{urllib.parse.urlencode(asked)}")
        return sum(
            math.isfinite(float(value))
            for one in found["data"]["result"]
            for _, value in one["values"]
        )


def filled(expr: str) -> str:
    for variable in VALUES_OF:
        expr = expr.replace(f"${variable}", ".*")
    return expr.replace("$__rate_interval", INTERVAL).replace("$__range", RANGE)


@pytest.fixture(scope="module")
def seen(
    enrolled: Installation, tools: Tools, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("boards")
    with watched(tools, enrolled.home, folder) as watch:
        asyncio.run(work(enrolled, folder / "exports", watch))
        yield Seen(prometheus=watch.prometheus)


async def work(installation: Installation, exports: Path, watch: Watched) -> None:
    """Let every part of the bus do something, until Prometheus has seen it."""
    end_a_key(installation)
    await put_in_force(installation)
    connected(installation, exports)
    supervisor = Supervisor(
        [Slot(role=role, number=0) for role in (*Role, *Door)],
        environment={"BUS_HOME": str(installation.home), "BUS_PROBE_EVERY_S": "2"},
        log_folder=installation.home / "log",
    )
    at_work = asyncio.create_task(supervisor.run())
    try:
        async with running(installation, "boards-folder"):
            await path.publish(installation, path.rows("boards", 120))
            await path.settled(installation)
            answered = await asyncio.to_thread(ask, installation, DATASET, "boards-1", AGENCY)
            refused = await asyncio.to_thread(ask, installation, "municipalities", "m-1", OTHER)
            assert (answered["state"], refused["state"]) == ("answered_auto", "refused")
            await path.publish(installation, path.rows("boards-again", 60))
            await asyncio.to_thread(bus, installation, "verify")
            deadline_s = time.monotonic() + PATIENCE_S
            for expr in LAST_TO_COME:
                while not await asyncio.to_thread(is_there, watch, expr):
                    assert time.monotonic() < deadline_s, f"never came: {expr}"
                    await asyncio.sleep(1)
    finally:
        at_work.cancel()
        await asyncio.gather(at_work, return_exceptions=True)


def ask(installation: Installation, dataset: str, key: str, provider: str) -> Any:  # noqa: ANN401 - JSON
    """Ask for one entry as a consumer that has an agreement on institutions alone."""
    options = ("--as", "health-analytics", "--provider", provider, "--json")
    _, out, talk = bus(installation, "ask", dataset, key, *options)
    assert out, talk
    return json.loads(out)


def is_there(watch: Watched, expr: str) -> bool:
    asked = urllib.parse.urlencode({"query": expr})
    return bool(call(f"{watch.prometheus}/api/v1/query?{asked}")["data"]["result"])


def end_a_key(installation: Installation) -> None:
    """Let the key of one system end in a month, as one does that is to be replaced."""
    document = installation.keys_dir / "territory-registry.1.yaml"
    content = yaml.safe_load(document.read_text(encoding="utf-8"))
    content["valid_to"] = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    document.write_text(yaml.safe_dump(content), encoding="utf-8")


def connected(installation: Installation, exports: Path) -> None:
    """Write a folder with a table of which one line is none, and the connector of it."""
    exports.mkdir()
    rows = [
        {"registry_number": f"folder-{number}", "oktmo": "36701000", "name": "Село"}
        for number in range(20)
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (exports / "villages.jsonl").write_text("\n".join([*lines, "{broken"]), encoding="utf-8")
    folder = installation.home / "connectors"
    folder.mkdir(exist_ok=True)
    document = CONNECTOR.format(folder=exports)
    (folder / "boards-folder.yaml").write_text(document, encoding="utf-8")


PANELS = [
    pytest.param(query, id=f"{board.uid}-{panel.name}-{number}")
    for board in ALL
    for panel in board.panels
    for number, query in enumerate(panel.queries)
]


@pytest.mark.parametrize("query", PANELS)
def test_a_panel_has_points(seen: Seen, query: Query) -> None:
    assert seen.points(query.expr) > 0, query.expr


def test_a_misspelt_metric_has_none(seen: Seen) -> None:
    assert seen.points("sum(rate(bus_record_accepted_total[$__rate_interval]))") == 0


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
