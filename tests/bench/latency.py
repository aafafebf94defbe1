"""How long a record takes, and how long nothing moves when a worker is killed or frozen.

Publisher, consumer and the look at the fund are processes of their own, the first two with the
product's client library. Both delays begin at the record's event time, which the publisher takes
to the millisecond before it signs. They end

    at the consumer  when it hands the record over, proved and decoded (a view's consumer);
    at the fund      when another session sees the committed row; it looks each 5 ms at a sample of
                     100 records a second, so the delay is told too long by that, never too short.

A gap is the longest time in which no record joined the fund, of all partitions or of the worst one,
while records were published all the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from bus.supervise.role import Role
from tests.bench.children import child
from tests.bench.figures import percentiles, rounded
from tests.bench.gaps import frozen_gap, killed_broker_gap, killed_gap
from tests.bench.installed import (
    ONE_EACH,
    Arrivals,
    Installed,
    clustered,
    installed,
    owning,
    working,
)
from tests.bench.invented_region import agency, dataset, reader, write_region
from tests.bench.options import Options, say
from tests.bench.sightings import Sample, watch_sample
from tests.bench.watching import Course
from tests.chaos.engines import Engines as Cluster

RATES: Final = (5_000, 100)
SECONDS: Final = 30
QUICK_SECONDS: Final = 3
CONSUMER_P99_MS: Final = 50
FUND_P99_MS: Final = 100
SAMPLED_PER_S: Final = 100
_BROKER: Final = 2
_CAUGHT_UP_S: Final = 1.0
_DATASETS: Final = 10
"""The measurements have one each, so that no publisher reads back the log of another; even ones
have a view."""


async def run(options: Options) -> dict[str, Any]:
    """Measure delays on one worker of each role, then the faults."""
    home = options.home / "latency"
    seconds = QUICK_SECONDS if options.quick else SECONDS
    region_file = write_region(home / "region", agencies=3, datasets=_DATASETS)
    found: dict[str, Any] = {}
    async with installed(home / "bus", region_file) as one, Arrivals.open(one) as arrivals:
        async with working(one.installation) as supervisor:
            await owning(one.installation, ONE_EACH)
            say("latency: warming up")
            await delays(one, 8, rate=1_000, seconds=3)
            for number, rate in enumerate(RATES):
                say(f"latency: {rate} records a second for {seconds} s")
                found[f"at_{rate}_per_s"] = await delays(one, number * 2, rate, seconds)
            course = Course(one, supervisor, arrivals)
            for number, role in enumerate((Role.ENFORCE, Role.FUND), start=5):
                say(f"latency: killing the {role} worker")
                found[f"killed_{role}"] = await killed_gap(course, role, dataset(number))
        two: Mapping[Role, int] = {**ONE_EACH, Role.ENFORCE: 2, Role.FUND: 2}
        async with working(one.installation, two) as supervisor:
            await owning(one.installation, two)
            course = Course(one, supervisor, arrivals)
            say("latency: freezing one of two enforce workers")
            found["frozen_enforce"] = await frozen_gap(course, Role.ENFORCE, dataset(7))
    found["killed_broker"] = await _killed_broker(options)
    targets = {"consumer_p99_ms": CONSUMER_P99_MS, "fund_p99_ms": FUND_P99_MS}
    return {**found, "targets": targets}


async def _killed_broker(options: Options) -> dict[str, Any]:
    """Measure the longest gap on three brokers when one of them is killed."""
    home = options.home / "brokers"
    home.mkdir(mode=0o755)
    region_file = write_region(home / "region", agencies=3, datasets=2)
    cluster = Cluster(home=home / "bus")
    async with (
        clustered(cluster, region_file) as one,
        Arrivals.open(one) as arrivals,
        working(one.installation) as supervisor,
    ):
        await owning(one.installation, ONE_EACH)
        course = Course(one, supervisor, arrivals)
        say("latency: killing one of three brokers")
        return await killed_broker_gap(course, cluster, _BROKER, dataset(1))


async def delays(one: Installed, number: int, rate: int, seconds: int) -> dict[str, Any]:
    """Publish one dataset at a rate; tell the delays to a view's consumer and to the fund.

    Args:
        one: The platform, with workers that own their partitions.
        number: Of a dataset that has a view.
        rate: Records a second.
        seconds: For so long.
    """
    count, code = rate * seconds, dataset(number)
    agencies = len(one.region.agencies)
    consumer = reader((number + 2) % agencies)
    each = max(1, rate // SAMPLED_PER_S)
    sample = Sample(dataset=code, agency=agency(number % agencies), count=count, each=each)
    arguments = (code, 0, count, rate)
    async with (
        child(one.installation, "receiving", consumer, code) as receiver,
        child(one.installation, "publishing", *arguments) as publisher,
    ):
        await asyncio.gather(receiver.ready(), publisher.ready())
        await publisher.begin()
        watching = asyncio.create_task(watch_sample(one.installation.fund_dsn(), sample))
        sent = await publisher.result()
        to_fund_ms = await watching
        await asyncio.sleep(_CAUGHT_UP_S)  # the consumer's last records have no row to wait for
        to_consumer = await receiver.stop()
    took_s = float(sent["ended_s"]) - float(sent["began_s"])
    return {
        "published_per_s": rounded(count / took_s, 0),
        "consumer_ms": to_consumer,
        "fund_ms": percentiles(to_fund_ms),
    }
