"""What operators see of a bus that works, and of one that does not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bus.catalogue.parties import BUS
from bus.merge import Outcome
from bus.model.record import Lane
from bus.model.verdict import Reason
from bus.observe.report import announced_targets, ask
from bus.observe.status import LastCheck, Status, keep_check, read_status
from bus.supervise.role import Role
from bus.supervise.supervisor import Slot
from bus.texts import Language
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET
from tests.flow import path
from tests.flow.command_line import bus
from tests.observe.scraping import OPENMETRICS, scrape

COUNT = 200


async def status(installation: Installation) -> tuple[int, Any]:
    code, out, talk = await asyncio.to_thread(bus, installation, "status", "--json")
    assert out, talk
    return code, json.loads(out)["status"]


async def looked(installation: Installation) -> Status:
    """What the command shows, without a process for each look."""
    return await read_status(
        installation.home,
        cluster=lambda: installation.cluster_as(BUS),
        dsn=installation.fund_dsn,
        language=Language.EN,
    )


async def pages(installation: Installation) -> dict[str, Counter[tuple[str, ...]]]:
    """Values of every worker's samples; labels in the order of their names."""
    found = {}
    for target in announced_targets(installation.home):
        _, body = await asyncio.to_thread(scrape, target, "/metrics", OPENMETRICS)
        found[target.name] = Counter(
            {
                (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
                for family in text_string_to_metric_families(body.decode())  # type: ignore[no-untyped-call]
                for sample in family.samples
            }
        )
    return found


async def test_status_and_metrics_tell_what_workers_did_and_which_of_them_is_gone(
    installation: Installation,
) -> None:
    path.forget_the_dead(installation.home)
    checked_at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    keep_check(installation.home, LastCheck(at=checked_at, holds=True))
    async with path.supervised(installation) as supervisor:
        before = await _until_announced(installation)
        await path.publish(installation, path.rows("seen", COUNT))
        await path.settled(installation)
        broken = path.broken(COUNT)
        seen = await _until_housekeeping(installation, broken)
        enforce, fund = seen["enforce-0"], seen["fund-0"]
        accepted = ("bus_records_accepted_total", AGENCY, DATASET, Lane.LIVE)
        refused = ("bus_records_quarantined_total", AGENCY, DATASET, Reason.RULE_VIOLATED)
        inserted = ("bus_fund_records_total", DATASET, Outcome.INSERTED)
        assert enforce[accepted] - before["enforce-0"][accepted] == COUNT - broken
        assert enforce[refused] - before["enforce-0"][refused] == broken
        assert fund[inserted] - before["fund-0"][inserted] == COUNT - broken
        assert fund["bus_fund_latency_seconds_count", DATASET] >= COUNT - broken
        assert all(page["bus_worker_healthy",] == 1 for page in seen.values())
        assert (
            time.time() - enforce["bus_dataset_last_event_timestamp_seconds", AGENCY, DATASET] < 120
        )
        assert fund["bus_law_holds",] == 1
        assert fund["bus_law_checked_timestamp_seconds",] == checked_at.timestamp()
        assert fund["bus_dataset_target_ratio", DATASET, "timeliness"] == 0.95
        grown = {name: set(seen[name]) - set(before[name]) for name in seen}
        assert {sample[0] for new in grown.values() for sample in new} <= {
            # Lag comes with partitions, the others with what is in quarantine, held or asked for,
            # with a provider's first record, and with what housekeeping has seen and signed.
            "bus_requests_total",
            "bus_position_lag_records",
            "bus_position_lag_seconds",
            "bus_quarantine_open_records",
            "bus_quarantine_open_oldest_timestamp_seconds",
            "bus_fund_held_oldest_timestamp_seconds",
            "bus_audit_checkpoint_timestamp_seconds",
            "bus_dataset_last_event_timestamp_seconds",
            "bus_dataset_expected_interval_seconds",
            "bus_dataset_target_ratio",
            "bus_agreement_expiry_timestamp_seconds",
            "bus_law_holds",
            "bus_law_checked_timestamp_seconds",
        }

        code, found = await status(installation)
        assert code == 0, found
        (dataset,) = [one for one in found["fund"]["datasets"] if one["dataset"] == DATASET]
        assert dataset["history"] >= COUNT - broken
        assert {role["role"]: role["workers"] for role in found["kafka"]["roles"]} == {
            str(role): 1 for role in Role
        }
        assert sum(role["lag_records"] for role in found["kafka"]["roles"]) == 0
        assert all(one["report"]["pid"] for one in found["workers"])

        killed = supervisor.processes[Slot(role=Role.FUND, number=0)].pid
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(60):
            while True:
                workers = {one.name: one.report for one in (await looked(installation)).workers}
                again = workers.get("fund-0")
                if again is not None and again.pid != killed:
                    break
        assert again.restarts == 1

    # Kafka counts a worker that has stopped until its session is over.
    async with asyncio.timeout(60):
        while (await looked(installation)).is_healthy:
            await asyncio.sleep(0.5)
    code, found = await status(installation)
    assert code == 1
    assert found["workers"] == []
    code, shown, _ = await asyncio.to_thread(bus, installation, "--lang", "ru", "status")
    assert code == 1
    assert DATASET in shown
    assert "неполадки" in shown


@pytest.mark.parametrize("engine", ["kafka", "fund"])
async def test_status_says_which_engine_is_down_and_shows_what_the_other_tells(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    nobody = "127.0.0.1:9"
    if engine == "fund":
        password = installation.home / "secrets/postgres.password"
        monkeypatch.setenv("BUS_POSTGRES__DSN", f"postgresql://bus@{nobody}/bus")
        monkeypatch.setenv("BUS_POSTGRES__PASSWORD_FILE", str(password))
    else:
        admin = installation.cluster_as_admin()
        monkeypatch.setenv("BUS_KAFKA__BOOTSTRAP", nobody)
        monkeypatch.setenv("BUS_KAFKA__CA_FILE", str(admin.ca_file))
        monkeypatch.setenv("BUS_KAFKA__ADMIN_USER", admin.principal)
        monkeypatch.setenv("BUS_KAFKA__ADMIN_PASSWORD_FILE", str(admin.ca_file))
    down, other = (engine, "fund" if engine == "kafka" else "kafka")
    async with asyncio.timeout(180):
        while True:  # the other one may be too busy with this machine's other tests to answer
            code, found = await status(installation)
            assert code == 3
            assert found[down] is None
            assert found[f"{down}_down"]
            if found[other] is not None:
                break
    assert found[f"{other}_down"] is None
    code, shown, talk = await asyncio.to_thread(bus, installation, "status")
    assert code == 3
    assert "DOES NOT ANSWER" in shown
    assert "Traceback" not in talk


async def _until_announced(installation: Installation) -> dict[str, Counter[tuple[str, ...]]]:
    async with asyncio.timeout(90):
        while True:
            targets = announced_targets(installation.home)
            reports = [await asyncio.to_thread(ask, target) for target in targets]
            if len([report for report in reports if report is not None]) == len(Role):
                return await pages(installation)
            await asyncio.sleep(0.2)


async def _until_housekeeping(
    installation: Installation, broken: int
) -> dict[str, Counter[tuple[str, ...]]]:
    """Wait until the fund's housekeeping has looked into the quarantine."""
    sample = ("bus_quarantine_open_records", AGENCY, DATASET, Reason.RULE_VIOLATED)
    async with asyncio.timeout(60):
        while True:
            found = await pages(installation)
            if found["fund-0"][sample] >= broken:
                return found
            await asyncio.sleep(0.5)
