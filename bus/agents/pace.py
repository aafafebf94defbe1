"""How long a fetch waits for records: few requests where many flow, no delay where few do.

Every fetch costs the worker and the broker something whatever it brings, and the batches that it
brings are signed, sent and written each by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Final

_MEMORY_S: Final = 0.2
"""Time in which a rate is forgotten to a third: a burst is over as soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When fetches wait for many records, and how long."""

    wait_ms: int
    from_per_s: float
    """Records a second; below it a fetch comes back with the first record."""


PROMPT: Final = Pace(wait_ms=15, from_per_s=50)
"""Where somebody waits for the milliseconds."""
PATIENT: Final = Pace(wait_ms=250, from_per_s=1)
"""Where nobody does, and each batch costs a transaction."""


class Flow:
    """How many records a second come, of late."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._per_s = 0.0
        self._at_s = 0.0

    def is_dense(self, records: int, now_s: float) -> bool:
        """Take in what a fetch brought; tell whether the next ones should wait for many.

        Args:
            records: That came since the call before.
            now_s: On a clock that never goes back.
        """
        self._per_s *= exp((self._at_s - now_s) / _MEMORY_S)
        self._per_s += records / _MEMORY_S
        self._at_s = now_s
        return self._per_s >= self._pace.from_per_s
