"""What becomes of the figures when the region, the fund or the backlog grows.

Regions: the same number of records waits in every partition of a small and of a large region
before four enforce and four fund workers begin; they drain it one after the other. The fund: many
rows, laid into its own tables, against an empty fund beside it in the same PostgreSQL.
"""

from __future__ import annotations

from typing import Any

from tests.bench.figures import rounded
from tests.bench.growth_fund import grown_fund
from tests.bench.growth_regions import LARGE, SMALL, drained_region
from tests.bench.options import Options, say


async def run(options: Options) -> dict[str, Any]:
    """Measure both regions in turn, then the fund."""
    small = await drained_region(options, SMALL)
    large = await drained_region(options, LARGE)
    ratio = large["records_per_s"] / small["records_per_s"]
    say("growth: the fund")
    fund = await grown_fund(options)
    return {
        "small": small,
        "large": large,
        "large_to_small_throughput": rounded(ratio, 2),
        "fund": fund,
    }
