"""What a link and its connections share: the fault in force, the counters, the seeded chance."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

from tests.proxy.faults import Fault


class Switch:
    """The fault in force, or None; whoever waits is woken when it changes."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self._changed = asyncio.Event()

    def turn(self, fault: Fault | None) -> None:
        """Put another fault in force."""
        self.fault = fault
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, timeout_s: float | None = None) -> None:
        """Wait until the fault changes, or until the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()


@dataclass(slots=True, kw_only=True)
class Counters:
    """What went through a link since it runs."""

    connections: int = 0
    """Accepted, though they may have been reset at once."""
    bytes_passed: int = 0
    """Handed on, both ways."""
    produce_requests: int = 0
    """Read from clients, whatever became of them."""
    held: int = 0
    """Produce requests stopped at the gate; those behind them on a connection are not counted."""
    lost_requests: int = 0
    lost_answers: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            connections=self.connections + other.connections,
            bytes_passed=self.bytes_passed + other.bytes_passed,
            produce_requests=self.produce_requests + other.produce_requests,
            held=self.held + other.held,
            lost_requests=self.lost_requests + other.lost_requests,
            lost_answers=self.lost_answers + other.lost_answers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """One for each link."""

    chance: random.Random
    switch: Switch = field(default_factory=Switch)
    counters: Counters = field(default_factory=Counters)
