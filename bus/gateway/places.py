"""Who may read the fund through the gateway at one time. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bus.gateway.problems import Problem
from bus.model.identifiers import SystemCode

AT_ONCE_MAX: Final = 8
"""Requests that read the fund at one time."""
AT_ONCE_OF_ONE_MAX: Final = 2
"""Of them, those of one system: a reader in a hurry leaves places to the others."""


class Places:
    """Counts the requests that are being served, by system."""

    def __init__(self) -> None:
        """Begin with none."""
        self._taken = Counter[SystemCode]()

    @contextmanager
    def taken(self, system: SystemCode) -> Iterator[None]:
        """Keep a place for the time of a block.

        Raises:
            Problem: All are taken, or this system has its share.
        """
        if self._taken.total() >= AT_ONCE_MAX:
            raise Problem(503, "busy", loads=AT_ONCE_MAX)
        if self._taken[system] >= AT_ONCE_OF_ONE_MAX:
            raise Problem(503, "busy_for_you", loads=AT_ONCE_OF_ONE_MAX)
        self._taken[system] += 1
        try:
            yield
        finally:
            self._taken[system] -= 1
