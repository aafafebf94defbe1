"""Watching records arrive in the fund, and what the processes take meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bus.errors import InvariantBroken
from bus.supervise.supervisor import Supervisor
from tests.bench.figures import rounded
from tests.bench.installed import Arrivals, Installed, quarantined
from tests.bench.options import say
from tests.bench.usage import Usage, compared, processes_of, usage_of

_LOOK_S: Final = 0.1
_USAGE_S: Final = 1.0
_STALLED_S: Final = 120.0
_SAY_EACH_S: Final = 15.0
_TENTHS: Final = 10


@dataclass(frozen=True, slots=True)
class Course:
    """A platform at work."""

    one: Installed
    supervisor: Supervisor
    arrivals: Arrivals


@dataclass(slots=True, kw_only=True)
class Watched:
    """What was seen while records arrived."""

    times: list[float] = field(default_factory=list)
    """On the system's clock, seconds."""
    counts: list[int] = field(default_factory=list)
    """Arrived by then."""
    early: dict[str, Usage] = field(default_factory=dict)
    """Of the processes when a tenth had arrived."""
    early_count: int = 0
    latest: dict[str, Usage] = field(default_factory=dict)
    """At the end, or when a process was last seen."""
    rss_mb_max: dict[str, float] = field(default_factory=dict)

    def take(self, processes: Mapping[str, int], *, is_early: bool) -> None:
        """Look at the processes."""
        now = usage_of(processes)
        self.latest |= now
        for name, usage in now.items():
            self.rss_mb_max[name] = max(self.rss_mb_max.get(name, 0.0), usage.rss_mb)
        if is_early and not self.early:
            self.early, self.early_count = now, self.counts[-1]

    def tenth(self, number: int) -> float:
        """Give the records a second of one tenth of what arrived, from 0."""
        return self.rate(number / _TENTHS, (number + 1) / _TENTHS)

    def rate(self, start: float, end: float) -> float:
        """Give the records a second between two shares of what arrived."""
        total = self.counts[-1]
        return total * (end - start) / (self._reached(total * end) - self._reached(total * start))

    def processes(self) -> dict[str, dict[str, Any]]:
        """Tell what each process took from the first tenth on, and its greatest memory."""
        found = compared(self.early, self.latest, max(1, self.counts[-1] - self.early_count))
        for name, figures in found.items():
            figures["rss_mb_max"] = rounded(self.rss_mb_max[name], 0)
        return found

    def _reached(self, count: float) -> float:
        """Tell when so many had arrived, between two looks in proportion."""
        place = next(place for place, seen in enumerate(self.counts) if seen > 0 and seen >= count)
        if place == 0:
            return self.times[0]
        before, at = self.counts[place - 1], self.times[place - 1]
        share = (count - before) / (self.counts[place] - before)
        return at + (self.times[place] - at) * share


async def watch(
    course: Course,
    wanted: int,
    *,
    others: Mapping[str, int],
    result: Callable[[], Awaitable[dict[str, Any]]],
) -> tuple[Watched, dict[str, Any]]:
    """Look until so many more records are in the fund.

    Args:
        course: The platform.
        wanted: Records that are to arrive.
        others: Processes beside the platform's, by name.
        result: Gives what the sending process says at its end.

    Returns: What was seen, and what the sending process said.

    Raises:
        InvariantBroken: Nothing arrived for two minutes, or more than was sent.
        RuntimeError: The sending process failed.
    """
    base, seen = await course.arrivals.total(), Watched()
    ending = asyncio.ensure_future(result())
    moved_at = used_at = said_at = time.time()
    while not seen.counts or seen.counts[-1] < wanted:
        count, now = await course.arrivals.total() - base, time.time()
        if not seen.counts or count > seen.counts[-1]:
            moved_at = now
        elif now - moved_at > _STALLED_S:
            raise InvariantBroken(f"{count} of {wanted} records arrived, then none for a while")
        seen.times.append(now)
        seen.counts.append(count)
        if now - used_at > _USAGE_S or (not seen.early and count >= wanted / _TENTHS):
            processes = processes_of(course.one.engine_pids, course.supervisor, others)
            seen.take(processes, is_early=count >= wanted / _TENTHS)
            used_at = now
        if now - said_at > _SAY_EACH_S:
            say(f"{count:,} of {wanted:,} in the fund")
            said_at = now
        if ending.done():
            ending.result()
        await asyncio.sleep(_LOOK_S)
    if seen.counts[-1] > wanted:
        raise InvariantBroken(f"{seen.counts[-1]} records arrived, {wanted} were good")
    seen.take(processes_of(course.one.engine_pids, course.supervisor, others), is_early=False)
    return seen, await ending


async def all_set_aside(course: Course, wanted: int) -> None:
    """Wait until the quarantine table has what is bad, no more and no less.

    Raises:
        InvariantBroken: It has more.
        TimeoutError: It has fewer for two minutes.
    """
    async with asyncio.timeout(_STALLED_S):
        while (found := await quarantined(course.one.installation)) < wanted:
            await asyncio.sleep(_LOOK_S)
    if found != wanted:
        raise InvariantBroken(f"{found} records in quarantine, {wanted} are bad")
