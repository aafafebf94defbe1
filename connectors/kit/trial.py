"""One trial of a source: its twin, the stand-in for the bus, and runs that end in a kill or not."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

from bus.client import BadRow, MappedRow, RowProblem, UnreadableRow
from connectors.kit.stand_in import Killed, StandIn, StandInDoor, Watched
from connectors.kit.twin import Twin
from connectors.reading import Stretch
from connectors.runner import Runner, Totals
from connectors.source import Cell, Context, Json, Source
from connectors.texts import message

SETTLED_S: Final = 20.0
"""How long a source may take to give what stands in it, and to stop."""
STILL_S: Final = 10.0
"""How long nothing may come while something is missing, before it is taken to be lost."""
QUIET_S: Final = 0.04
"""How long nothing more may come after all has come."""
_LOOK_S: Final = 0.004
_MOVING_S: Final = 0.2
"""How long positions are waited for that move without a row: a list that is read anew has many."""
_MOVING_SHARE: Final = 4
"""How much longer rows may stay away while positions move."""
_ASKED_SHARE: Final = 5
"""How much longer than a look at what has come the source may work before the next one."""

_EACH_POSITION: Final = Stretch(rows_max=1, idle_s=_LOOK_S)

MakeSource: TypeAlias = Callable[[Any, Context], Source[Any]]
MakeTwin: TypeAlias = Callable[[], Twin]


class Failed(Exception):
    """A check has found what would be lost, or doubled, or never come; says which and where."""


@dataclass(slots=True)
class Strict:
    """Takes cells as values, and no row that lacks a column of those before."""

    columns: set[str] = field(default_factory=set)

    def fit(self, cells: Mapping[str, Cell]) -> MappedRow | BadRow | UnreadableRow | None:
        """Fit one row."""
        gone = sorted(self.columns - cells.keys())
        if gone:
            words = message("kit.columns_gone", columns=", ".join(gone))
            return UnreadableRow(problems=(RowProblem.of(None, words),))
        self.columns.update(cells)
        return MappedRow(number=0, values=cells)


@dataclass(slots=True, kw_only=True)
class Trial:
    """A source under test, with everything around it."""

    make: MakeSource
    twin: Twin
    bus: StandIn
    spool: Path
    still_s: float = STILL_S
    totals: Totals = field(default_factory=Totals)
    fit: Strict = field(default_factory=Strict)
    # Why: each position that a source gives is one that a kill may leave behind.
    stretch: Stretch = _EACH_POSITION
    done: list[tuple[int, int | None]] = field(default_factory=list)
    """What the source told of its progress."""

    def source(self) -> Source[Any]:
        """Make the source anew, as a new process would."""
        context = Context(
            connector="kit",
            spool=self.spool,
            clock=self.bus.clock,
            sleep=self._sleep,
            progress=lambda done, total: self.done.append((done, total)),
        )
        return self.make(self.twin.config, context)

    async def _sleep(self, seconds: float) -> None:
        """Wait in the time of the stand-in, and a moment of real time."""
        self.bus.now += timedelta(seconds=seconds)
        await asyncio.sleep(min(seconds, _LOOK_S))

    def runner(self, stopping: asyncio.Event, **more: Any) -> Runner:  # noqa: ANN401 - as Runner
        """Make a runner of the source against the stand-in."""
        return Runner(
            connector="kit",
            make_source=lambda: Watched(self.source(), self.bus),
            door=StandInDoor(self.bus, self.fit.fit),
            told=self.totals,
            stopping=stopping,
            stretch=self.stretch,
            again_s=_LOOK_S,
            chance=random.Random(1),  # noqa: S311 - spreads attempts
            **more,
        )

    async def run(
        self,
        *,
        until: Callable[[], bool] | None = None,
        still_s: float | None = None,
        **more: Any,  # noqa: ANN401 - as Runner
    ) -> bool:
        """Run until the bus has what stands in the source, or until a kill.

        Args:
            until: What is waited for in place of that.
            still_s: How long nothing may move while it is missing; None: as the trial has it.
            more: For the runner.

        Returns: Whether it was killed.

        Raises:
            Failed: What stands in the source did not come, or the source does not stop.
        """
        stopping = asyncio.Event()
        running = asyncio.ensure_future(self.runner(stopping, **more).run())
        try:
            await self._until(running, until or self.is_complete, still_s or self.still_s)
        finally:
            stopping.set()
            done, _ = await asyncio.wait({running}, timeout=SETTLED_S)
            if not done:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        if not done:
            raise Failed(str(message("kit.does_not_stop", seconds=SETTLED_S)))
        problem = running.exception()
        if problem is None or isinstance(problem, Killed):
            return problem is not None
        raise problem

    async def _until(
        self, running: asyncio.Future[None], come: Callable[[], bool], still_s: float
    ) -> None:
        time = asyncio.get_running_loop().time
        size, has_come = self._size(), False
        ask_at_s = came_at_s = told_at_s = moved_at_s = time()
        while not running.done():
            before, size = size, self._size()
            has_told = before[0] != size[0]
            has_come = has_come and not has_told
            told_at_s = time() if has_told else told_at_s
            moved_at_s = time() if before != size else moved_at_s
            if has_come:
                if time() - moved_at_s > QUIET_S or time() - came_at_s > _MOVING_S:
                    return
            elif not has_told and time() >= ask_at_s:
                came_at_s = time()
                has_come = come()
                # Why: comparing ten thousand rows holds up the source that is to give them.
                ask_at_s = time() + _ASKED_SHARE * (time() - came_at_s)
                still = (
                    time() - moved_at_s > still_s,
                    time() - told_at_s > _MOVING_SHARE * still_s,
                )
                if not has_come and any(still):
                    raise Failed(self.difference() or str(message("kit.never_came")))
            await asyncio.sleep(_LOOK_S)

    def _size(self) -> tuple[int, int]:
        return len(self.bus.log.records()), len(self.bus.kept)

    def is_complete(self) -> bool:
        """Tell whether the bus has exactly what stands in the source."""
        return not self.difference()

    def difference(self) -> str:
        """Tell the first entry that differs between source and bus; empty: none does."""
        view = self.bus.view()
        for key, row in self.twin.rows.items():
            if key not in view:
                return str(message("kit.lost", key=key))
            if view[key] == row:
                continue  # as most are; writing ten thousand rows at each look takes its time
            found, expected = plain(view[key]), plain(row)
            if found != expected:
                return str(message("kit.stale", key=key, found=found, expected=expected))
        for key in view.keys() - self.twin.rows.keys():
            return str(message("kit.not_gone", key=key))
        return ""

    def doubled(self) -> str:
        """Tell the first entry of which two versions in a row say the same; empty: none does."""
        says = {"create", "correct"}
        for key, history in self.bus.histories().items():
            for (before, was), (after, is_now) in pairwise(history):
                if {before, after} <= says and was == is_now and not self.twin.is_numbered:
                    return str(message("kit.doubled", key=key, content=plain(is_now)))
        return ""

    def sound(self) -> None:
        """Make sure that nothing is lost and nothing doubled.

        Raises:
            Failed: Something is.
        """
        problem = self.difference() or self.doubled()
        if problem:
            raise Failed(problem)


def plain(values: Mapping[str, object]) -> dict[str, object]:
    """Write values as the stand-in's log has them."""
    written: dict[str, object] = json.loads(json.dumps(values, sort_keys=True, default=str))
    return written


def same(position: Json) -> Json:
    """Write a position and read it, as the bus does."""
    return json.loads(json.dumps(position))


@asynccontextmanager
async def trial(
    make: MakeSource,
    make_twin: MakeTwin,
    *,
    kill_at: int | None = None,
    still_s: float = STILL_S,
) -> AsyncIterator[Trial]:
    """Make a new source, and a new bus for it."""
    twin = make_twin()
    bus = StandIn(key=twin.key, is_numbered=twin.is_numbered, kill_at=kill_at)
    with TemporaryDirectory(prefix="kit-") as spool:
        async with twin:
            yield Trial(make=make, twin=twin, bus=bus, spool=Path(spool), still_s=still_s)
