"""A bus of which every part has done something, while Prometheus saw it."""

from __future__ import annotations

import asyncio
import json
import math
import time
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from bus.observe.report import targets_folder
from bus.supervise.role import Door, Role
from bus.wiring import Installation
from connectors.twins import changes_engine
from deploy.grafana.board import VALUES_OF
from tests.deploy.alerting import call
from tests.deploy.connecting import connected, villages
from tests.deploy.watched import Watched
from tests.factories import AGENCY, DATASET
from tests.flow import path
from tests.flow.command_line import bus
from tests.flow.conftest import put_in_force
from tests.flow.test_first_load import HEALTH

INTERVAL, RANGE = "20s", "10m"
"""What Grafana puts for `$__rate_interval` and `$__range`."""
PATIENCE_S = 60.0
FOLDER, HOOK, CHANGES = "busy-folder", "busy-hook", "busy-changes"
"""Connectors: of two sources and of a sink."""
PROCESSES = (
    *(f"{role}-0" for role in (*Role, *Door)),
    *(f"connector-{name}" for name in (FOLDER, HOOK, CHANGES)),
)
LAST_TO_COME = (
    'sum(bus_requests_total{outcome="answered_auto"}) > 0',
    "sum(bus_gateway_refusals_total) > 0",
    'sum(bus_connector_rows_total{outcome="unreadable"}) > 0',
    "bus_connector_sink_up",
    "bus_connector_slot_retained_bytes",
    "bus_law_checked_timestamp_seconds",
    "bus_key_expiry_timestamp_seconds",
    "count(bus_probe_last_back_timestamp_seconds) == 2",
    # Compared, since what nothing was divided by is no number. Why so low: of so few requests one
    # that fails spends a budget of months.
    "bus:delivery_budget:remaining30d > -1e6",
    "bus:gateway_budget:remaining30d > -1e6",
    "agency_dataset_score:bus_promise_budget:remaining30d > -1e6",
)
OTHER = "economy-samara"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A Prometheus that saw a bus at work."""

    prometheus: str
    pages: Mapping[str, bytes]
    """By process: what each showed at the end, in Prometheus' text."""

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


async def work(installation: Installation, exports: Path, watch: Watched) -> Mapping[str, bytes]:
    """Let every part of the bus do something, until Prometheus has seen it; give all pages."""
    await put_in_force(installation)
    async with AsyncExitStack() as stack:
        often = {"BUS_PROBE_EVERY_S": "2"}
        every = path.supervised(installation, roles=(*Role, *Door), environment=often)
        await stack.enter_async_context(every)
        await path.publish(installation, path.rows("busy", 120))
        await path.settled(installation)
        for name, document in {
            FOLDER: villages(exports, "busy", ["{broken"]),
            HOOK: await stack.enter_async_context(taking()),
            CHANGES: await stack.enter_async_context(captured()),
        }.items():
            await stack.enter_async_context(connected(installation, name, document))
        answered, refused = await asyncio.gather(
            asyncio.to_thread(ask, installation, DATASET, "busy-1", AGENCY),
            asyncio.to_thread(ask, installation, "municipalities", "m-1", OTHER),
        )
        assert (answered["state"], refused["state"]) == ("answered_auto", "refused")
        await path.publish(installation, path.rows("busy-again", 60))
        await asyncio.to_thread(bus, installation, "verify")
        deadline_s = time.monotonic() + PATIENCE_S
        for expr in LAST_TO_COME:
            while not await asyncio.to_thread(is_there, watch, expr):
                assert time.monotonic() < deadline_s, f"never came: {expr}"
                await asyncio.sleep(1)
        return await asyncio.to_thread(pages, installation)


@asynccontextmanager
async def taking() -> AsyncIterator[Mapping[str, object]]:
    """Serve what takes records by requests; give the document of a connector that sends them."""

    async def take(_: web.Request) -> web.Response:
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/", take)
    async with TestServer(application, host="127.0.0.1") as server:
        yield {
            "sink": "webhook",
            "system": HEALTH.system,
            "dataset": HEALTH.dataset,
            "config": {"url": str(server.make_url("/")), "secret": "whsec_" + "c2VjcmV0" * 4},
        }


@asynccontextmanager
async def captured() -> AsyncIterator[Mapping[str, object]]:
    """Make a table with one row; give the document of a connector that follows its changes."""
    engine = changes_engine.engine()
    async with await engine.session() as session:
        await session.execute(
            "CREATE TABLE school (registry_number text PRIMARY KEY, full_name text,"
            " kind text, address text); ALTER TABLE school REPLICA IDENTITY FULL;"
            " INSERT INTO school VALUES ('changed-1', 'Школа № 1', 'school', 'г. Тольятти')"
        )
        try:
            yield {
                "source": "postgres-changes",
                "system": "tlt-schools",
                "dataset": DATASET,
                "config": {"dsn": engine.dsn, "table": "school", "key": "registry_number"},
            }
        finally:
            # Why: the engine is that of all tests of this process, and they count what there is.
            slots = "FROM pg_replication_slots WHERE slot_name LIKE 'bus_busy_%'"
            async with asyncio.timeout(PATIENCE_S):
                while await (await session.execute(f"SELECT 1 {slots} AND active")).fetchone():
                    await asyncio.sleep(0.1)
            await session.execute(f"SELECT pg_drop_replication_slot(slot_name) {slots}")
            await session.execute("DROP PUBLICATION IF EXISTS bus_busy_changes")
            await session.execute("DROP TABLE school")


def pages(installation: Installation) -> Mapping[str, bytes]:
    """Read the page of each process that says where it is."""
    found = {}
    for file in targets_folder(installation.home).glob("*.json"):
        (announcement,) = json.loads(file.read_text(encoding="utf-8"))
        found[file.stem] = call(f"http://{announcement['targets'][0]}/metrics")
    return found


def ask(installation: Installation, dataset: str, key: str, provider: str) -> Any:  # noqa: ANN401 - JSON
    """Ask for one entry as a consumer that has an agreement on institutions alone."""
    options = ("--as", "health-analytics", "--provider", provider, "--json")
    _, out, talk = bus(installation, "ask", dataset, key, *options)
    assert out, talk
    return json.loads(out)


def is_there(watch: Watched, expr: str) -> bool:
    asked = urllib.parse.urlencode({"query": expr})
    return bool(call(f"{watch.prometheus}/api/v1/query?{asked}")["data"]["result"])


@contextmanager
def ending_key(installation: Installation) -> Iterator[None]:
    """Let the key of one system end in a month, as one does that is to be replaced."""
    document = installation.keys_dir / "territory-registry.1.yaml"
    before = document.read_bytes()
    content = yaml.safe_load(before)
    content["valid_to"] = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    document.write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        yield
    finally:
        document.write_bytes(before)
