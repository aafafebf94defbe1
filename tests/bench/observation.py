"""What it costs to be seen: an enforcing worker with metrics, log and spans, and one without.

`python -m tests.bench.observation [--records N] [--pairs N]` lets both judge the same records of
one topic in turns, and measures the CPU time of each between the first and the last of them, with
Prometheus' page read every second, and a tracing backend that takes spans of one record in a
thousand. It prints one line of JSON, and exits 1 where being seen costs more than 5 % by the median
of the pairs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp
import psutil
from aiokafka import TopicPartition

from bus.catalogue.parties import BUS
from bus.client.group_positions import set_positions
from bus.errors import DocumentError
from bus.kafka.cluster import Cluster
from bus.kafka.scan import committed_offsets, offsets, topic_partitions
from bus.observe.report import announced_targets
from bus.wire import topics
from bus.wiring import Installation
from tests.bench.children import child
from tests.bench.installed import Installed, installed
from tests.bench.invented_region import dataset, write_region
from tests.bench.load import prepare, remove, source_of
from tests.bench.options import say
from tests.settings_environment import as_environment
from tests.tracing.receiver import Backend, receiving

COSTS_MAX: Final = 1.05
_SKIPPED: Final = 0.1
"""Share of the records at the beginning that is not measured: the worker warms up."""
_PATIENCE_S: Final = 300.0
WORKERS: Final = {True: "bus.agents.worker", False: "tests.bench.unobserved"}


async def measured(
    one: Installed, records: int, pairs: int, folder: Path, backend: Backend
) -> dict[str, object]:
    """Publish once, then let both workers judge in turns."""
    installation = one.installation
    source = source_of(installation, one.region, dataset(0))
    load = await asyncio.to_thread(prepare, folder, [source], each=records)
    async with child(installation, "sending", 0, *load.files) as sender:
        await sender.result()
    await asyncio.to_thread(remove, load)
    topic = topics.inbound(source.agency, source.dataset)
    cluster = installation.cluster_as(BUS)
    places = [at for at in await topic_partitions(cluster, [topic]) if at.topic == topic]
    costs: dict[bool, list[float]] = {True: [], False: []}
    for number in range(pairs + 1):
        for is_seen in (True, False) if number % 2 else (False, True):
            cost = await _cost(installation, places, backend.url, is_seen=is_seen)
            if number:  # the first pair warms the machine up
                costs[is_seen].append(cost)
            say(f"{'seen' if is_seen else 'unseen'}: {cost:.2f} CPU s for 100,000 records")
    ratios = [seen / unseen for seen, unseen in zip(costs[True], costs[False], strict=True)]
    return {
        "records": load.records,
        "pairs": pairs,
        "seen_cpu_s_per_100k": round(median(costs[True]), 3),
        "unseen_cpu_s_per_100k": round(median(costs[False]), 3),
        "spans": len(backend.spans),
        "ratio": round(median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


async def _cost(
    installation: Installation, places: Sequence[TopicPartition], backend: str, *, is_seen: bool
) -> float:
    """Let a worker judge everything; gives CPU seconds for 100,000 records."""
    cluster = installation.cluster_as(BUS)
    spans = await offsets(cluster, places)
    await _begin_anew(cluster, {at: begin for at, (begin, _) in spans.items()})
    total = sum(end - begin for begin, end in spans.values())
    first = sum(begin for begin, _ in spans.values())
    log = installation.home / "log/observation.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", WORKERS[is_seen], "enforce", "0"),
            stdin=asyncio.subprocess.PIPE,
            stderr=file,
            env=as_environment(installation.settings) | ({"BUS_OTLP": backend} if is_seen else {}),
        )
    reading = asyncio.create_task(_read_page(installation)) if is_seen else None
    try:
        marks = []
        async with asyncio.timeout(_PATIENCE_S):
            for share in (_SKIPPED, 1.0):
                while (done := await _done(installation, places) - first) < share * total:
                    assert process.returncode is None, "the worker ended"
                    await asyncio.sleep(0.05)
                times = psutil.Process(process.pid).cpu_times()
                marks.append((done, times.user + times.system))
    finally:
        process.kill()
        await process.wait()
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    (begun, begun_cpu_s), (ended, ended_cpu_s) = marks
    return (ended_cpu_s - begun_cpu_s) / (ended - begun) * 100_000


async def _begin_anew(cluster: Cluster, positions: Mapping[TopicPartition, int]) -> None:
    """Let the group read from its beginning, once Kafka takes the worker before for dead."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                await set_positions(cluster, topics.ENFORCE_GROUP, positions)
            except DocumentError:
                await asyncio.sleep(1)
            else:
                return


async def _done(installation: Installation, places: Sequence[TopicPartition]) -> int:
    committed = await committed_offsets(installation.cluster_as(BUS), topics.ENFORCE_GROUP)
    return sum(committed.get(at, 0) for at in places)


async def _read_page(installation: Installation) -> None:
    """Scrape the worker, far more often than Prometheus does."""
    async with aiohttp.ClientSession() as session:
        while True:
            await asyncio.sleep(1)
            for target in announced_targets(installation.home):
                with suppress(aiohttp.ClientError):
                    await (await session.get(f"http://{target.address}/metrics")).read()


def main(arguments: list[str]) -> int:
    """Measure; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.observation", description=__doc__)
    # Why so many: what happens each second has to average out.
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=7)
    given = parser.parse_args(arguments)
    # Why: a group whose worker was killed tells its client so, once for each attempt.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    async def run(folder: Path) -> dict[str, object]:
        region_file = write_region(folder / "region", agencies=3, datasets=2)
        async with installed(folder / "bus", region_file) as one:
            with receiving() as backend:
                return await measured(one, given.records, given.pairs, folder / "load", backend)

    with tempfile.TemporaryDirectory(prefix="observation-") as name:
        found = asyncio.run(run(Path(name)))
    sys.stdout.write(json.dumps(found) + "\n")
    return int(float(str(found["ratio"])) > COSTS_MAX)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
