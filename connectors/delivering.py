"""Running a sink: batches from the bus to the target, again after a fault, until it is stopped.

One session = the target is opened, the dataset is subscribed to from where the target says that it
has come (or the bus, where the target keeps no positions), and each batch is written before the
next one is asked for. A fault of target or bus ends the session; so does a change of the dataset's
fields, for the target must be made ready for them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass, field
from typing import Protocol

from bus.client import DeliveredBatch, Kept, Subscriber
from bus.errors import Unavailable
from connectors.pace import pause_s
from connectors.sink import AnySink, SinkDown, Taken
from connectors.texts import message


class Told(Protocol):
    """Learns what a delivery does: metrics, the terminal, a test."""

    def taken(self, batch: DeliveredBatch, taken: Taken) -> None:
        """A batch is in the target."""

    def down(self, problem: Unavailable, pause: float) -> None:
        """Target or bus do not answer; another attempt follows after a pause, seconds."""


@dataclass(slots=True, kw_only=True)
class Totals:
    """What a run came to so far."""

    records: int = 0
    refused: int = 0
    attempts_failed: int = 0

    def taken(self, batch: DeliveredBatch, taken: Taken) -> None:  # noqa: ARG002 - see Told
        """Count."""
        self.records += taken.records
        self.refused += taken.refused

    def down(self, problem: Unavailable, pause: float) -> None:  # noqa: ARG002 - see Told
        """Count."""
        self.attempts_failed += 1


class Subscribe(Protocol):
    """Opens the subscription; the command line knows how."""

    def __call__(
        self, kept: Kept | None, *, follow: bool, anew: bool
    ) -> AbstractAsyncContextManager[Subscriber]:
        """Subscribe.

        Args:
            kept: Tells positions that the target keeps.
            follow: Wait for more at the end.
            anew: Forget how far a first load was; the target is empty.
        """


@dataclass(slots=True, kw_only=True)
class Delivery:
    """Runs one sink."""

    connector: str
    make_sink: Callable[[], AnySink]
    """One for each session."""
    subscribe: Subscribe
    told: Told
    stopping: asyncio.Event
    chance: random.Random = field(default_factory=random.Random)
    _moved: bool = False

    async def run(self, *, follow: bool = True) -> None:
        """Run until it is stopped, or without `follow` until the bus has nothing more.

        Raises:
            DocumentError: Target, document or agreement are wrong; trying again would not help.
        """
        failed = 0
        while not self.stopping.is_set():
            self._moved = False
            try:
                is_over = await self._session(follow=follow)
            except (Unavailable, OSError, TimeoutError) as problem:
                failed = 1 if self._moved else failed + 1
                await self._pause(problem, failed)
            else:
                if is_over:
                    return

    async def _pause(self, problem: Exception, failed: int) -> None:
        """Wait before the next attempt; ends early when the delivery stops."""
        if not isinstance(problem, Unavailable):
            problem = SinkDown(
                message("connector.sink_down", connector=self.connector, problem=problem)
            )
        asked_for_s = problem.retry_after_s if isinstance(problem, SinkDown) else None
        pause = pause_s(failed, asked_for_s, self.chance)
        self.told.down(problem, pause)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), pause)

    async def _session(self, *, follow: bool) -> bool:
        """Deliver until it is over; False: the fields changed, and another session is to follow."""
        sink = self.make_sink()
        kept = sink.positions if sink.keeps_positions else None
        try:
            anew = await sink.open()
            async with self.subscribe(kept, follow=follow, anew=anew) as subscriber:
                columns = subscriber.columns
                await sink.prepare(columns)
                async with aclosing(self._until_stopped(subscriber)) as batches:
                    async for batch in batches:
                        if subscriber.columns != columns:
                            return False
                        taken = await sink.write(batch)
                        self._moved = self._moved or taken.records > 0
                        self.told.taken(batch, taken)
            return True
        finally:
            await sink.close()

    async def _until_stopped(self, subscriber: Subscriber) -> AsyncGenerator[DeliveredBatch, None]:
        """Give batches; waiting for the next one ends when the delivery stops."""
        stopped = asyncio.ensure_future(self.stopping.wait())
        batches = subscriber.batches()
        try:
            while True:
                coming = asyncio.ensure_future(anext(batches, None))
                await asyncio.wait({coming, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
                    return
                batch = coming.result()
                if batch is None:
                    return
                yield batch
        finally:
            stopped.cancel()
            await batches.aclose()
