"""One chaos run, from the first record to the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from bus.kafka.scan import committed_offsets, offsets, topic_partitions
from bus.process.exit_codes import EXIT_FAULT
from bus.wire import topics
from tests.chaos.actors import WORDS_MAX
from tests.chaos.checker import check
from tests.chaos.collecting import collect, topics_of_consumers
from tests.chaos.consumers import CONSUMERS
from tests.chaos.controls import Broken
from tests.chaos.enough import LONG_S, unrefused, unseen_places, unstopped, untried
from tests.chaos.faults import befall
from tests.chaos.history import History, Outcome, read_history
from tests.chaos.leaders import APART
from tests.chaos.probe import SYSTEM, forbidden, read_probed
from tests.chaos.recovery import ProgressWatch, recoveries, summary
from tests.chaos.report import Report
from tests.chaos.schedule import OF_PROCESSES, Kind, PlannedFault, directed, schedule
from tests.chaos.traffic import PARTIES
from tests.chaos.world import World, can_jump_clocks, whole_world

logger = logging.getLogger(__name__)

DRAIN_S: Final = 480.0
_WARM_UP_S: Final = 120.0
_ALIVE_S: Final = 120.0
_TOLD_EACH_S: Final = 15.0
_STOPPED: Final = re.compile(r"worker\.stopped where=.*? exit=(\d+)")
_FAULTED: Final = re.compile(rf"worker\.stopped where=.*? exit={EXIT_FAULT} .*")
_ENDED_IN_TRANSACTION: Final = ("PostgreSQL says 25P03", "positions.evicted")
_STAGES: Final = {
    "in.": topics.ENFORCE_GROUP,
    "accepted.": topics.FUND_GROUP,
    "quarantine.": topics.QUARANTINE_GROUP,
}


async def run(
    seconds: float,
    seed: int,
    *,
    broken: Broken | None = None,
    is_whole: bool = False,
    folder: Path | None = None,
) -> Report:
    """Let faults befall a working bus, let it come to rest, and check what it holds.

    Args:
        seconds: How long faults go on.
        seed: Of the schedule.
        broken: What is taken away, in a control run.
        is_whole: Nothing is taken away: the control's stage and plan alone.
        folder: Where all of it lies; None: a temporary one.
    """
    report = None
    with tempfile.TemporaryDirectory(prefix="bus-chaos-") as temporary:
        place = folder or Path(temporary)
        place.chmod(0o755)
        try:
            async with whole_world(place, seed=seed, broken=broken, is_whole=is_whole) as world:
                report = await _run(world, seconds, seed)
        except Exception as problem:
            if report is None:
                raise
            # Why not raise: what was found is worth more than how the stage came down.
            logger.exception("the stage came down badly")
            report.problems.append(f"the stage came down badly: {problem!r}")
    return report


async def _run(world: World, seconds: float, seed: int) -> Report:
    missing = _missing(world)
    report = Report(seed=seed, seconds=seconds, left_out=missing)
    watch = ProgressWatch(world.direct.fund_dsn())
    await _warm(world)
    watch.start()
    telling = asyncio.create_task(_tell(world))
    planned = _planned(world, seconds, seed, missing)
    ends_s = await _befall(world, planned, report)
    tell(f"{report.faults.total()} faults are over; waiting till all work again")
    report.problems += await _silent(world)
    tell("draining")
    await _rest(world, report)
    report.problems += [one for actor in world.actors.values() for one in actor.problems]
    telling.cancel()
    report.recover_s = summary(recoveries(ends_s, watch.stop()))
    logs = _logs(world)
    report.stopped = stops(logs)
    report.problems += faults_told(logs)
    report.ended_in_transaction = sum(
        log.count(words) for log in logs for words in _ENDED_IN_TRANSACTION
    )
    # Why without: millions of objects come and none goes; Python would look through all of them
    # again and again.
    gc.disable()
    try:
        await _judge(world, report)
    finally:
        gc.enable()
    report.problems += _too_little(world, report, planned)
    return report


async def _judge(world: World, report: Report) -> None:
    """Hold what producers wrote down against what the bus has."""
    history = read_history(path for path in world.histories if path.exists())
    report.records = len(history.sent)
    report.acknowledged_by = _acknowledged(history)
    tell(f"{report.records} records; reading what the bus holds")
    got, refused = read_probed(world.probed)
    evidence = await collect(world.direct, history, world.taken, got)
    tell(f"{len(evidence.history)} in the fund, {len(evidence.quarantine)} in quarantine; checking")
    report.problems += unseen_places(evidence, [str(who) for who in CONSUMERS])
    report.problems += unrefused(await forbidden(world.direct.cluster_as(SYSTEM)), refused)
    report.anomalies = check(history, evidence)


def _planned(
    world: World, seconds: float, seed: int, missing: Sequence[Kind]
) -> list[PlannedFault]:
    """Plan the run; a control run gets what shows the guarantee that it goes without."""
    match world.broken:
        case Broken.PAST_A_GAP:
            apart = (f"workers-{APART}",)
            return directed(Kind.HOLD_AND_KILL, apart, lasts_s=1.5, seconds=seconds)
        case Broken.EARLY_COMMIT:
            links = ("workers", "workers-1", "workers-2", "workers-3")
            return directed(Kind.HOLD_AND_KILL, links, lasts_s=1.5, seconds=seconds)
        case Broken.NO_FENCE:
            workers = ("fund-0", "fund-1")
            return directed(Kind.FREEZE_WORKER, workers, lasts_s=10.0, seconds=seconds)
        case _:
            return schedule(seed, seconds, missing)


def _missing(world: World) -> tuple[Kind, ...]:
    disks = (
        () if world.engines.has_small_disks else (Kind.FILL_BROKER_DISK, Kind.FILL_DATABASE_DISK)
    )
    return (*disks, *(() if can_jump_clocks() else (Kind.JUMP_CLOCK,)))


async def _warm(world: World) -> None:
    """Wait until every consumer has taken something: the whole path works."""
    async with asyncio.timeout(_WARM_UP_S):
        while not all(path.exists() and path.stat().st_size > 1 for path in world.taken.values()):
            await asyncio.sleep(0.2)


async def _befall(world: World, planned: Sequence[PlannedFault], report: Report) -> list[float]:
    """Let every fault happen, engines' one after the other; tell when each was over."""
    begun_s = time.monotonic()
    ends_s: list[float] = []

    async def lane(faults: Sequence[PlannedFault], *, is_busy: bool) -> None:
        async with asyncio.TaskGroup() as lasting:
            for fault in faults:
                await asyncio.sleep(max(0.0, begun_s + fault.at_s - time.monotonic()))
                task = lasting.create_task(one(fault))
                if is_busy:
                    await task

    async def one(fault: PlannedFault) -> None:
        tell(str(fault))
        bit = await befall(world, fault)
        (report.faults if bit else report.missed)[fault.kind] += 1
        ends_s.append(time.monotonic())

    async with asyncio.TaskGroup() as lanes:
        lanes.create_task(lane([f for f in planned if f.kind in OF_PROCESSES], is_busy=False))
        lanes.create_task(lane([f for f in planned if f.kind not in OF_PROCESSES], is_busy=True))
    return sorted(ends_s)


async def _silent(world: World) -> list[str]:
    """Name the producers to whom nothing is acknowledged any more, and silent consumers."""
    await _engines_whole(world)
    files = [*world.histories, *world.taken.values()]
    sizes = {path: _end(path) for path in files}
    waiting = set(files)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ALIVE_S):
            while waiting:
                await asyncio.sleep(0.5)
                waiting = {path for path in waiting if not _has_news(path, sizes[path])}
    return [f"{path.name}: nothing more within {_ALIVE_S} s after the faults" for path in waiting]


def _end(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _has_news(path: Path, end: int) -> bool:
    """Whether a producer was told of a success, or a consumer took something, since."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        file.seek(end)
        news = file.read()
    return b'"ok"' in news if path.suffix == ".history" else len(news) > 1


def _acknowledged(history: History) -> dict[str, int]:
    counted = Counter(
        sent.process for mark, sent in history.sent.items() if history.outcomes[mark] is Outcome.OK
    )
    return dict(sorted(counted.items()))


def _logs(world: World) -> list[str]:
    files = world.log_folder.glob("*.log")
    return [file.read_text(encoding="utf-8", errors="replace") for file in files]


def faults_told(logs: Iterable[str]) -> list[str]:
    """Give the last words of workers that ended at a fault of the bus: no fault of a run is one."""
    words = [said for log in logs for said in _FAULTED.findall(log)]
    return [f"a worker ended at a fault of the bus: {said[:WORDS_MAX]}" for said in words]


def stops(logs: Iterable[str]) -> Counter[int]:
    """Count the workers that ended by themselves, by exit code, as their last words say."""
    return Counter(int(code) for log in logs for code in _STOPPED.findall(log))


def _too_little(world: World, report: Report, planned: Sequence[PlannedFault]) -> list[str]:
    """Say what a run lacks that would make it a proof."""
    lacking = []
    if not report.faults:
        lacking.append("no fault met anything")
    if len(report.acknowledged_by) < len(PARTIES):
        lacking.append(f"of {len(PARTIES)} producers only {[*report.acknowledged_by]} had success")
    if report.seconds >= LONG_S:
        lacking += untried(planned, report.faults)
        if world.broken is None or world.is_whole:  # else there may be no fence
            lacking += unstopped(planned, report.fenced + report.ended_in_transaction)
    return lacking


async def _engines_whole(world: World) -> None:
    """Start what a fault left dead, and wait until the brokers have come together."""
    for number in world.engines.nodes:
        await asyncio.to_thread(world.engines.start_broker, number)
    await asyncio.to_thread(world.engines.start_database)
    await asyncio.to_thread(world.engines.wait_for_brokers)


async def _rest(world: World, report: Report) -> None:
    """Let producers finish what they began, and the bus and its consumers come to the end.

    What does not come to it in time is a problem; what is there is judged all the same.
    """
    for name, actor in world.actors.items():
        if not name.startswith("consumer"):
            await actor.end()
    begun_s = time.monotonic()
    stages = [*_STAGES.items()]
    stages += [
        (topic, str(who)) for who, topic in (await topics_of_consumers(world.direct)).items()
    ]
    late = ""
    try:
        async with asyncio.timeout(DRAIN_S):
            for prefix, group in stages:
                late = f"{group} has not come to the end of {prefix} after {DRAIN_S:.0f} s"
                await _come_to_the_end(world, prefix, group)
        report.drain_s = round(time.monotonic() - begun_s, 1)
    except TimeoutError:
        tell(late)
        report.problems.append(late)
    for name, actor in world.actors.items():
        if name.startswith("consumer"):
            await actor.end()


async def _come_to_the_end(world: World, prefix: str, group: str) -> None:
    """Wait until a consumer group has committed the ends of all topics of a prefix."""
    cluster = world.direct.cluster_as_admin()
    while True:
        done = await committed_offsets(cluster, group)
        ends = await offsets(cluster, await topic_partitions(cluster, [prefix]))
        if all(done.get(place, 0) >= end for place, (_, end) in ends.items()):
            return
        await asyncio.sleep(0.5)


async def _tell(world: World) -> None:
    """Say now and then how far it is."""
    begun_s = time.monotonic()
    while True:
        await asyncio.sleep(_TOLD_EACH_S)
        size_mb = sum(path.stat().st_size for path in world.histories if path.exists()) / 1e6
        lives = {name: actor.lives for name, actor in world.actors.items()}
        tell(
            f"{time.monotonic() - begun_s:.0f} s: history {size_mb:.0f} MB, "
            f"worker restarts {world.supervisor.restarts}, lives {lives}"
        )


def tell(line: str) -> None:
    """Say something to whoever waits."""
    print(f"chaos: {line}", file=sys.stderr, flush=True)  # noqa: T201 - a command's progress
