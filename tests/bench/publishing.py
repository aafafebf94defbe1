"""A process that publishes generated rows with the product's own publisher.

    python -m tests.bench.publishing DATASET FIRST COUNT RATE

`RATE` rows a second, 0 for as fast as it can. It says `ready` when it is connected and begins at
a line of standard input; its last line is one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from bus.client import BatchSigner, Publisher
from bus.model.identifiers import DatasetCode
from bus.settings import read_settings
from bus.wiring import Installation
from tests.bench.installed import region_of
from tests.bench.invented_contract import values
from tests.bench.load import source_of

Row = Mapping[str, object]
_BURST_S = 0.002


async def publish(dataset: DatasetCode, numbers: range, rate: int) -> None:
    """Publish the rows of some numbers, paced."""
    installation = Installation(read_settings())
    source = source_of(installation, region_of(installation), dataset)
    credentials = installation.credentials(source.system)
    async with Publisher.open(
        installation.cluster_with(credentials),
        home=installation.home,
        system=source.system,
        dataset=dataset,
        signer=BatchSigner(credentials.key_id, credentials.private_key),
        clock=lambda: datetime.now(UTC),
        send_broken=True,
    ) as publisher:
        _say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        began_s = time.time()
        rows = map(values, numbers)
        report = await publisher.publish(_paced(rows, rate) if rate else rows)
        ended_s = time.time()
    _say(json.dumps({"began_s": began_s, "ended_s": ended_s, "sent": report.rows}))


async def _paced(rows: Iterator[Row], rate: int) -> AsyncIterator[Row]:
    """Give each row when it is due; rows that are due by then come together."""
    clock = asyncio.get_running_loop().time
    began = clock()
    for number, row in enumerate(rows):
        early_s = began + number / rate - clock()
        if early_s > 0:
            await asyncio.sleep(max(early_s, _BURST_S))
        yield row


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    """Publish what the arguments say."""
    dataset, first, count, rate = arguments
    numbers = range(int(first), int(first) + int(count))
    asyncio.run(publish(DatasetCode(dataset), numbers, int(rate)))


if __name__ == "__main__":
    main(sys.argv[1:])
