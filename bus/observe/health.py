"""When a worker is well. Pure: time, positions and the log's ends are handed over.

Idle is well, and so is slow: what is wrong is a position that stands still while records wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TypeAlias

TopicPartition: TypeAlias = tuple[str, int]


@unique
class Ailment(StrEnum):
    """What can be wrong with a worker; words for people are keyed `ailment.<value>`."""

    POSITION_STALLED = "position_stalled"
    CATALOGUE_STALLED = "catalogue_stalled"
    CATALOGUE_REFUSED = "catalogue_refused"
    LOOP_BLOCKED = "loop_blocked"
    KAFKA_SILENT = "kafka_silent"
    WATCH_SILENT = "watch_silent"
    RIGHTS_LATE = "rights_late"
    PROBE_LOST = "probe_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    ailment: Ailment
    where: str
    """`topic/partition` or the empty string."""
    since_s: float
    """For how long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one owned partition has come."""

    position: int
    """Committed: everything below it is done and durable."""
    handed_ms: int | None
    """Append time of the oldest record in the agent's hands, milliseconds since 1970 UTC."""


class StallWatch:
    """Remembers since when each position stands still while records wait behind it."""

    def __init__(self, limit_s: float) -> None:
        """Call a position stalled after `limit_s` seconds."""
        self._limit_s = limit_s
        self._waiting: dict[TopicPartition, tuple[int, float]] = {}

    def look(
        self,
        now_s: float,
        positions: Mapping[TopicPartition, int],
        behind: frozenset[TopicPartition],
    ) -> tuple[Problem, ...]:
        """Compare with the look before.

        Args:
            now_s: On a clock that never goes back.
            positions: Of all owned partitions.
            behind: Those of them with records above the position.
        """
        self._waiting = {
            place: self._since(place, positions[place], now_s)
            for place in behind
            if place in positions
        }
        return tuple(
            Problem(
                ailment=Ailment.POSITION_STALLED,
                where=f"{place[0]}/{place[1]}",
                since_s=now_s - since_s,
            )
            for place, (_, since_s) in sorted(self._waiting.items())
            if now_s - since_s >= self._limit_s
        )

    def _since(self, place: TopicPartition, position: int, now_s: float) -> tuple[int, float]:
        before = self._waiting.get(place)
        return before if before is not None and before[0] == position else (position, now_s)


class Sustained:
    """Remembers since when a condition holds without a break."""

    def __init__(self, ailment: Ailment, limit_s: float) -> None:
        """Call it a problem after `limit_s` seconds."""
        self._ailment = ailment
        self._limit_s = limit_s
        self._since_s: float | None = None

    def look(self, now_s: float, *, holds: bool, where: str = "") -> tuple[Problem, ...]:
        """Note whether the condition holds now; give the problem where it has for too long."""
        if not holds:
            self._since_s = None
            return ()
        since_s = self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - since_s < self._limit_s:
            return ()
        return (Problem(ailment=self._ailment, where=where, since_s=now_s - since_s),)
