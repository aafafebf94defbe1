"""The probe's subscription: what comes from now on, as any consumer of the dataset gets it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

from bus.client import Subscriber
from bus.model.identifiers import RecordId
from bus.probe.sending import AGAIN_S, FAULTS


class Receiving:
    """Remembers which records have come since a round began."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[Subscriber]]) -> None:
        """Prepare; `run` connects.

        Args:
            opened: Connects for the time of a block, behind what the topic holds already.
        """
        self._opened = opened
        self._is_open = asyncio.Event()
        self._news = asyncio.Event()
        self._came_s: dict[RecordId, float] = {}
        self.problem: Exception | None = None
        """Why nothing can come; None: it can."""

    async def run(self) -> None:
        """Receive until cancelled."""
        while True:
            try:
                async with self._opened() as subscriber:
                    self.problem = None
                    self._is_open.set()
                    async for record in subscriber:
                        self._came_s[record.record_id] = time.monotonic()
                        self._news.set()
            except FAULTS as problem:
                self.problem = problem
            finally:
                self._is_open.clear()
            await asyncio.sleep(AGAIN_S)

    async def begin(self, *, wait_s: float) -> None:
        """Begin a round: forget what came, and wait a while for a subscription that is not open."""
        self._came_s.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._is_open.wait()

    async def came_s(self, record_id: RecordId) -> float:
        """Wait for a record; give when it came, by a clock that never jumps."""
        while record_id not in self._came_s:
            self._news.clear()
            await self._news.wait()
        return self._came_s[record_id]
