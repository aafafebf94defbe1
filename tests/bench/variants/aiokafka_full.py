"""The hand-written aiokafka loop that carries the bus's headers too, without looking at them."""

from __future__ import annotations

import asyncio

from tests.bench.variants.aiokafka_loop import run
from tests.bench.variants.job import read_job

if __name__ == "__main__":
    asyncio.run(run(read_job(), with_headers=True))
