"""Send malformed records through running agents, and look for each of them afterwards."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from aiokafka import AIOKafkaProducer

from bus.client import BatchSigner
from bus.local import reset, up
from bus.model.identifiers import SystemCode
from bus.wiring import Installation
from tests.bad_input.bench import Bench, put_in_force, serving
from tests.factories import Raw
from tests.flow import path
from tests.malformed.examination import Tally
from tests.malformed.found import Known, known, look_for
from tests.malformed.memory import peak_mb
from tests.malformed.mutants import GOOD_OF_1000, Mill, Sent
from tests.malformed.report import Report
from tests.malformed.targets import targets_of

BATCH_RECORDS: Final = 500
MEMORY_GROWTH_MAX_MB: Final = 64.0
MEMORY_MAX_MB: Final = 512.0
_SETTLED_EACH: Final = 10_000
"""Records at most, after which all of them are waited for."""
_BATCH_BYTES_MAX: Final = 768 * 1024
_SETTLED_TRIES: Final = 10
"""Of a minute each: a machine that others use too may need several."""


def run_alone(count: int, seed: int, *, tell: Callable[[str], None]) -> Report:
    """Run on a platform of its own, which is gone afterwards."""
    with _platform() as bench:
        return asyncio.run(run(bench, count, seed, tell=tell))


@contextmanager
def _platform() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        up(home)
        try:
            with serving(*asyncio.run(put_in_force(home))) as bench:
                yield bench
        finally:
            reset(home)


async def run(bench: Bench, count: int, seed: int, *, tell: Callable[[str], None]) -> Report:
    """Send `count` mutants with good records between them, wait for all, and find each.

    Args:
        bench: A running bus.
        count: Rounded up to whole batches.
        seed: Of the records.
        tell: Hears how far it is.
    """
    installation, tally = bench.installation, Tally()
    region = (await path.snapshot_of(installation)).region
    targets = targets_of(region, lambda system: _signer(installation, system))
    mill = Mill(targets, seed, now_ms=int(time.time() * 1000), only_utf_8=True)
    mutants_each = BATCH_RECORDS * (1000 - GOOD_OF_1000) // 1000
    batches = -(-count // mutants_each)
    each = min(-(-batches // 4), _SETTLED_EACH // BATCH_RECORDS)
    memory = _Memory(bench.workers)
    began_s = time.monotonic()
    async with AsyncExitStack() as stack:
        senders = _Senders(installation, stack)
        for number in range(1, batches + 1):
            target, sent = mill.batch(BATCH_RECORDS)
            await senders.send(target.system, sent, partition=number % region.partitions)
            if number % each == 0 or number == batches:
                await _settled(installation)
                memory.note()
                tell(f"{len(senders.places):,} records are judged")
    took_s = time.monotonic() - began_s
    await look_for(installation, senders.places, region.contracts, tally)
    memory.judge(tally)
    verified = await path.verified(installation)
    if not verified.holds:
        tally.note(f"the law does not hold: {verified}")
    return Report.of(
        tally,
        seed=seed,
        live=True,
        rss_growth_mb=memory.growth_mb,
        peak_mb=max(memory.peak_mb.values()),
        longest_ms=None,
        records_per_s=len(senders.places) / took_s,
    )


async def _settled(installation: Installation) -> None:
    for _ in range(_SETTLED_TRIES - 1):
        with suppress(TimeoutError):
            await path.settled(installation)
            return
    await path.settled(installation)


def _signer(installation: Installation, system: SystemCode) -> BatchSigner:
    credentials = installation.credentials(system)
    return BatchSigner(credentials.key_id, credentials.private_key)


class _Senders:
    """A plain Kafka client for each system, and where its records came to lie."""

    def __init__(self, installation: Installation, stack: AsyncExitStack) -> None:
        self.places: dict[str, Known] = {}
        """By inbound place."""
        self._installation = installation
        self._stack = stack
        self._producers: dict[SystemCode, AIOKafkaProducer] = {}

    async def send(self, system: SystemCode, sent: Sequence[Sent], *, partition: int) -> None:
        """Write records in their order, as few Kafka batches as they fit, and wait for all."""
        producer = await self._producer(system)
        waiting = list(sent)
        while waiting:
            batch = producer.create_batch()
            taken = 0
            while taken < len(waiting) and _append(batch, waiting[taken].raw):
                taken += 1
            assert taken, "one record fits a batch"
            batch.close()
            topic = waiting[0].raw.topic
            written = await (await producer.send_batch(batch, topic, partition=partition))
            for index, one in enumerate(waiting[:taken]):
                place = f"{topic}/{partition}/{written.offset + index}"
                raw = one.raw
                self.places[place] = known(one.fate, raw.key, raw.value, raw.headers)
            del waiting[:taken]

    async def _producer(self, system: SystemCode) -> AIOKafkaProducer:
        if system not in self._producers:
            options = self._installation.cluster_as(system).aiokafka_options()
            producer = AIOKafkaProducer(**options, acks="all", max_batch_size=_BATCH_BYTES_MAX)
            self._producers[system] = await self._stack.enter_async_context(producer)
        return self._producers[system]


def _append(batch: object, raw: Raw) -> bool:
    added = batch.append(  # type: ignore[attr-defined] # aiokafka's builder has no annotations
        key=raw.key, value=raw.value, headers=list(raw.headers), timestamp=None
    )
    return added is not None


@dataclass(slots=True)
class _Memory:
    """Memory of each worker: once it is warm, at the end, and at its highest."""

    workers: Sequence[psutil.Process]
    warm_mb: dict[int, float] = field(default_factory=dict)
    last_mb: dict[int, float] = field(default_factory=dict)
    peak_mb: dict[int, float] = field(default_factory=dict)

    def note(self) -> None:
        """Take the first measurement for what a worker needs once: buffers, code, connections."""
        for worker in self.workers:
            if worker.is_running():
                self.last_mb[worker.pid] = worker.memory_info().rss / 2**20
                self.warm_mb.setdefault(worker.pid, self.last_mb[worker.pid])
                self.peak_mb[worker.pid] = peak_mb(worker.pid)

    @property
    def growth_mb(self) -> float:
        return max(last - self.warm_mb[pid] for pid, last in self.last_mb.items())

    def judge(self, tally: Tally) -> None:
        for worker in self.workers:
            if not worker.is_running():
                tally.note(f"worker {worker.pid} ended")
        if self.growth_mb > MEMORY_GROWTH_MAX_MB:
            tally.note(f"a worker's memory grew by {self.growth_mb:.0f} MB")
        if max(self.peak_mb.values()) > MEMORY_MAX_MB:
            tally.note(f"a worker took {max(self.peak_mb.values()):.0f} MB at its highest")
