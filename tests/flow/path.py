"""Steps of the flow tests: publish rows, let workers run, wait until all is settled."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from bus.catalogue.parties import BUS
from bus.catalogue.snapshot import Snapshot
from bus.client import BatchSigner, Publisher, PublishReport, RowGiven
from bus.fund.layout import layouts_of
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.scan import committed_offsets, offsets, topic_partitions
from bus.observe.report import targets_folder
from bus.supervise.role import Door, Role
from bus.supervise.supervisor import Slot, Supervisor
from bus.verify.check import verify
from bus.verify.law import Verification
from bus.wire import topics
from bus.wiring import Installation
from tests.factories import DATASET, SYSTEM, VALID

Rows = Iterable[RowGiven]
SETTLE_TIMEOUT_S = 60.0
BROKEN_EACH = 33
GROUPS = {
    "release.": topics.ENFORCE_GROUP,
    "in.": topics.ENFORCE_GROUP,
    "accepted.": topics.FUND_GROUP,
    "quarantine.": topics.QUARANTINE_GROUP,
}


def rows(prefix: str, count: int) -> list[dict[str, object]]:
    """Rows with keys of their own; each 33rd breaks a rule."""
    return [
        {
            **VALID,
            "registry_number": f"{prefix}-{number}",
            **({"inn": "6317000001"} if number % BROKEN_EACH == 0 else {}),
        }
        for number in range(count)
    ]


def broken(count: int) -> int:
    return -(-count // BROKEN_EACH)


async def publish(
    installation: Installation, given: Rows | AsyncIterator[RowGiven]
) -> PublishReport:
    credentials = installation.credentials(SYSTEM)
    async with Publisher.open(
        installation.cluster_with(credentials),
        home=installation.home,
        system=SYSTEM,
        dataset=DATASET,
        signer=BatchSigner(credentials.key_id, credentials.private_key),
        clock=lambda: datetime.now(UTC),
        send_broken=True,
    ) as publisher:
        return await publisher.publish(given)


def paced(given: Rows, seconds: float, count: int) -> AsyncIterator[RowGiven]:
    """Spread rows over some seconds, so that faults fall into the middle of them."""

    async def spread() -> AsyncIterator[RowGiven]:
        for number, row in enumerate(given):
            if number % 50 == 0:
                await asyncio.sleep(seconds * 50 / count)
            yield row

    return spread()


def forget_the_dead(home: Path) -> None:
    """Take the files away that processes of a test before have left, who were killed or failed."""
    for file in targets_folder(home).glob("*.json"):
        file.unlink()


@asynccontextmanager
async def supervised(
    installation: Installation,
    workers_per_role: int = 1,
    roles: Iterable[Role | Door] = tuple(Role),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Supervisor]:
    """Every role's workers, restarted by the product's own supervisor."""
    supervisor = Supervisor(
        [Slot(role=role, number=n) for role in roles for n in range(workers_per_role)],
        environment={"BUS_HOME": str(installation.home), **(environment or {})},
        log_folder=installation.home / "log",
    )
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@contextmanager
def worker(
    installation: Installation, role: Role, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """One worker process that nobody restarts."""
    log = installation.home / "log" / f"{role}-lone.log"
    log.parent.mkdir(exist_ok=True)
    with (
        log.open("ab") as file,
        subprocess.Popen(
            [sys.executable, "-m", "bus.agents.worker", role, "0"],
            stdin=subprocess.PIPE,
            stderr=file,
            env={**os.environ, "BUS_HOME": str(installation.home), **(environment or {})},
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


async def settled(installation: Installation) -> None:
    """Wait until every stage has come to the end of what it reads."""
    cluster = installation.cluster_as(BUS)
    async with asyncio.timeout(SETTLE_TIMEOUT_S):
        for prefix, group in GROUPS.items():
            partitions = await topic_partitions(cluster, [prefix])
            while True:
                ends = await offsets(cluster, partitions)
                done = await committed_offsets(cluster, group)
                if all(done.get(place, 0) >= end for place, (_, end) in ends.items()):
                    break
                await asyncio.sleep(0.2)


async def committed(installation: Installation, topic: str) -> int:
    """Sum of the enforce group's committed offsets in one topic."""
    done = await committed_offsets(installation.cluster_as(BUS), topics.ENFORCE_GROUP)
    return sum(offset for place, offset in done.items() if place.topic == topic)


async def snapshot_of(installation: Installation) -> Snapshot:
    async with CatalogueReader(installation.cluster_as(BUS)) as reader:
        await reader.read_to_end()
        snapshot = reader.snapshot()
    assert snapshot is not None
    return snapshot


async def verified(installation: Installation) -> Verification:
    cluster = installation.cluster_as(BUS)
    snapshot = await snapshot_of(installation)
    layouts = layouts_of(snapshot.region.contracts.values(), snapshot.region.lock)
    return await verify(cluster, installation.fund_dsn(), layouts, progress=lambda _: None)


def accepted_of(found: Verification, topic: str) -> int:
    return sum(law.accepted for law in found.inbound if law.topic == topic)


def quarantined_of(found: Verification, topic: str) -> int:
    return sum(law.quarantined for law in found.inbound if law.topic == topic)


def log_of(installation: Installation, name: str) -> str:
    path: Path = installation.home / "log" / f"{name}.log"
    return path.read_text(encoding="utf-8") if path.exists() else ""
