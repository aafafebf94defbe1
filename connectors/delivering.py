"""Running a sink: batches from the bus to the target, again after a fault, until it is stopped.

One session = the target is opened, the dataset is subscribed to from where the target says that it
has come (or the bus, where the target keeps nothing), and each batch is written before the next one
is asked for. A session ends with a fault of the bus, with one of a target that keeps its own state,
and where the dataset's fields change, for the target must be made ready for them; the next one
follows. A target that keeps nothing is asked again for the same record.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from bus.client import DeliveredBatch, Kept, Subscriber
from bus.errors import DocumentError, Unavailable
from connectors.pace import pause_s
from connectors.sink import AnySink, SinkDown, Taken
from connectors.texts import message

_ENDING_S: Final = 2.0
"""How long what is under way may take once it is to stop."""


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
        self, kept: Kept | None, *, follow: bool
    ) -> AbstractAsyncContextManager[Subscriber]:
        """Subscribe.

        Args:
            kept: Tells what the target keeps.
            follow: Wait for more at the end.
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
    _failed: int = 0
    """Attempts since something was taken."""

    async def run(self, *, follow: bool = True) -> None:
        """Run until it is stopped, or without `follow` until the bus has nothing more.

        Raises:
            DocumentError: Target, document or agreement are wrong; trying again would not help.
        """
        stopped = asyncio.ensure_future(self.stopping.wait())
        try:
            is_over = False
            while not (is_over or self.stopping.is_set()):
                session = asyncio.ensure_future(self._session(follow=follow))
                await asyncio.wait({session, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not session.done():
                    await asyncio.wait({session}, timeout=_ENDING_S)
                    session.cancel()
                    await asyncio.wait({session})
                if session.cancelled():
                    return
                try:
                    is_over = session.result()
                except (Unavailable, OSError, TimeoutError) as problem:
                    await self._pause(problem)
        finally:
            stopped.cancel()

    async def _pause(self, problem: Exception) -> None:
        """Wait before the next attempt; ends early when the delivery stops."""
        self._failed += 1
        if not isinstance(problem, Unavailable):
            problem = SinkDown(
                message("connector.sink_down", connector=self.connector, problem=problem)
            )
        asked_for_s = problem.retry_after_s if isinstance(problem, SinkDown) else None
        pause = pause_s(self._failed, asked_for_s, self.chance)
        self.told.down(problem, pause)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), pause)

    async def _session(self, *, follow: bool) -> bool:
        """Deliver until it is over; False: the fields changed, and another session is to follow."""
        sink = self.make_sink()
        kept = sink.state if sink.keeps_state else None
        try:
            await sink.open()
            async with self.subscribe(kept, follow=follow) as subscriber:
                topics, columns = subscriber.topics, subscriber.columns
                if sink.keeps_state and len(topics) > 1:
                    told = {"connector": self.connector, "topics": ", ".join(topics)}
                    raise DocumentError(message("connector.several_cuts", **told))
                await sink.prepare(columns)
                batches = subscriber.batches() if sink.keeps_state else _one_by_one(subscriber)
                async with aclosing(batches):
                    async for batch in batches:
                        if subscriber.columns != columns:
                            return False
                        if not await self._write(sink, batch) or self.stopping.is_set():
                            return True
            return True
        finally:
            await sink.close()

    async def _write(self, sink: AnySink, batch: DeliveredBatch) -> bool:
        """Write a batch, again until it is taken; False: it is to stop.

        Raises:
            SinkDown: The target, which keeps its own state, does not answer.
        """
        while not self.stopping.is_set():
            try:
                taken = await sink.write(batch)
            except (SinkDown, OSError, TimeoutError) as problem:
                if sink.keeps_state:
                    raise
                await self._pause(problem)
            else:
                self._failed = 0
                self.told.taken(batch, taken)
                return True
        return False


async def _one_by_one(subscriber: Subscriber) -> AsyncGenerator[DeliveredBatch, None]:
    """Give record by record: what was taken is not told again for what was not."""
    async with aclosing(subscriber.groups()) as units:
        async for unit in units:
            yield DeliveredBatch(units=[unit], behind={})
