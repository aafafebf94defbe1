"""How many requests of one kind are served at one time. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from bus.gateway.problems import Problem
from bus.model.identifiers import SystemCode

AT_ONCE_MAX: Final = 8
"""Requests that read the fund at one time."""
AT_ONCE_OF_ONE_MAX: Final = 2
"""Of them, those of one system: a reader in a hurry leaves places to the others."""
Full: TypeAlias = tuple[int, str]
"""Status and code of the answer where no place is left."""


class Places:
    """Counts the requests that are being served, by system."""

    def __init__(
        self,
        at_once_max: int = AT_ONCE_MAX,
        of_one_max: int = AT_ONCE_OF_ONE_MAX,
        *,
        full: Full = (503, "busy"),
        full_for_one: Full = (429, "busy_for_you"),
    ) -> None:
        """Begin with none.

        Args:
            at_once_max: Requests at one time.
            of_one_max: Of them, those of one system.
            full: What is answered where all are taken.
            full_for_one: What is answered where a system has its share.
        """
        self._taken = Counter[SystemCode]()
        self._at_once_max, self._of_one_max = at_once_max, of_one_max
        self._full, self._full_for_one = full, full_for_one

    @contextmanager
    def taken(self, system: SystemCode) -> Iterator[None]:
        """Keep a place for the time of a block.

        Raises:
            Problem: All are taken, or this system has its share.
        """
        if self._taken.total() >= self._at_once_max:
            raise Problem(*self._full, loads=self._at_once_max)
        if self._taken[system] >= self._of_one_max:
            raise Problem(*self._full_for_one, loads=self._of_one_max)
        self._taken[system] += 1
        try:
            yield
        finally:
            self._taken[system] -= 1
