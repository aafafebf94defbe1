"""A region with a backlog in every partition: shares, start, memory, rate, a dataset added."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bus.kafka.producer import BatchProducer
from bus.observe.report import WorkerReport
from bus.provision.agreement_decision import approve_all
from bus.supervise.role import Role
from bus.supervise.supervisor import Slot
from bus.wire.delivery import Delivery
from tests.bench.children import child
from tests.bench.figures import rounded
from tests.bench.installed import (
    LOOK_AGAIN_S,
    Arrivals,
    Installed,
    apply,
    installed,
    owning,
    reports,
    working,
)
from tests.bench.invented_region import dataset, write_region
from tests.bench.load import Prepared, prepare, read, remove, source_of
from tests.bench.options import Options, say
from tests.bench.watching import Course, all_set_aside, watch

WORKERS: Final[Mapping[Role, int]] = {Role.ENFORCE: 4, Role.FUND: 4, Role.QUARANTINE: 1}
RECORDS: Final = 1_000_000
QUICK_RECORDS: Final = 24_000
SHARE_MAX: Final = 1.3
START_S: Final = 15
RSS_MB_MAX: Final = 512
LIVE_S: Final = 5
_LIVE_TIMEOUT_S: Final = 60.0
_NEW_RECORDS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a region is."""

    name: str
    agencies: int
    datasets: int
    quick_agencies: int
    quick_datasets: int
    grows: bool
    """Whether a dataset is added at the end."""

    def counts(self, options: Options) -> tuple[int, int]:
        """Give agencies and datasets."""
        if options.quick:
            return self.quick_agencies, self.quick_datasets
        return self.agencies, self.datasets


SMALL: Final = Size(
    name="small", agencies=3, datasets=1, quick_agencies=3, quick_datasets=1, grows=False
)
LARGE: Final = Size(
    name="large", agencies=65, datasets=300, quick_agencies=8, quick_datasets=12, grows=True
)


async def drained_region(options: Options, size: Size) -> dict[str, Any]:
    """Fill every partition, start the workers, and see how they drain it."""
    home = options.home / f"growth-{size.name}"
    agencies, datasets = size.counts(options)
    each = (QUICK_RECORDS if options.quick else RECORDS) // datasets
    say(f"growth: a region of {agencies} agencies and {datasets} datasets")
    region_file = write_region(home / "region", agencies=agencies, datasets=datasets)
    async with installed(home / "bus", region_file) as one:
        load = await _backlog(one, datasets, each)
        found: dict[str, Any] = {"agencies": agencies, "datasets": datasets}
        found["applied_s"] = rounded(one.applied_s, 1)
        began_s = time.monotonic()
        async with working(one.installation, WORKERS) as supervisor, Arrivals.open(one) as arrivals:
            course = Course(one, supervisor, arrivals)
            good = load.records - load.bad
            async with asyncio.TaskGroup() as both:
                draining = both.create_task(watch(course, good, others={}, result=_nothing))
                await owning(one.installation, WORKERS)
                found["all_workers_started_s"] = rounded(time.monotonic() - began_s, 1)
            seen, _ = draining.result()
            await all_set_aside(course, load.bad)
            found |= {
                "records": load.records,
                "records_per_s": rounded(seen.rate(0.1, 0.9), 0),
                "repeats": await arrivals.repeats(),
                "processes": seen.processes(),
                "shares": _shares(await reports(one.installation)),
                "worker_started_s": rounded(await _restarted(course), 1),
            }
            if size.grows:
                write_region(home / "region", agencies=agencies, datasets=datasets + 1)
                found["added"] = await _added(course, datasets)
    targets = {"share_to_mean": SHARE_MAX, "worker_started_s": START_S, "rss_mb": RSS_MB_MAX}
    return {**found, "targets": {**targets, "added_live_s": LIVE_S}}


async def _backlog(one: Installed, datasets: int, each: int) -> Prepared:
    """Put as many records into every partition, before any worker runs."""
    sources = [source_of(one.installation, one.region, dataset(n)) for n in range(datasets)]
    say(f"growth: signing {each * datasets:,} records beforehand")
    folder = one.installation.home.parent / "load"
    load = await asyncio.to_thread(prepare, folder, sources, each=each)
    async with child(one.installation, "sending", 0, *load.files) as sender:
        await sender.result()
    await asyncio.to_thread(remove, load)
    say("growth: starting the workers")
    return load


async def _nothing() -> dict[str, Any]:
    return {}


def _shares(found: Mapping[str, WorkerReport]) -> dict[str, Any]:
    """Tell each worker's partitions, and the greatest share against the mean."""
    shares = {}
    for role in (Role.ENFORCE, Role.FUND):
        owned = [report.partitions for name, report in found.items() if name.startswith(role)]
        to_mean = max(owned) * len(owned) / sum(owned)
        shares[str(role)] = {"partitions": owned, "largest_to_mean": rounded(to_mean, 2)}
    return shares


async def _restarted(course: Course) -> float:
    """Kill one enforce worker; tell when its successor owns its partitions."""
    slot = Slot(role=Role.ENFORCE, number=0)
    killed = course.supervisor.processes[slot]
    began_s = time.monotonic()
    killed.kill()
    async with asyncio.timeout(_LIVE_TIMEOUT_S):
        while True:
            report = (await reports(course.one.installation)).get(str(slot))
            if report is not None and report.pid != killed.pid and report.partitions:
                return time.monotonic() - began_s
            await asyncio.sleep(LOOK_AGAIN_S)


async def _added(course: Course, number: int) -> dict[str, Any]:
    """Add a dataset while all runs; tell when its first records are in the fund."""
    installation = course.one.installation
    approve_all(installation.settings.region, installation.home, datetime.now(UTC))
    before, began_s = await course.arrivals.total(), time.monotonic()
    region = await apply(installation)
    applied_s = time.monotonic()
    source = source_of(installation, region, dataset(number))
    folder = installation.home.parent / "load"
    load = await asyncio.to_thread(prepare, folder, [source], each=_NEW_RECORDS, first=1)
    async with BatchProducer(installation.cluster_as_admin(), client_id="bench") as producer:
        await producer.deliver(_deliveries(load))
    async with asyncio.timeout(_LIVE_TIMEOUT_S):
        while await course.arrivals.total() < before + _NEW_RECORDS:
            await asyncio.sleep(LOOK_AGAIN_S)
    return {
        "applied_s": rounded(applied_s - began_s, 2),
        "live_s": rounded(time.monotonic() - applied_s, 2),
    }


def _deliveries(load: Prepared) -> list[Delivery]:
    return [
        Delivery(topic=topic, partition=partition, key=key, value=value, headers=headers)
        for file in load.files
        for topic, partition, records in read(file)
        for key, value, headers in records
    ]
