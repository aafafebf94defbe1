"""A process that receives one dataset with the product's own subscriber and notes each delay.

    python -m tests.bench.receiving SYSTEM DATASET

It says `ready` when it reads, and ends at the end of standard input; its last line is one JSON
object. A delay begins at the record's event time, which the publisher takes to the millisecond
before it signs, and ends when the record is handed over, proved and decoded.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bus.client import Subscriber
from bus.demo.delays import delay_ms
from bus.model.identifiers import DatasetCode, SystemCode
from bus.settings import read_settings
from bus.wiring import Installation
from tests.bench.figures import percentiles

_now = partial(datetime.now, UTC)


async def receive(system: SystemCode, dataset: DatasetCode) -> dict[str, Any]:
    """Receive until told to stop."""
    delays_ms: list[float] = []
    installation = Installation(read_settings())
    async with Subscriber.open(
        installation.cluster_as(system),
        system=system,
        dataset=dataset,
        clock=_now,
        from_beginning=True,
    ) as subscriber:
        taking = asyncio.create_task(_take(subscriber, delays_ms))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        told = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
        await asyncio.wait({taking, told}, return_when=asyncio.FIRST_COMPLETED)
        if taking.done():
            taking.result()
        taking.cancel()
        with suppress(asyncio.CancelledError):
            await taking
    return percentiles(delays_ms)


async def _take(subscriber: Subscriber, delays_ms: list[float]) -> None:
    async for record in subscriber:
        delay = delay_ms(datetime.fromisoformat(record.event_time), _now())
        delays_ms.append(delay)


def main(arguments: Sequence[str]) -> None:
    """Receive what the arguments name."""
    system, dataset = arguments
    found = asyncio.run(receive(SystemCode(system), DatasetCode(dataset)))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
