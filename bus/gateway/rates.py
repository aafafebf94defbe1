"""How often one system may ask: a bucket of requests that fills up again steadily. Pure."""

from __future__ import annotations

from typing import Final

from bus.gateway.problems import Problem
from bus.model.identifiers import SystemCode

REQUESTS_PER_S: Final = 200.0
"""Of one system, over time."""
AT_ONCE_MAX: Final = 400
"""Of one system, after it was silent for a while."""


class Rates:
    """Keeps a bucket for each system that asked; there are as many as the catalogue has."""

    def __init__(self, per_s: float = REQUESTS_PER_S, at_once: int = AT_ONCE_MAX) -> None:
        """Begin with full buckets."""
        self._per_s = per_s
        self._at_once = at_once
        self._left: dict[SystemCode, tuple[float, float]] = {}

    def take(self, system: SystemCode, now_s: float) -> None:
        """Count one request.

        Args:
            system: Authenticated: a stranger's claims take no memory.
            now_s: Of a clock that never goes back, in seconds.

        Raises:
            Problem: It has asked too often; says when to ask again.
        """
        left, since_s = self._left.get(system, (float(self._at_once), now_s))
        left = min(float(self._at_once), left + (now_s - since_s) * self._per_s)
        if left < 1:
            self._left[system] = (left, now_s)
            raise Problem(429, "too_many", per_s=int(self._per_s), retry_after_s=1)
        self._left[system] = (left - 1, now_s)
