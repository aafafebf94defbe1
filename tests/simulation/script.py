"""What an agency's register says in one history: rows of a few entries, some of them broken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from bus.model.record import Operation


class Flaw(Enum):
    """What is wrong with a row; it is then the only one of its entry."""

    RULE = auto()
    """It breaks a rule of the contract."""
    BYTES = auto()
    """A byte too many behind the value."""
    UNSIGNED = auto()
    NEW_KEY = auto()
    """Signed with a key that only every second catalogue takes."""


FATAL = (Flaw.RULE, Flaw.BYTES, Flaw.UNSIGNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row with its version number, as the register gives it."""

    key: str
    version: int
    operation: Operation | None
    flaw: Flaw | None = None

    @property
    def mark(self) -> str:
        """Unique in a history."""
        return f"{self.key}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A row that stands for itself, or rows that are sent as one group."""

    rows: tuple[Row, ...]
    is_cut: bool = False
    """Its last member is not sent, which makes it no group."""

    @property
    def is_refused(self) -> bool:
        """Whether enforcement must set all of it aside."""
        return self.is_cut or any(row.flaw in FATAL for row in self.rows)


def script(chance: Random) -> list[Unit]:
    """Draw the rows of a history: versions of each entry ascend, as the register makes them."""
    writer = _Writer(chance)
    return [writer.unit() for _ in range(chance.randint(3, 9))]


class _Writer:
    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._versions = {f"63-000{number}": 0 for number in range(1, chance.randint(2, 3) + 1)}
        self._singles = 0

    def unit(self) -> Unit:
        kind = self._chance.random()
        if kind < 0.55:
            return Unit(rows=(self._next(self._chance.choice(list(self._versions))),))
        if kind < 0.75:
            return Unit(rows=(self._single(self._chance.choice(list(Flaw))),))
        if kind < 0.92:
            return Unit(rows=tuple(map(self._next, self._some_keys())))
        flaw = self._chance.choice((None, Flaw.RULE, Flaw.BYTES))
        size = self._chance.randint(2, 3)
        flawed = self._chance.randrange(size)
        rows = (self._single(flaw if place == flawed else None) for place in range(size))
        return Unit(rows=tuple(rows), is_cut=flaw is None)

    def _some_keys(self) -> list[str]:
        keys = list(self._versions)
        return self._chance.sample(keys, self._chance.randint(2, len(keys)))

    def _next(self, key: str) -> Row:
        self._versions[key] += self._chance.choice((1, 1, 1, 2))
        operation = self._chance.choice(
            (None, None, None, None, Operation.ANNUL, Operation.CEASE, Operation.CREATE)
        )
        return Row(key=key, version=self._versions[key], operation=operation)

    def _single(self, flaw: Flaw | None) -> Row:
        self._singles += 1
        return Row(key=f"63-01{self._singles:02}", version=1, operation=None, flaw=flaw)
