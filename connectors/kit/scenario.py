"""What happens in a source while the kit kills its runner: the same each time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

from connectors.kit.trial import Trial
from connectors.kit.twin import NotOffered, Twin

Act: TypeAlias = Callable[[Twin], Awaitable[None]]


async def _first(twin: Twin) -> None:
    await twin.put({f"a-{number}": "first" for number in range(1, 6)})
    with suppress(NotOffered):
        await twin.put_together({f"t-{number}": "together" for number in range(1, 6)})


async def _second(twin: Twin) -> None:
    await twin.put({"a-2": "second", "b-1": "first"})
    await twin.put({"a-4": "second"})
    await twin.put({"a-4": "first"})
    with suppress(NotOffered):
        await twin.remove("a-3")
    with suppress(NotOffered):
        await twin.put_together({"t-2": "again", "a-5": "again"})


async def _third(twin: Twin) -> None:
    await twin.put({"a-2": "first", "c-1": "first"})


ACTS: Final[Sequence[Act]] = (_first, _second, _third)


async def play(trial: Trial) -> None:
    """Let everything happen, and run after each act; where a run is killed, run once more.

    Raises:
        Failed: Something that stands in the source never came.
    """
    for act in ACTS:
        await act(trial.twin)
        if await trial.run():
            trial.bus.kill_at = None
            await trial.run()
