"""The checks, each one function: it returns where the source holds, and else says what is lost.

Each closes a loss that a known kit of connectors had, or has: `docs/explanation/connectors.md`
names them. A check that does not apply to a kind of source says why (`NotOffered`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import SecretStr, ValidationError
from pydantic_core import PydanticUndefined

from bus.errors import DocumentError, Fenced
from bus.model.record import Lane
from connectors.kit.scenario import play
from connectors.kit.stand_in import StandIn
from connectors.kit.trial import (
    SETTLED_S,
    STILL_S,
    Failed,
    MakeSource,
    MakeTwin,
    Trial,
    same,
    trial,
)
from connectors.kit.twin import CANARY, NotOffered
from connectors.reading import Stretch, source_row
from connectors.source import NOT_HERE, Item, Json, Kind, Mark, Source
from connectors.texts import message

TIED_ROWS: Final = 10_000
TOGETHER_ROWS: Final = 1_000
POSITION_BYTES_MAX: Final = 64 * 1024
CANCEL_S: Final = 5.0
BLOCKED_S: Final = 0.2
_ATTEMPTS: Final = 3
_IDLE_S: Final = 600.0
_LOOK_S: Final = 0.002
_LATE_S: Final = 0.5
"""How long a row may be waited for that need not come yet."""
_SILENT_S: Final = 0.3
"""After which silence a source is taken to have given all; a loss is told after a longer one."""
_POSITIONS_TRIED: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What is checked."""

    source: type[Source[Any]]
    make: MakeSource
    make_twin: MakeTwin
    kills_max: int = 1_000
    """Steps at which runners are killed; of a longer scenario, evenly drawn ones."""
    still_s: float = STILL_S
    """How long nothing may come while something is missing, before it is taken to be lost."""

    def trial(self, kill_at: int | None = None) -> AbstractAsyncContextManager[Trial]:
        """Make a new source, and a new bus for it."""
        return trial(self.make, self.make_twin, kill_at=kill_at, still_s=self.still_s)

    async def history(self) -> tuple[int, Mapping[str, object]]:
        """Play the scenario undisturbed: how many steps it takes, and what the bus then has."""
        async with self.trial() as undisturbed:
            await play(undisturbed)
            undisturbed.sound()
            return len(undisturbed.bus.steps), undisturbed.bus.histories()


Check: TypeAlias = Callable[[Kit], Awaitable[None]]


async def kill_at_every_step(kit: Kit) -> None:
    """Killed at each step of bus and source, it loses nothing and tells nothing twice."""
    steps, expected = await kit.history()
    every = max(1, -(-steps // kit.kills_max))
    for step in range(1, steps + 1, every):
        async with kit.trial(kill_at=step) as killed:
            try:
                await play(killed)
                killed.sound()
            except Failed as problem:
                raise Failed(_told_of_kill(killed.bus, step, problem)) from problem
            if kit.source.kind is Kind.LOG and killed.bus.histories() != expected:
                differs = Failed(_first_difference(expected, killed.bus.histories()))
                raise Failed(_told_of_kill(killed.bus, step, differs))


def _told_of_kill(bus: StandIn, step: int, problem: Failed) -> str:
    at = bus.steps[step - 1] if step <= len(bus.steps) else "?"
    return str(message("kit.killed", step=step, at=at, problem=problem))


def _first_difference(expected: Mapping[str, object], found: Mapping[str, object]) -> str:
    for key, history in expected.items():
        if found.get(key) != history:
            return str(message("kit.other_history", key=key, found=found.get(key), wanted=history))
    return str(
        message("kit.other_history", key=sorted(found - expected.keys()), found="", wanted="")
    )


async def _until(come: Callable[[], bool]) -> None:
    while not come():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(_LOOK_S)


async def late_commit(kit: Kit) -> None:
    """A row that becomes visible after later ones is read all the same."""
    async with kit.trial() as one:
        await one.twin.put({"before": "first"})
        await one.run()
        await _late_alone(one)
        async with one.twin.late({"late-1": "late", "late-2": "late"}):
            await one.twin.put({"after": "first"})
            # What is written by then may have to wait for the one that is late.
            with suppress(Failed):
                await one.run(until=lambda: "after" in one.bus.view(), still_s=_LATE_S)
        try:
            await one.run()
        except Failed as problem:
            raise Failed(str(message("kit.late", problem=problem))) from problem
        one.sound()


async def _late_alone(one: Trial) -> None:
    """Let a source look while a transaction is open that nothing came after."""
    is_over = False
    async with one.twin.late({"lone": "late"}):
        reading = asyncio.ensure_future(one.run(until=lambda: is_over and one.is_complete()))
        await asyncio.sleep(_LATE_S)
    is_over = True
    try:
        await reading
    except Failed as problem:
        raise Failed(str(message("kit.late", problem=problem))) from problem


async def ties(kit: Kit) -> None:
    """Ten thousand rows at one place of the cursor: all come, and the position stays small."""
    async with kit.trial() as one:
        one.stretch = Stretch()
        await one.twin.put_together({f"tie-{number:05d}": "x" for number in range(TIED_ROWS)})
        # Why longer: rows show once a stretch of thousands of them is complete.
        await one.run(still_s=3 * one.still_s)
        one.sound()
        largest = max(len(json.dumps(position)) for position, _ in one.bus.kept)
        if largest > POSITION_BYTES_MAX:
            raise Failed(str(message("kit.position_large", size=largest)))


async def a_transaction_cut(kit: Kit) -> None:
    """A thousand rows written together, the runner killed within them: none is lost."""
    rows = {f"all-{number:04d}": "x" for number in range(TOGETHER_ROWS)}
    for step in (3, 40, 500, TOGETHER_ROWS, TOGETHER_ROWS + 60):
        async with kit.trial() as one:
            await one.twin.put({"before": "first"})
            await one.run()
            await one.twin.put_together(rows)
            one.bus.kill_at = len(one.bus.steps) + step
            if await one.run():
                one.bus.kill_at = None
                try:
                    await one.run()
                except Failed as problem:
                    raise Failed(_told_of_kill(one.bus, len(one.bus.steps), problem)) from problem
            one.sound()


async def changes_while_first_read(kit: Kit) -> None:
    """What is changed and removed while everything is read for the first time ends up right."""
    async with kit.trial() as one:
        rows = {f"s-{number:03d}": "first" for number in range(60)}
        await one.twin.put(rows)
        disturbed = False

        async def disturb() -> None:
            nonlocal disturbed
            await _until(lambda: bool(one.bus.log.records()))
            await one.twin.put({"s-000": "changed", "s-030": "changed", "s-059": "changed"})
            with suppress(NotOffered):
                await one.twin.remove("s-031")
            disturbed = True

        disturbing = asyncio.ensure_future(disturb())
        try:
            await one.run(until=lambda: disturbed and one.is_complete())
        finally:
            disturbing.cancel()
            await asyncio.gather(disturbing, return_exceptions=True)
        one.sound()


async def writes_while_down(kit: Kit) -> None:
    """What is written while no runner runs is read by the next one."""
    async with kit.trial() as one:
        await one.twin.put({"a": "first", "b": "first"})
        await one.run()
        await one.twin.put({"a": "second", "c": "first"})
        await one.twin.put({"b": "second"})
        await one.run()
        one.sound()


async def two_runners(kit: Kit) -> None:
    """Of two runners the later one goes on, and the earlier one ends and says so."""
    async with kit.trial() as one:
        await one.twin.put({"a": "first"})
        await one.run()
        stopping = asyncio.Event()
        earlier = asyncio.ensure_future(one.runner(stopping).run())
        await _until(lambda: one.bus.epoch > 1)  # the first run had its turn already
        one.bus.epoch += 1  # another one opens the door
        await one.twin.put({"a": "second", "b": "first"})
        done, _ = await asyncio.wait({earlier}, timeout=SETTLED_S)
        stopping.set()
        if not done:
            await asyncio.gather(earlier, return_exceptions=True)
        if not isinstance(earlier.exception(), Fenced):
            raise Failed(str(message("kit.not_fenced")))
        await one.run()
        one.sound()


async def replays(kit: Kit) -> None:
    """From each position that was ever kept it reads on without telling anything twice."""
    async with kit.trial() as one:
        await play(one)
        kept, before = list(one.bus.kept), one.bus.histories()
        every = max(1, -(-len(kept) // _POSITIONS_TRIED))
        for position, barrier in kept[::every]:
            one.bus.kept.append((position, barrier))
            if kit.source.kind is Kind.LOG and one.bus.histories() == before:
                await _can_be_read(one, position)
            await one.run()
            one.sound()
            if one.bus.histories() != before:
                problem = _first_difference(before, one.bus.histories())
                raise Failed(str(message("kit.replayed", position=position, problem=problem)))


async def _can_be_read(one: Trial, position: Json) -> None:
    """Read a few items from a position: a source must know its own."""
    items = one.source().read(same(position))
    try:
        with suppress(StopAsyncIteration, TimeoutError):
            await asyncio.wait_for(anext(items), 0.2)
    finally:
        await items.aclose()  # type: ignore[attr-defined]  # a generator is what authors write


async def unreadable_rows(kit: Kit) -> None:
    """What can't be read comes to quarantine with its place; mended, it comes as a row."""
    async with kit.trial() as one:
        await one.twin.put({"good-1": "first"})
        await one.run()
        await one.twin.spoil("bad-1")
        await one.twin.put({"good-2": "first"})
        await one.run(until=lambda: bool(one.bus.unreadable_places()) and one.is_complete())
        if not all(one.bus.unreadable_places()):
            raise Failed(str(message("kit.no_place")))
        await one.twin.mend("bad-1", "mended")
        await one.run()
        one.sound()


async def drift(kit: Kit) -> None:
    """A column that goes away stops the connector, or sets rows aside; it is no empty value."""
    async with kit.trial() as one:
        await one.twin.put({"a": "first", "b": "first"})
        await one.run()
        before = len(one.bus.log.records())
        await one.twin.drift()
        with suppress(DocumentError, Failed):
            await one.run(until=lambda: len(one.bus.log.records()) > before)
        new = one.bus.log.records()[before:]
        for record in new:
            if not record.is_unreadable and not record.content.get("name"):
                raise Failed(str(message("kit.drifted", key=record.key)))


async def source_down(kit: Kit) -> None:
    """While the source does not answer nothing is lost, and it goes on by itself."""
    async with kit.trial() as one:
        await one.twin.put({"a": "first"})
        await one.run()
        await one.twin.go_down()
        stopping = asyncio.Event()
        running = asyncio.ensure_future(one.runner(stopping).run())
        try:
            async with asyncio.timeout(SETTLED_S):
                await _until(lambda: bool(one.totals.attempts_failed) or running.done())
            if running.done():
                raise Failed(str(message("kit.gave_up", problem=running.exception())))
            await one.twin.come_up()
            await one.twin.put({"a": "second", "b": "first"})
            async with asyncio.timeout(SETTLED_S):
                await _until(one.is_complete)
        except TimeoutError:
            raise Failed(one.difference() or str(message("kit.down_unnoticed"))) from None
        finally:
            stopping.set()
            await asyncio.gather(running, return_exceptions=True)
        one.sound()


async def idle(kit: Kit) -> None:
    """Ten minutes without a row: the position moves where the source does, and nothing is told."""
    async with kit.trial() as one:
        await one.twin.put({"a": "first"})
        await one.run()
        _, before = len(one.bus.log.records()), one.bus.kept[-1][0]
        await one.twin.stir()
        began = one.bus.now
        moved = await _item_of(one, lambda item: same(item.position) != before)
        if moved is None:
            raise Failed(str(message("kit.stood_still", position=before, seconds=_IDLE_S)))
        if (one.bus.now - began).total_seconds() > _IDLE_S:
            raise Failed(str(message("kit.stood_still", position=before, seconds=_IDLE_S)))
        await one.run()
        one.sound()


async def _item_of(one: Trial, wanted: Callable[[Item], bool]) -> Item | None:
    """Read on from the kept position until an item comes that is wanted."""
    items = one.source().read(same(one.bus.kept[-1][0]))
    try:
        async with asyncio.timeout(SETTLED_S):
            async for item in items:
                if item.position is not NOT_HERE and wanted(item):
                    return item
    except TimeoutError:
        return None
    finally:
        await items.aclose()  # type: ignore[attr-defined]  # a generator is what authors write
    return None


async def positions(kit: Kit) -> None:
    """Positions are small, survive JSON, and come often enough."""
    async with kit.trial() as one:
        await one.twin.put({f"p-{number:04d}": "x" for number in range(300)})
        await one.run()
        one.sound()
        for position, _ in one.bus.kept:
            if same(position) != position:
                told = message("kit.position_changed", position=position, read=same(position))
                raise Failed(str(told))
            size = len(json.dumps(position))
            if size > POSITION_BYTES_MAX:
                raise Failed(str(message("kit.position_large", size=size)))
        if one.bus.kept[-1][0] is None:
            raise Failed(str(message("kit.no_position")))


async def configuration(kit: Kit) -> None:
    """Each field that must be given is asked for by name, and no secret is ever told."""
    config = kit.source.Config
    required = {name for name, field in config.model_fields.items() if field.is_required()}
    try:
        config.model_validate({})
    except ValidationError as problem:
        asked = {str(error["loc"][0]) for error in problem.errors() if error["loc"]}
    else:
        asked = set()
    if required - asked:
        raise Failed(str(message("kit.not_asked", fields=", ".join(sorted(required - asked)))))
    async with kit.trial() as one:
        heard = _Heard()
        logging.getLogger().addHandler(heard)
        try:
            await one.twin.put({"a": "first"})
            with suppress(NotOffered):
                await one.twin.spoil("b")
            await one.run(until=lambda: "a" in one.bus.view())
        finally:
            logging.getLogger().removeHandler(heard)
        told = [
            repr(one.twin.config),
            repr(one.source()),
            *heard.lines,
            json.dumps([position for position, _ in one.bus.kept]),
            *(json.dumps(record.content, default=str) for record in one.bus.log.records()),
        ]
        if any(CANARY in text for text in told):
            raise Failed(str(message("kit.secret_told")))
        secrets = [name for name, value in one.twin.config if isinstance(value, SecretStr)]
        leaks = [
            name
            for name, field in config.model_fields.items()
            if field.default is not PydanticUndefined and CANARY in str(field.default)
        ]
        assert not (leaks and secrets), "a twin gives its secrets, a default none"


class _Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


async def ends(kit: Kit) -> None:
    """Told to stop it stops within five seconds, leaves nothing open, and holds up nobody."""
    async with kit.trial() as one:
        await one.twin.put({f"e-{number:03d}": "x" for number in range(100)})
        await one.run()
        tasks, files = asyncio.all_tasks(), _open_files()
        # Why the least: a machine that is busy holds up the loop too, but not each time.
        longest_s = min([await _longest_block(one, str(number)) for number in range(_ATTEMPTS)])
        if longest_s > BLOCKED_S:
            raise Failed(str(message("kit.blocked", seconds=round(longest_s, 2))))
        await asyncio.sleep(0.02)
        left = [task for task in asyncio.all_tasks() - tasks if not task.done()]
        if left:
            raise Failed(str(message("kit.tasks_left", tasks=left)))
        opened = _open_files() - files
        if opened:
            raise Failed(str(message("kit.files_left", files=sorted(opened))))


async def _longest_block(one: Trial, content: str) -> float:
    """Run once more with other content; gives how long the loop was held up at most, seconds."""
    loop = asyncio.get_running_loop()
    longest_s, is_over = 0.0, False

    async def tick() -> None:
        nonlocal longest_s
        while not is_over:
            before = loop.time()
            await asyncio.sleep(0.005)
            longest_s = max(longest_s, loop.time() - before - 0.005)

    ticking = asyncio.ensure_future(tick())
    try:
        await one.twin.put({f"e-{number:03d}": content for number in range(100)})
        async with asyncio.timeout(SETTLED_S + CANCEL_S):
            await one.run()
    finally:
        is_over = True
        await ticking
    return longest_s


def _open_files() -> set[str]:
    """Tell what this process has open, as far as the system says: name of each descriptor."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return set()
    found = set()
    for descriptor in folder.iterdir():
        with suppress(OSError):
            found.add(f"{descriptor.name} {descriptor.readlink()}")
    return found


async def totals(kit: Kit) -> None:
    """What a runner counts adds up to what the bus has."""
    async with kit.trial() as one:
        await play(one)
        with suppress(NotOffered):
            await one.twin.spoil("bad")
            await one.run(until=lambda: bool(one.bus.unreadable_places()) and one.is_complete())
        counted, records = one.totals, one.bus.log.records()
        unreadable = sum(record.is_unreadable for record in records)
        found = (counted.sent, counted.unreadable, counted.rows - counted.repeats)
        if found != (len(records), unreadable, len(records)):
            raise Failed(str(message("kit.miscounted", counted=found, records=len(records))))


async def history_beside_news(kit: Kit) -> None:
    """History is loaded beside what is new; it fills gaps, and never changes what is newer."""
    async with kit.trial() as one:
        span = one.twin.span()
        await one.twin.put({f"h-{number:02d}": "old" for number in range(20)})
        source = one.source()
        try:
            past = source.backfill(span)
        except NotImplementedError as problem:
            raise NotOffered(str(problem)) from problem
        await one.run()
        await one.twin.put({"h-03": "new", "h-10": "new", "n-1": "new"})

        async def rows() -> Any:  # noqa: ANN401 - an asynchronous generator
            number = 0
            async for item in past:
                number += 1
                row = source_row(
                    item,
                    one.fit.fit,
                    event=f"{number:016x}",
                    place=item.place or f"history/{number}",
                    is_history=True,
                )
                if row is not None:
                    yield row
            _loaded.set()

        _loaded = asyncio.Event()
        await one.run(
            until=lambda: _loaded.is_set() and one.is_complete(),
            history=lambda _: None if _loaded.is_set() else rows(),
        )
        one.sound()
        late = [one_.key for one_ in one.bus.log.records() if one_.lane is Lane.BACKFILL]
        if set(late) - one.twin.rows.keys():
            raise Failed(str(message("kit.not_gone", key=sorted(set(late)))))


async def earlier_versions(kit: Kit) -> None:
    """Positions that earlier versions of the connector left are understood."""
    async with kit.trial() as one:
        for position in one.twin.earlier_positions():
            one.bus.kept.append((position, one.bus.log.ends()))
            await one.twin.put({f"v-{len(one.bus.kept)}": "x"})
            await one.run()
            one.sound()


async def marks_mean_it(kit: Kit) -> None:
    """Behind each position that it gives, rows included, nothing that came before is missing."""
    async with kit.trial() as one:
        await one.twin.put({f"m-{number:02d}": "x" for number in range(12)})
        with suppress(NotOffered):
            await one.twin.put_together({f"mt-{number:02d}": "x" for number in range(12)})
        given = await _all_given(one)
        for place, item in enumerate(given):
            if item.position is NOT_HERE:
                continue
            told = {_key(one, row) for row in given[: place + 1]}
            for silence_s in (_SILENT_S, STILL_S):
                rows = await _given_from(one, same(item.position), silence_s)
                lost = one.twin.rows.keys() - told - {_key(one, row) for row in rows}
                if not lost:
                    break
            else:
                key, kind = min(lost), type(item).__name__
                raise Failed(
                    str(message("kit.passed_over", position=item.position, kind=kind, key=key))
                )


async def _all_given(one: Trial) -> Sequence[Item]:
    """Read from the beginning until every row is given: some sources let young rows wait."""
    time = asyncio.get_running_loop().time
    deadline_s = time() + one.still_s
    while True:
        given = await _given_from(one, None)
        if one.twin.rows.keys() <= {_key(one, item) for item in given}:
            return given
        if time() > deadline_s:
            raise Failed(str(message("kit.never_came")))
        await asyncio.sleep(_SILENT_S)


async def _given_from(one: Trial, position: Json, silence_s: float = _SILENT_S) -> Sequence[Item]:
    """Read from a position until nothing has come for a moment."""
    source = one.source()
    if position is None:
        await source.created()
    items, found = source.read(position), list[Item]()
    try:
        while True:
            coming = asyncio.ensure_future(anext(items))
            done, _ = await asyncio.wait({coming}, timeout=silence_s)
            if not done:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
                return found
            found.append(coming.result())
    except StopAsyncIteration:
        return found
    finally:
        await items.aclose()  # type: ignore[attr-defined]  # a generator is what authors write


def _key(one: Trial, item: Item) -> str | None:
    if isinstance(item, Mark) or not hasattr(item, "cells"):
        return None
    key = item.cells.get(one.twin.key)
    return None if key is None else str(key)


CHECKS: Final[Sequence[Check]] = (
    kill_at_every_step,
    marks_mean_it,
    late_commit,
    ties,
    a_transaction_cut,
    changes_while_first_read,
    writes_while_down,
    two_runners,
    replays,
    unreadable_rows,
    drift,
    source_down,
    idle,
    positions,
    configuration,
    ends,
    totals,
    history_beside_news,
    earlier_versions,
)
