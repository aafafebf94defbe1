"""How soon the fund goes on after a fault: watched beside the run, past every proxy."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final, TypeAlias

import psycopg

_LOOK_S: Final = 0.2
_POSITIONS: Final = (
    "SELECT topic, partition, next_offset FROM bus.positions WHERE consumer = 'fund'"
)

Partition: TypeAlias = tuple[str, int]
Moves: TypeAlias = Mapping[Partition, Sequence[float]]
"""Partition → the moments at which it was seen to have moved (`time.monotonic`), ascending."""


class ProgressWatch:
    """Notes each moment at which the fund was seen to have moved, partition by partition."""

    def __init__(self, dsn: str) -> None:
        """Take where the fund is, past every proxy."""
        self._dsn = dsn
        self.moves: dict[Partition, list[float]] = defaultdict(list)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> Moves:
        """End, and tell what was seen."""
        self._ending.set()
        self._thread.join()
        return self.moves

    def _watch(self) -> None:
        before: dict[Partition, int] = {}
        while not self._ending.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True, connect_timeout=2) as connection:
                    self._look(connection, before)
            except psycopg.Error:
                self._ending.wait(_LOOK_S)

    def _look(
        self, connection: psycopg.Connection[tuple[str, int, int]], before: dict[Partition, int]
    ) -> None:
        while not self._ending.is_set():
            rows = connection.execute(_POSITIONS).fetchall()
            now_s = time.monotonic()
            for topic, partition, position in rows:
                place = (topic, partition)
                if before.setdefault(place, position) != position:
                    self.moves[place].append(now_s)
                    before[place] = position
            self._ending.wait(_LOOK_S)


def recoveries(ends_s: Sequence[float], moves: Moves) -> list[float]:
    """Tell how long after each fault's end the last partition was seen to move again.

    A partition that moves no more counts for nothing: whether it has come to its end, or is stuck,
    the drain tells. A fault behind which none moves is left out.
    """
    found = []
    for end_s in ends_s:
        next_s = [
            moved_s[place]
            for moved_s in moves.values()
            if (place := bisect_right(moved_s, end_s)) < len(moved_s)
        ]
        if next_s:
            found.append(max(next_s) - end_s)
    return found


def summary(recovered_s: Sequence[float]) -> dict[str, float | None]:
    """Give the middle and the worst, in seconds; nothing was measured: None."""
    if not recovered_s:
        return {"p50": None, "max": None}
    return {"p50": round(median(recovered_s), 1), "max": round(max(recovered_s), 1)}
