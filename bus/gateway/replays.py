"""Signed requests that were taken: none is taken twice while its signature is fresh. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from bus.gateway.problems import Problem
from bus.wire.http_signature import VALID_S

_KEPT_S: Final = 2 * VALID_S + 1
"""A signature may be as far ahead of the gateway's time as behind it."""


class Replays:
    """Remembers signatures for as long as they are fresh; rates bound how many that are."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: set[bytes] = set()
        self._ends: deque[tuple[float, bytes]] = deque()

    def take(self, signature: bytes, now_s: float) -> None:
        """Take a signed request that changes something.

        Args:
            signature: As sent; found genuine.
            now_s: Of a clock that never goes back, in seconds.

        Raises:
            Problem: It was taken before.
        """
        while self._ends and self._ends[0][0] <= now_s:
            self._known.discard(self._ends.popleft()[1])
        if signature in self._known:
            raise Problem(401, "replayed")
        self._known.add(signature)
        self._ends.append((now_s + _KEPT_S, signature))
