"""A platform of a part's own: engines, a generated region in force, and workers on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bus.access.enrol import enrol_all
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import Region, parse_region
from bus.fund.layout import layouts_of
from bus.fund.reader import FundReader
from bus.kafka.administration import connect_admin
from bus.local import reset, up
from bus.observe.report import WorkerReport, announced_targets, ask
from bus.postgres.session import connect
from bus.provision.agreement_decision import approve_all
from bus.provision.catalogue_apply import apply_catalogue
from bus.settings import Settings
from bus.supervise.role import Role
from bus.supervise.supervisor import Slot, Supervisor
from bus.wiring import Installation
from tests.bench.options import say
from tests.chaos.engines import Engines as Cluster
from tests.settings_environment import as_environment

LOOK_AGAIN_S = 0.05
ONE_EACH: Mapping[Role, int] = {Role.ENFORCE: 1, Role.FUND: 1, Role.QUARANTINE: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A region in force on running engines."""

    installation: Installation
    engine_pids: Mapping[str, int]
    """`kafka` and `postgresql`; of a cluster `kafka-1` and so on."""
    region: Region
    applied_s: float
    """What bringing the region into force took."""


@asynccontextmanager
async def installed(home: Path, region_file: Path) -> AsyncIterator[Installed]:
    """Start engines, enrol every system and apply a region; remove all of it at the end."""
    say(f"starting engines in {home.name}")
    engines = await asyncio.to_thread(up, home)
    try:
        pids = {"kafka": engines.kafka_pid, "postgresql": engines.postgres_pid}
        yield await _in_force(Installation(Settings(home=home, region=region_file)), pids)
    finally:
        await asyncio.to_thread(reset, home)


@asynccontextmanager
async def clustered(cluster: Cluster, region_file: Path) -> AsyncIterator[Installed]:
    """Do the same on three brokers, each of which can be killed alone."""
    say(f"starting three brokers in {cluster.home.name}")
    try:
        await asyncio.to_thread(cluster.prepare)
        await asyncio.to_thread(cluster.start)
        pids = {
            f"kafka-{number}": node.process.pid
            for number, node in cluster.nodes.items()
            if node.process is not None
        }
        yield await _in_force(Installation(cluster.settings(region_file)), pids)
    finally:
        await asyncio.to_thread(cluster.stop)


async def _in_force(installation: Installation, engine_pids: Mapping[str, int]) -> Installed:
    region = parse_region(read_documents(installation.settings.region, None))
    systems = [one.code for agency in region.agencies.values() for one in agency.systems]
    admin = connect_admin(installation.cluster_as_admin())
    now = datetime.now(UTC)
    await asyncio.to_thread(enrol_all, installation.home, admin, [BUS, *systems], now)
    approve_all(installation.settings.region, installation.home, now)
    began_s = time.monotonic()
    region = await apply(installation)
    return Installed(
        installation=installation,
        engine_pids=engine_pids,
        region=region,
        applied_s=time.monotonic() - began_s,
    )


def region_of(installation: Installation) -> Region:
    """Read the region's documents, keys among them, as they stand now."""
    return parse_region(read_documents(installation.settings.region, installation.keys_dir))


async def apply(installation: Installation) -> Region:
    """Bring the region's documents, as they stand now, into force."""
    documents = read_documents(installation.settings.region, installation.keys_dir)
    await apply_catalogue(
        documents,
        cluster=installation.cluster_as_admin(),
        fund_dsn=installation.fund_dsn(),
        now=datetime.now(UTC),
    )
    return parse_region(documents)


@asynccontextmanager
async def working(
    installation: Installation, workers: Mapping[Role, int] = ONE_EACH
) -> AsyncIterator[Supervisor]:
    """Run so many workers of each role, started again by the product's own supervisor."""
    supervisor = Supervisor(
        [Slot(role=role, number=n) for role, count in workers.items() for n in range(count)],
        environment=as_environment(installation.settings),
        log_folder=installation.home / "log",
    )
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def reports(installation: Installation) -> dict[str, WorkerReport]:
    """Ask every worker that announced itself, by its name."""
    targets = announced_targets(installation.home)
    answers = await asyncio.gather(*(asyncio.to_thread(ask, target) for target in targets))
    return {
        target.name: answer
        for target, answer in zip(targets, answers, strict=True)
        if answer is not None
    }


async def owning(
    installation: Installation, workers: Mapping[Role, int], timeout_s: float = 300.0
) -> dict[str, WorkerReport]:
    """Wait until every worker owns partitions; the topics must be more than the workers."""
    wanted = {f"{role}-{number}" for role, count in workers.items() for number in range(count)}
    async with asyncio.timeout(timeout_s):
        while True:
            found = await reports(installation)
            if all(name in found and found[name].partitions for name in wanted):
                return found
            await asyncio.sleep(LOOK_AGAIN_S)


@dataclass(slots=True)
class Arrivals:
    """What the fund and the quarantine table have, asked often over one session."""

    reader: FundReader
    """Of the fund's account; positions and rows change together, so it is exact."""

    @classmethod
    @asynccontextmanager
    async def open(cls, one: Installed) -> AsyncIterator[Arrivals]:
        """Connect."""
        layouts = layouts_of(one.region.contracts.values(), one.region.lock)
        reader = await FundReader.open(one.installation.fund_dsn(), layouts)
        try:
            yield cls(reader)
        finally:
            await reader.close()

    async def by_place(self) -> dict[tuple[str, int], int]:
        """Tell how many records of each accepted partition joined the fund's history.

        Why not all that came: a worker that takes partitions over repeats some of the records.
        """
        return {(one.topic, one.partition): one.history for one in await self.reader.counters()}

    async def total(self) -> int:
        """Tell how many records joined the fund's history."""
        return sum((await self.by_place()).values())

    async def repeats(self) -> int:
        """Tell how many records came that history had already."""
        return sum(one.repeats for one in await self.reader.counters())


async def quarantined(installation: Installation) -> int:
    """Count the rows of the quarantine table."""
    session = await connect(installation.fund_dsn(), "bench")
    try:
        (row,) = await (await session.execute("SELECT count(*) FROM bus.quarantine")).fetchall()
        return int(str(row[0]))
    finally:
        await session.close()
