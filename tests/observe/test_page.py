from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from bus.observe import series
from bus.observe.health import Ailment, Problem
from bus.observe.known import known_to_enforcement
from bus.observe.meter import Meter
from bus.observe.report import Target, WorkerReport, announced, announced_targets, ask
from bus.observe.server import serving
from tests.factories import snapshot
from tests.observe.scraping import OPENMETRICS, scrape

WELL = WorkerReport(
    role="enforce",
    slot=0,
    pid=1,
    started_at=datetime(2026, 4, 1, tzinfo=UTC),
    restarts=2,
    version="0.1.0",
    catalogue=7,
    partitions=6,
    lag_records=0,
    lag_s=0.0,
    problems=(),
)
ILL = replace(
    WELL,
    problems=(Problem(ailment=Ailment.POSITION_STALLED, where="in.a.b/0", since_s=31.5),),
)


class Page:
    """A worker's page whose report a test chooses."""

    def __init__(self) -> None:
        self.meter = Meter(known_to_enforcement)
        self.meter.know(snapshot())
        self.report = WELL
        self.target = Target(name="enforce-0", address="")


@pytest.fixture
def page() -> Iterator[Page]:
    found = Page()
    with serving(found.meter.board.registry, lambda: found.report) as port:
        found.target = Target(name="enforce-0", address=f"127.0.0.1:{port}")
        yield found


def test_the_page_is_read_as_text_and_as_openmetrics_with_series_at_zero(page: Page) -> None:
    status, text = scrape(page.target, "/metrics")
    plain = {family.name for family in text_string_to_metric_families(text.decode())}
    other, body = scrape(page.target, "/metrics", OPENMETRICS)
    opened = {family.name for family in openmetrics_families(body.decode())}  # type: ignore[no-untyped-call]
    assert status == other == 200
    assert body.endswith(b"# EOF\n")
    assert "bus_records_accepted" in opened
    assert b'bus_build_info{version="' in text
    assert b'reason="unsigned"} 0.0' in text
    assert b"_created" not in text
    assert b"_created" not in body
    assert all(name.startswith("bus_") for name in plain | opened)


def test_every_series_of_the_reference_is_named_by_its_kind() -> None:
    for one in series.ALL:
        assert one.name.startswith("bus_")
        assert one.name.endswith("_total") == (one.kind is series.Kind.COUNTER), one.name
        assert bool(one.buckets_s) == (one.kind is series.Kind.HISTOGRAM), one.name


def test_health_is_green_or_red_with_what_is_wrong(page: Page) -> None:
    assert scrape(page.target, "/healthz")[0] == 200
    assert ask(page.target) == WELL
    page.report = ILL
    status, body = scrape(page.target, "/healthz")
    assert status == 503
    assert json.loads(body)["problems"][0]["ailment"] == "position_stalled"
    assert ask(page.target) == ILL
    assert scrape(page.target, "/elsewhere")[0] == 404


def test_another_worker_on_a_port_of_old_is_not_taken_for_the_one_that_had_it(page: Page) -> None:
    assert ask(replace(page.target, name="fund-0")) is None
    assert ask(Target(name="enforce-0", address="127.0.0.1:9")) is None


async def test_the_page_answers_while_the_event_loop_is_blocked(page: Page) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(scrape, page.target, "/healthz")
        deadline = time.monotonic() + 20
        while not asked.done() and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251 - the loop is blocked on purpose
        assert asked.result(0)[0] == 200


def test_a_worker_is_announced_as_prometheus_wants_it_until_it_ends(tmp_path: Path) -> None:
    with announced(tmp_path, role="fund", slot=1, host="bus-1", port=4321):
        (file,) = (tmp_path / "run/metrics").glob("*.json")
        assert json.loads(file.read_text()) == [
            {
                "targets": ["127.0.0.1:4321"],
                "labels": {"instance": "bus-1/fund-1", "role": "fund"},
            }
        ]
        assert announced_targets(tmp_path) == (Target(name="fund-1", address="127.0.0.1:4321"),)
    assert announced_targets(tmp_path) == ()
    with (
        pytest.raises(RuntimeError),
        announced(tmp_path, role="fund", slot=1, host="bus-1", port=4321),
    ):
        raise RuntimeError("a fault ends it")
    assert announced_targets(tmp_path), "who ends so is missed"
