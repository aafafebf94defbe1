"""The step of enforcement against its peers: one broker, one run, interleaved.

Everyone reaches the broker over SASL_SSL with the same user, since the bus does nothing else. The
figures are of the client's process and of the broker's, from the first record in hand until every
output is acknowledged and every offset committed. A round before the others warms the broker and
is set aside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, assert_never

from bus.catalogue.snapshot import build_snapshot
from tests.bench.broker_topics import BrokerTopics
from tests.bench.enforce_result import result_of
from tests.bench.full_profile import FullProfile
from tests.bench.installed import Installed, installed
from tests.bench.measure import Failed, Figures, run_variant
from tests.bench.options import Options, say
from tests.bench.peers import BARE, CannotRun, Output, Starter, Variant
from tests.bench.resident_documents import (
    INBOUND,
    PARTITIONS,
    REGION,
    bad_of,
    bare_records,
    schema_of_values,
    view_topic,
)
from tests.bench.variants.job import Job

PAIRS: Final = 5
"""Rounds in which ours and the hand-written loop run side by side."""
REPEATS: Final = 3
"""Of the others."""
_FULL_RECORDS: Final = 120_000
_DISTINCT: Final = 40_000
_QUICK_SHARE: Final = 10
_CARRYING: Final = Variant(name="aiokafka-full", module="aiokafka_full", records=_FULL_RECORDS)


async def run(options: Options) -> dict[str, Any]:
    """Measure; give the result's part `enforce` and what could not be run."""
    async with installed(options.home / "enforce", REGION) as one:
        return await asyncio.to_thread(_measure, one, options)


def _measure(one: Installed, options: Options) -> dict[str, Any]:
    return _Rounds.on(one, options).run()


@dataclass(slots=True, kw_only=True)
class _Rounds:
    """Runs variants in turn and keeps what each took."""

    one: Installed
    broker: BrokerTopics
    starter: Starter
    full: FullProfile
    is_quick: bool
    rounds: list[dict[str, Figures]] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    succeeded: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    """Single runs that failed; they stand in the result, since they are in no median."""
    jobs: int = 0

    @classmethod
    def on(cls, one: Installed, options: Options) -> _Rounds:
        broker = BrokerTopics(one.installation.cluster_as_admin())
        say("making records")
        return cls(
            one=one,
            broker=broker,
            starter=Starter(peers=options.peers, streams=options.home / "streams"),
            full=FullProfile(
                one,
                broker,
                view_topic(build_snapshot(one.region, 1)),
                _FULL_RECORDS // (_QUICK_SHARE if options.quick else 1),
            ),
            is_quick=options.quick,
        )

    def run(self) -> dict[str, Any]:
        self._fill()
        pairs = 1 if self.is_quick else PAIRS
        for number in range(int(self.is_quick), pairs + 1):
            say(f"enforce: round {number} of {pairs}" + ("" if number else ", set aside"))
            found = self._round(number, everyone=number <= REPEATS)
            if number:
                self.rounds.append(found)
        return {**result_of(self.rounds, self.not_run), "failures": self.failures}

    def _round(self, number: int, *, everyone: bool) -> dict[str, Figures]:
        """Run everyone once; every other round in the opposite order, so that nobody is first."""
        found: dict[str, Figures] = {}
        for variant in BARE if number % 2 else reversed(BARE):
            if everyone or variant.is_paired:
                self._try(found, variant.name, partial(self._bare, variant))
        self._try(found, "ours-full", self.full.enforced)
        if "ours-full" in found:
            self._try(found, _CARRYING.name, self._carrying)
        return found

    def _try(self, found: dict[str, Figures], name: str, measured: Callable[[], Figures]) -> None:
        """Add a variant's figures, or why there are none.

        One that can't be started, or fails before it ever succeeded, is not tried again.
        """
        if name in self.not_run:
            return
        try:
            one = found[name] = measured()
        except (CannotRun, Failed) as problem:
            say(f"  {name} failed: {problem}")
            reason = str(problem).splitlines()[0]
            if name in self.succeeded:
                self.failures.append(f"{name}: {reason}")
            else:
                self.not_run[name] = reason
            return
        self.succeeded.add(name)
        say(
            f"  {name:16}{one.records_per_s:>9,.0f}/s  CPU s per 100,000: "
            f"{one.cpu_s_per_100k:.2f}, broker {one.broker_cpu_s_per_100k:.2f}"
        )

    def _bare(self, variant: Variant) -> Figures:
        records = self._size(variant)
        return self._run(variant, self._job(_source(records), [0] * PARTITIONS, records))

    def _carrying(self) -> Figures:
        """Let the hand-written loop take the signed records that the worker took."""
        return self._run(_CARRYING, self._job(INBOUND, self.full.starts, self.full.records))

    def _run(self, variant: Variant, job: Job) -> Figures:
        """Run a variant into topics of its own and check what came out."""
        command = self.starter.command(variant)
        self.broker.make(job.out, job.dlq)
        try:
            found = run_variant(command, job, self.one.engine_pids["kafka"])
            self._check(job, _expected(variant.output, job.records))
        finally:
            self.broker.remove(job.out, job.dlq)
        return found

    def _check(self, job: Job, expected: tuple[int, int]) -> None:
        """Hold outputs and commits against the input: every record, each where it belongs.

        Raises:
            Failed: Something is missing, doubled or not committed.
        """
        out, dlq = self.broker.count(job.out), self.broker.count(job.dlq)
        done = sum(self.broker.committed(job.group, job.source)) - sum(job.starts)
        found, wanted = (out, dlq, done), (*expected, job.records)
        if found != wanted:
            raise Failed(f"out, dlq, committed: {found} in place of {wanted}")

    def _job(self, source: str, starts: list[int], records: int) -> Job:
        self.jobs += 1
        cluster = self.one.installation.cluster_as_admin()
        return Job(
            bootstrap=cluster.bootstrap,
            ca_file=str(cluster.ca_file),
            user=cluster.principal,
            password=cluster.password,
            group=f"bench-{self.jobs}",
            source=source,
            out=f"bench-out-{self.jobs}",
            dlq=f"bench-dlq-{self.jobs}",
            records=records,
            starts=starts,
            schema=schema_of_values(),
        )

    def _fill(self) -> None:
        records = bare_records(_DISTINCT)
        for size in sorted({self._size(variant) for variant in BARE}):
            say(f"enforce: writing {size:,} records")
            self.broker.make(_source(size))
            self.broker.fill(_source(size), records, size)

    def _size(self, variant: Variant) -> int:
        return variant.records // (_QUICK_SHARE if self.is_quick else 1)


def _expected(output: Output, records: int) -> tuple[int, int]:
    """Tell how many records there must be in out and dlq."""
    match output:
        case Output.JUDGED:
            return records - bad_of(records), bad_of(records)
        case Output.COPIED:
            return records, 0
        case Output.NOTHING:
            return 0, 0
        case _:
            assert_never(output)


def _source(records: int) -> str:
    return f"bench-in-{records}"
