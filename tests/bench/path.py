"""Publisher to fund: records a second, sustained, with everything on and all of it on this machine.

Signatures, guard, rules, record ids, a view of ten fields on half of the records, quarantine, fund
and metrics; one worker of each role. Two runs:

    load       records that were signed beforehand, sent by a process that only sends: the bus's own
               capacity, for agencies publish on machines of their own; what the sender takes of
               this machine is told with the others
    publisher  the same flow with the product's publisher on the same two cores
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from tests.bench.children import child
from tests.bench.figures import rounded
from tests.bench.installed import ONE_EACH, Arrivals, installed, owning, quarantined, working
from tests.bench.invented_contract import BAD_EACH
from tests.bench.invented_region import dataset, write_region
from tests.bench.load import Prepared, prepare, remove, source_of
from tests.bench.options import Options, say
from tests.bench.watching import Course, all_set_aside, watch

RECORDS: Final = 2_000_000
PUBLISHED: Final = 200_000
QUICK: Final = 50_000
AHEAD: Final = 60_000
"""Records that may be sent and not yet in the fund: the flow is held at what the bus takes."""
FLOOR_PER_S: Final = 20_000


async def run(options: Options) -> dict[str, Any]:
    """Measure both runs on one platform."""
    home = options.home / "path"
    region_file = write_region(home / "region", agencies=3, datasets=2)
    records = QUICK if options.quick else RECORDS
    async with installed(home / "bus", region_file) as one:
        source = source_of(one.installation, one.region, dataset(0))
        say(f"path: signing {records:,} records beforehand")
        load = await asyncio.to_thread(prepare, home / "load", [source], each=records)
        async with working(one.installation) as supervisor, Arrivals.open(one) as arrivals:
            await owning(one.installation, ONE_EACH)
            course = Course(one, supervisor, arrivals)
            found = await _load_run(course, load)
            await asyncio.to_thread(remove, load)
            say("path: the same with the product's publisher")
            published = QUICK // 5 if options.quick else PUBLISHED
            return {**found, "with_publisher": await _publisher_run(course, published)}


async def _load_run(course: Course, load: Prepared) -> dict[str, Any]:
    async with child(course.one.installation, "sending", AHEAD, *load.files) as sender:
        seen, sent = await watch(
            course,
            load.records - load.bad,
            others={"sender": sender.pid},
            result=sender.result,
        )
    await all_set_aside(course, load.bad)
    first, last = seen.tenth(0), seen.tenth(9)
    return {
        "records": load.records,
        "bad": load.bad,
        "value_bytes": load.value_bytes,
        "records_per_s": rounded(load.records / (seen.times[-1] - float(sent["began_s"])), 0),
        "first_tenth_per_s": rounded(first, 0),
        "last_tenth_per_s": rounded(last, 0),
        "last_to_first": rounded(last / first, 2),
        "floor_per_s": FLOOR_PER_S,
        "repeats": await course.arrivals.repeats(),
        "processes": seen.processes(),
    }


async def _publisher_run(course: Course, records: int) -> dict[str, Any]:
    """Measure with the product's publisher, as one agency's system, on this machine too."""
    bad = -(-records // BAD_EACH)
    before = await quarantined(course.one.installation)
    arguments = (dataset(1), 0, records, 0)
    async with child(course.one.installation, "publishing", *arguments) as publisher:
        await publisher.ready()
        await publisher.begin()
        seen, sent = await watch(
            course,
            records - bad,
            others={"publisher": publisher.pid},
            result=publisher.result,
        )
    await all_set_aside(course, before + bad)
    began_s, ended_s = float(sent["began_s"]), float(sent["ended_s"])
    return {
        "records": records,
        "records_per_s": rounded(records / (seen.times[-1] - began_s), 0),
        "published_per_s": rounded(records / (ended_s - began_s), 0),
        "processes": seen.processes(),
    }
