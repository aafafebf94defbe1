"""The product's transport alone: batches are taken and settled, and nothing is made of them."""

from __future__ import annotations

import asyncio

from tests.bench.variants.job import read_job
from tests.bench.variants.ours_bare import run

if __name__ == "__main__":
    asyncio.run(run(read_job(), is_judging=False))
