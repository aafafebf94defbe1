"""How soon the fund goes on after a fault: watched beside the run, past every proxy."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from statistics import median
from typing import Final

import psycopg

_LOOK_S: Final = 0.2
_POSITIONS: Final = (
    "SELECT coalesce(sum(next_offset), 0) FROM bus.positions WHERE consumer = 'fund'"
)


class ProgressWatch:
    """Notes each moment at which the fund was seen to have moved."""

    def __init__(self, dsn: str) -> None:
        """Take where the fund is, past every proxy."""
        self._dsn = dsn
        self._moved_s: list[float] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> Sequence[float]:
        """End, and give the moments (`time.monotonic`), ascending."""
        self._ending.set()
        self._thread.join()
        return self._moved_s

    def _watch(self) -> None:
        while not self._ending.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True, connect_timeout=2) as connection:
                    self._look(connection)
            except psycopg.Error:
                self._ending.wait(_LOOK_S)

    def _look(self, connection: psycopg.Connection[tuple[int, ...]]) -> None:
        before = None
        while not self._ending.is_set():
            row = connection.execute(_POSITIONS).fetchone()
            now = None if row is None else row[0]
            if before is not None and now != before:
                self._moved_s.append(time.monotonic())
            before = now
            self._ending.wait(_LOOK_S)


def recoveries(ends_s: Sequence[float], moved_s: Sequence[float]) -> list[float]:
    """Tell how long after each fault's end the fund was seen to move; without those at the end."""
    found = []
    for end_s in ends_s:
        place = bisect_right(moved_s, end_s)
        if place < len(moved_s):
            found.append(moved_s[place] - end_s)
    return found


def summary(recovered_s: Sequence[float]) -> dict[str, float]:
    """Give the middle and the worst, in seconds."""
    if not recovered_s:
        return {"p50": 0.0, "max": 0.0}
    return {"p50": round(median(recovered_s), 1), "max": round(max(recovered_s), 1)}
