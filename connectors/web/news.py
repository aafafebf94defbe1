"""How far a list with a cursor was read: what is asked for next, what was given. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.source import Json
from connectors.web.answers import digest, order_of

KEPT_MAX: Final = 300
"""Rows that a position remembers; the others are given again, and the bus knows them."""


@dataclass(slots=True)
class Reach:
    """Which values of the cursor were seen, from where on everything is asked for."""

    since: Json
    """From which everything behind was asked for; None: from the beginning."""
    includes_equal: bool
    newest: Json = None
    before: Json = None
    """The greatest one below `newest`."""

    def __post_init__(self) -> None:
        if self.includes_equal:
            self.newest = self.since
        else:
            self.before = self.since

    @property
    def next_since(self) -> Json:
        """From where on everything must be asked for that may still come.

        Why not the newest where the service leaves equal ones out: another row of that very value
        may still be written, and would never be given.
        """
        return self.newest if self.includes_equal else self.before

    def saw(self, value: Json) -> None:
        """Take a row's value; one that has no order changes nothing."""
        if order_of(value) is None:
            return
        if self.newest is None or _order(value) > _order(self.newest):
            if self.newest is not None:
                self.before = self.newest
            self.newest = value
        elif _order(value) < _order(self.newest) and (
            self.before is None or _order(value) > _order(self.before)
        ):
            self.before = value

    def holds(self, value: Json) -> bool:
        """Tell whether a row of this value should have been seen already."""
        if order_of(value) is None or self.newest is None:
            return True
        return _order(value) <= _order(self.newest)


@dataclass(slots=True)
class Given:
    """Rows that were given, by their keys: what they said last."""

    rows: dict[str, str] = field(default_factory=dict)
    count: int = 0
    """Rows given since the beginning."""

    def is_new(self, key: Json, row: Json) -> bool:
        """Take a row; tell whether it says something else than it did, or nobody knows."""
        content = digest(row)
        name = digest([key, None if key is not None else content])
        was = self.rows.pop(name, None)
        self.rows[name] = content  # behind those that came before
        return was != content

    def forget_all_but(self, rows: int) -> None:
        """Remember no more than so many, those that came last."""
        for name in list(self.rows)[: max(0, len(self.rows) - rows)]:
            del self.rows[name]

    def latest(self) -> Mapping[str, str]:
        """Give what a position remembers."""
        return dict(list(self.rows.items())[-KEPT_MAX:])


def _order(value: Json) -> tuple[int, Any]:
    order = order_of(value)
    assert order is not None, "only values with an order are kept"
    return order
