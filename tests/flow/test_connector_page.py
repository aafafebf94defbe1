"""The metrics of a connector that runs: found like a worker's, and named after it."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bus.observe.report import Target, announced_targets, targets_folder
from bus.wiring import Installation
from connectors.metrics import OF_SOURCES
from tests.factories import DATASET, ROOT, SYSTEM, VALID
from tests.flow.command_line import bus
from tests.observe.scraping import OPENMETRICS, scrape

NAME = "page-folder"
DOCUMENT = """\
connector: {name}
source: folder
system: {system}
dataset: {dataset}
config: {{folder: {folder}, settle_s: 0.1}}
"""


@asynccontextmanager
async def running(
    installation: Installation, *more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the connector until it is told to end, or ends by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from bus.cli.main import run; run()",
        *("connector", "run", NAME, *more),
        env={**os.environ, "BUS_HOME": str(installation.home)},
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def page_file(installation: Installation) -> Path:
    return targets_folder(installation.home) / f"connector-{NAME}.json"


async def told(installation: Installation, *, but: str = "") -> tuple[str, dict[str, str]]:
    """Wait for the file of a run; give the address, another one than `but`, and the labels."""
    async with asyncio.timeout(60):
        while True:
            if page_file(installation).exists():
                (one,) = json.loads(page_file(installation).read_text())
                if one["targets"] != [but]:
                    return one["targets"][0], one["labels"]
            await asyncio.sleep(0.1)


async def scraped(address: str) -> dict[str, float]:
    """Values by name; where a series has an outcome, by that too."""
    target = Target(name="", address=address)
    status, body = await asyncio.to_thread(scrape, target, "/metrics", OPENMETRICS)
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(body.decode()):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            assert sample.labels["connector"] == NAME
            if "le" not in sample.labels:
                found[f"{sample.name}{sample.labels.get('outcome', '')}"] = sample.value
    return found


async def test_a_connector_is_found_while_it_runs_and_tells_what_it_did(
    installation: Installation, tmp_path: Path
) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    with (exports / "schools.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, VALID)
        rows.writeheader()
        rows.writerows({**VALID, "registry_number": f"page-{number}"} for number in range(3))
    documents = installation.home / "connectors"
    documents.mkdir(exist_ok=True)
    written = DOCUMENT.format(name=NAME, system=SYSTEM, dataset=DATASET, folder=exports)
    (documents / f"{NAME}.yaml").write_text(written)
    workers = announced_targets(installation.home)

    async with running(installation) as first:
        address, labels = await told(installation)
        assert labels["role"] == "connector"
        assert labels["instance"].endswith(f"/connector-{NAME}")
        assert announced_targets(installation.home) == workers, "it is no worker"
        async with asyncio.timeout(60):
            while (found := await scraped(address))["bus_connector_rows_totalsent"] < 3:
                assert found.get("bus_connector_source_up", 1) == 1
                await asyncio.sleep(0.2)
        async with asyncio.timeout(30):
            while not (found := await scraped(address)).get(
                "bus_connector_poll_duration_seconds_count"
            ):
                await asyncio.sleep(0.2)
        assert found["bus_connector_rows_totalunreadable"] == 0
        kept_at = found["bus_connector_position_kept_timestamp_seconds"]
        assert kept_at <= found["bus_connector_last_stretch_timestamp_seconds"]
        names = {one.name for one in OF_SOURCES} - {"bus_connector_slot_retained_bytes"}
        assert {
            name.removesuffix(outcome).removesuffix("_count").removesuffix("_sum")
            for name in found
            for outcome in ("sent", "repeated", "unreadable")
            if name.endswith(outcome) or "rows" not in name
        } == names
        await assert_in_status(installation)
        status, body = await asyncio.to_thread(scrape, Target(name="", address=address), "/healthz")
        assert (status, body) == (404, b"here is /metrics\n")

        async with running(installation) as second:
            assert second.stderr is not None
            assert await asyncio.wait_for(second.stderr.readline(), 60), "it waits for its turn"
            assert await told(installation) == (address, labels), "the first one's figures count"
            first.terminate()
            assert await asyncio.wait_for(first.wait(), 60) == 0
            again, _ = await told(installation, but=address)
            assert await scraped(again)
            second.kill()
            await second.wait()
            (one,) = await in_status(installation)
            assert one == {"name": NAME, "kind": "folder", "direction": "source", "report": None}
    async with running(installation, "--once") as last:
        assert await asyncio.wait_for(last.wait(), 60) == 0
    assert not page_file(installation).exists()
    assert await in_status(installation) == []


async def in_status(installation: Installation) -> list[dict[str, Any]]:
    """What `bus status --json` says of it, whatever else is wrong: no worker runs here."""
    code, out, talk = await asyncio.to_thread(bus, installation, "status", "--json")
    assert code == 1, talk
    return [one for one in json.loads(out)["status"]["connectors"] if one["name"] == NAME]


async def assert_in_status(installation: Installation) -> None:
    (one,) = await in_status(installation)
    report = one.pop("report")
    assert one == {"name": NAME, "kind": "folder", "direction": "source"}
    assert (report["answers"], report["passed"], report["refused"]) == (True, 3, 0)
    assert 0 <= report["behind_s"] < 60
    assert datetime.now(UTC) - datetime.fromisoformat(report["last_success_at"]) < timedelta(0, 60)
    for language, words in {
        "en": ("last success", "source"),
        "ru": ("отставание", "источник"),
    }.items():
        _, shown, _ = await asyncio.to_thread(bus, installation, "--lang", language, "status")
        assert NAME in shown
        assert all(word in shown for word in words), shown
