"""A publisher as a process of its own, to be killed: `python -m tests.client.publishing HOME N`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bus.access.credentials import load_credentials
from bus.client import BatchSigner, Cluster, Publisher, PublishReport
from bus.local import read_engines
from tests.factories import DATASET, SYSTEM, VALID


def rows(count: int, *, places: int = 600) -> Iterator[dict[str, object]]:
    for number in range(count):
        yield {**VALID, "registry_number": f"63-{number:06d}", "places": places}


async def publish(home: Path, count: int) -> None:
    engines = read_engines(home)
    assert engines is not None
    credentials = load_credentials(home, SYSTEM, datetime.now(UTC))
    cluster = Cluster(
        bootstrap=engines.kafka_bootstrap,
        ca_file=engines.kafka_ca_file,
        principal=SYSTEM,
        password=credentials.password,
    )

    def told(report: PublishReport) -> None:
        sys.stdout.write(f"{report.rows} {report.sent}\n")
        sys.stdout.flush()

    async with Publisher.open(
        cluster,
        home=home,
        system=SYSTEM,
        dataset=DATASET,
        signer=BatchSigner(credentials.key_id, credentials.private_key),
        clock=lambda: datetime.now(UTC),
    ) as publisher:
        await publisher.publish(rows(count), progress=told)


if __name__ == "__main__":
    asyncio.run(publish(Path(sys.argv[1]), int(sys.argv[2])))
