"""Keeping a rate of rows, and the pauses between attempts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

_BURST_S: Final = 0.1
"""How much of the rate may go at once."""
PAUSE_MIN_S: Final = 0.5
PAUSE_MAX_S: Final = 60.0


class Rate:
    """Lets so many rows pass a second, evenly."""

    def __init__(
        self,
        per_s: float | None,
        *,
        time: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin with a full burst.

        Args:
            per_s: Rows a second; None: without a limit.
            time: Monotonic, seconds.
            sleep: Waits.
        """
        self._per_s = per_s
        self._time = time
        self._sleep = sleep
        self._free_at_s = time()

    async def turn(self) -> None:
        """Wait until one more row may pass."""
        if self._per_s is None:
            return
        now = self._time()
        self._free_at_s = max(self._free_at_s, now - _BURST_S) + 1 / self._per_s
        if self._free_at_s > now:
            await self._sleep(self._free_at_s - now)


def pause_s(attempt: int, asked_for_s: float | None, chance: random.Random) -> float:
    """Tell how long to wait before another attempt.

    Args:
        attempt: Attempts that failed since the last success, from 1.
        asked_for_s: What the source asked for; it is kept, whatever the attempt, and 0 is not.
        chance: Spreads those who failed together.
    """
    if asked_for_s is not None:
        return max(asked_for_s, PAUSE_MIN_S) + chance.uniform(0, PAUSE_MIN_S)
    longest = min(PAUSE_MAX_S, PAUSE_MIN_S * 2 ** min(attempt, 10))
    return chance.uniform(PAUSE_MIN_S, longest) if longest > PAUSE_MIN_S else PAUSE_MIN_S
