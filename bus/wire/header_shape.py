"""What the names of a record's headers tell about their places, remembered. Pure.

Nearly all records of a topic have the same names in the same order. What follows from names alone
is worked out once for each such order; a record then gives its values by place, without a look-up
for each name. A sender may vary names at will, so few orders are remembered, and no long ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, TypeAlias, cast

from bus.wire.original import is_utf_8, name_as_sent

Values: TypeAlias = tuple[bytes | None, ...]
_SHAPES_MAX: Final = 256
_NAMES_BYTES_MAX: Final = 2_048
_NAMES_MAX: Final = 64
"""Of a remembered shape, as before; a name may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is common to records whose headers have the same names in the same order."""

    names_bytes: int
    """As sent."""
    is_sound: bool
    """Every name is UTF-8 and stands once, and none is forbidden."""
    pick: Callable[[Values], Values]
    """Takes the values as sent and one None behind them; gives those of the wanted headers in the
    order wanted, None where there is no such header, the last of a name that stands twice."""
    absent: int
    """Wanted headers that are not there, of those that are counted."""


class Shapes:
    """The shapes met lately."""

    def __init__(self, *, wanted: Sequence[str], counted: int, forbidden: frozenset[str]) -> None:
        """Begin with none.

        Args:
            wanted: Names of the headers that are picked, at least two.
            counted: How many of them, from the first, count as absent.
            forbidden: Names that make a shape unsound.
        """
        self._wanted = wanted
        self._counted = counted
        self._forbidden = forbidden
        self._known: dict[tuple[str, ...], Shape] = {}

    def of(self, names: tuple[str, ...]) -> Shape:
        """Give the shape of names in the order sent; names that are no UTF-8 have surrogates."""
        shape = self._known.get(names)
        if shape is None:
            shape = self._read(names)
            if len(names) <= _NAMES_MAX and shape.names_bytes <= _NAMES_BYTES_MAX:
                if len(self._known) >= _SHAPES_MAX:
                    self._known.clear()
                self._known[names] = shape
        return shape

    def _read(self, names: tuple[str, ...]) -> Shape:
        places = {name: place for place, name in enumerate(names)}
        wanted = [places.get(name, -1) for name in self._wanted]
        return Shape(
            names_bytes=sum(len(name_as_sent(name)) for name in names),
            is_sound=len(places) == len(names)
            and self._forbidden.isdisjoint(places)
            and all(map(is_utf_8, names)),
            pick=cast("Callable[[Values], Values]", itemgetter(*wanted)),
            absent=wanted[: self._counted].count(-1),
        )
