"""A worker of a live bus falls ill and dies: who is told what, by the real Prometheus."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from bus.local import read_engines
from bus.local.layout import Layout
from bus.supervise.role import Role
from bus.wiring import Installation
from tests.deploy.rules import groups
from tests.deploy.test_rules import metrics_in
from tests.deploy.tools import Tools
from tests.deploy.watched import HURRY, SCRAPE_S, Told, watched
from tests.flow import path
from tests.proxy import HoldProduce, KafkaLinks

STALLED_AFTER_S = 10
KEPT_S = 300 / HURRY
"""For how long an alert is kept up when its cause is no more to be seen."""
WAIT_S = 60.0
_TOLD_LATER = re.compile(
    # by other processes,
    r"bus_(connector|gateway|rights)_"
    # and where there is something to tell
    r"|bus_(law_|quarantine_open_oldest_|key_expiry_|dataset_last_event_)"
)


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


def through(links: KafkaLinks, installation: Installation) -> Mapping[str, str]:
    """Settings of a worker that reaches Kafka through links."""
    engines = read_engines(installation.home)
    assert engines is not None
    return {
        "BUS_KAFKA__BOOTSTRAP": links.bootstrap,
        "BUS_KAFKA__CA_FILE": str(engines.kafka_ca_file),
        "BUS_KAFKA__ADMIN_USER": engines.kafka_admin_user,
        "BUS_KAFKA__ADMIN_PASSWORD_FILE": str(engines.kafka_admin_password_file),
        "BUS_STALLED_AFTER_S": str(STALLED_AFTER_S),
    }


def links_of(installation: Installation) -> KafkaLinks:
    engines = read_engines(installation.home)
    assert engines is not None
    return KafkaLinks(
        {1: int(engines.kafka_bootstrap.rpartition(":")[2])},
        Layout.of(installation.home).broker_pem_file,
        engines.kafka_ca_file,
    )


def named_by_workers() -> set[str]:
    """Series that rules go by and that workers export from the start: a typo in one is silence."""
    named = {
        name for group in groups() for rule in group["rules"] for name in metrics_in(rule["expr"])
    }
    return {name for name in named if name.startswith("bus_") and not _TOLD_LATER.match(name)}


def operator_told(alert: str, status: str, instance: str) -> Told:
    return Told(
        receiver="operator-urgent",
        alert=alert,
        status=status,
        role=Role.ENFORCE,
        instance=instance,
    )


async def test_a_worker_that_dies_ill_is_told_once_as_dead_and_not_as_well_again(
    installation: Installation, tools: Tools, tmp_path: Path
) -> None:
    links = links_of(installation)
    async with links.running():
        with ExitStack() as others, ExitStack() as first:
            for role in (Role.FUND, Role.QUARANTINE):
                others.enter_context(path.worker(installation, role))
            first.enter_context(
                path.worker(installation, Role.ENFORCE, through(links, installation))
            )
            folder = installation.home / "run/metrics"
            await until(lambda: len(list(folder.glob("*-0.json"))) == len(Role))
            watch = await asyncio.to_thread(
                others.enter_context, watched(tools, installation.home, tmp_path)
            )
            enforce = next(name for name in watch.up() if name.endswith("/enforce-0"))

            await until(lambda: named_by_workers() <= watch.names())

            links.apply(HoldProduce())
            await path.publish(installation, path.rows("held-back", 50))
            ill = operator_told("WorkerIll", "firing", enforce)
            await until(lambda: ill in watch.told)

            before = len(watch.told)
            first.close()  # killed, and nobody starts it again
            dead = operator_told("TargetDown", "firing", enforce)
            await until(lambda: dead in watch.told)
            # Long enough for what only the dead worker told to end, and for a letter about it.
            await asyncio.sleep(KEPT_S + 3 * SCRAPE_S)
            assert "WorkerIll" not in await asyncio.to_thread(watch.firing)
            assert watch.told[before:] == [dead]

            links.lift()
            with path.worker(installation, Role.ENFORCE, through(links, installation)):
                again = operator_told("TargetDown", "resolved", enforce)
                await until(lambda: again in watch.told)
                assert watch.told[before:].count(dead) == 1
