"""What there is of marts in a database, entry by entry, and how it differs from what should be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

ROLE_PREFIX: Final = "mart_"
PUBLIC: Final = "PUBLIC"
"""Everybody, as PostgreSQL calls it."""


@unique
class EntryKind(StrEnum):
    """What an entry tells of."""

    ROLE = "role"
    SETTING = "setting"
    MEMBER = "member"
    """Of another role."""
    SCHEMA = "schema"
    VIEW = "view"
    FUNCTION = "function"
    RELATION = "relation"
    """A table, sequence or whatever else in a mart's schema is no view."""
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class MartEntry:
    """One thing of a mart; a changed one is two entries with all but the detail in common."""

    role: str
    """Whose it is; of rights their holder."""
    kind: EntryKind
    name: str
    detail: str
    """A role's limits, a setting's value, a right; of a view and a function the digest of what made
    it, or `altered`."""

    def __str__(self) -> str:
        return f"{self.role}: {self.kind} {self.name} {self.detail}".replace("  ", " ").rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class MartDiff:
    """How a database's marts differ from what the region grants; each ascending."""

    missing: tuple[MartEntry, ...] = ()
    surplus: tuple[MartEntry, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the marts are as they should be."""
        return not (self.missing or self.surplus)


def mart_diff(wanted: Iterable[MartEntry], found: Iterable[MartEntry]) -> MartDiff:
    """Compare what should be with what is."""
    should, there = frozenset(wanted), frozenset(found)
    return MartDiff(missing=tuple(sorted(should - there)), surplus=tuple(sorted(there - should)))
