"""A worker says that it is ill when records wait and its position stands still, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from bus.local import read_engines
from bus.local.layout import Layout
from bus.observe.health import Ailment
from bus.observe.report import Target, WorkerReport, announced_targets, ask
from bus.supervise.role import Role
from bus.wire import topics
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET
from tests.flow import path
from tests.observe.scraping import scrape
from tests.proxy import HoldProduce, KafkaLinks

IN = topics.inbound(AGENCY, DATASET)
LIMIT_S = 10


async def target(installation: Installation, role: Role) -> Target:
    async with asyncio.timeout(60):
        while True:
            for found in announced_targets(installation.home):
                if found.name == f"{role}-0" and await asyncio.to_thread(ask, found) is not None:
                    return found
            await asyncio.sleep(0.2)


async def until(found: Target, true: Callable[[WorkerReport], bool]) -> WorkerReport:
    async with asyncio.timeout(90):
        while True:
            report = await asyncio.to_thread(ask, found)
            if report is not None and true(report):
                return report
            await asyncio.sleep(0.3)


async def test_a_worker_whose_outputs_are_held_turns_red_and_green_again_and_idle_is_green(
    installation: Installation,
) -> None:
    engines = read_engines(installation.home)
    assert engines is not None
    links = KafkaLinks(
        {1: int(engines.kafka_bootstrap.rpartition(":")[2])},
        Layout.of(installation.home).broker_pem_file,
        engines.kafka_ca_file,
    )
    async with links.running():
        environment = {
            "BUS_KAFKA__BOOTSTRAP": links.bootstrap,
            "BUS_KAFKA__CA_FILE": str(engines.kafka_ca_file),
            "BUS_KAFKA__ADMIN_USER": engines.kafka_admin_user,
            "BUS_KAFKA__ADMIN_PASSWORD_FILE": str(engines.kafka_admin_password_file),
            "BUS_STALLED_AFTER_S": str(LIMIT_S),
        }
        with path.worker(installation, Role.ENFORCE, environment):
            found = await target(installation, Role.ENFORCE)
            await path.publish(installation, path.rows("healthy", 100))
            await until(found, lambda one: one.partitions > 0 and one.lag_records == 0)
            # Longer than the limit: a worker without work is not ill.
            await asyncio.sleep(LIMIT_S + 3)
            idle = await asyncio.to_thread(ask, found)
            assert idle is not None
            assert idle.problems == ()

            links.apply(HoldProduce())
            await path.publish(installation, path.rows("held-back", 50))
            red = await until(found, lambda one: not one.is_healthy)
            assert {problem.ailment for problem in red.problems} == {Ailment.POSITION_STALLED}
            assert {problem.where.rpartition("/")[0] for problem in red.problems} == {IN}
            assert red.lag_records == 50
            assert red.lag_s >= LIMIT_S - 1
            status, body = await asyncio.to_thread(scrape, found, "/healthz")
            assert status == 503
            assert b"position_stalled" in body
            assert "bus_worker_healthy 0.0" in await metrics(found)

            links.lift()
            green = await until(found, lambda one: one.is_healthy and one.lag_records == 0)
            assert green.lag_s == 0
            page = await metrics(found)
            assert lag_of(page) == 0
            assert "bus_assignments_total 1.0" in page.splitlines(), "its start, and no rebalance"
    # Killed, and nobody started it again: its file stays, so that it is seen to be gone.
    assert found in announced_targets(installation.home)
    assert await asyncio.to_thread(ask, found) is None


async def metrics(found: Target) -> str:
    status, body = await asyncio.to_thread(scrape, found, "/metrics")
    assert status == 200
    return body.decode()


def lag_of(page: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "bus_position_lag_records" and sample.labels["topic"] == IN
    )
