"""Whether leaves of enforcement join: every offset judged, repeats alike. Pure.

Enforcement is at least once. After a fault a batch, or a part of it cut otherwise, is judged again
and has a second leaf: a repeat. What must not be are offsets that no leaf covers, and two leaves
of one span under one catalogue that differ in what they came to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias

from bus.audit.leaf import BatchLeaf

Outcome: TypeAlias = tuple[int, int, str]
"""Accepted, refused, root."""
_REMEMBERED: Final = 1_000
"""Spans of a partition whose outcome is remembered; a batch that is judged again comes much sooner,
for few are on their way at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Offsets between two leaves that none covers."""

    topic: str
    partition: int
    start: int
    end: int
    """Excluded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """One span that one catalogue judged in two ways."""

    topic: str
    partition: int
    start: int
    end: int
    catalogue: int


@dataclass(slots=True)
class Spans:
    """Takes in leaves in the order of their tree, and tells what is wrong with them."""

    batches: int = 0
    repeats: int = 0
    """Leaves of which another covers a part."""
    contradictions: list[Contradiction] = field(default_factory=list)
    _covered: dict[tuple[str, int], list[tuple[int, int]]] = field(default_factory=dict)
    _outcomes: dict[tuple[str, int], dict[tuple[int, int, int], Outcome]] = field(
        default_factory=dict
    )

    def add(self, leaf: BatchLeaf) -> None:
        """Take in a leaf."""
        self.batches += 1
        place, span = (leaf.topic, leaf.partition), (leaf.start, leaf.end)
        covered = self._covered.setdefault(place, [])
        outcome = (leaf.accepted, leaf.refused, leaf.root)
        recent = self._outcomes.setdefault(place, {})
        known = recent.setdefault((*span, leaf.catalogue), outcome)
        if len(recent) > _REMEMBERED:
            del recent[next(iter(recent))]
        if known != outcome:
            self.contradictions.append(
                Contradiction(
                    topic=leaf.topic,
                    partition=leaf.partition,
                    start=leaf.start,
                    end=leaf.end,
                    catalogue=leaf.catalogue,
                )
            )
        self.repeats += _added(covered, span)

    def holes(self) -> Iterator[Hole]:
        """Tell what lies uncovered between the first and the last leaf of each partition."""
        for (topic, partition), covered in sorted(self._covered.items()):
            for (_, start), (end, _) in pairwise(covered):
                yield Hole(topic=topic, partition=partition, start=start, end=end)

    def covered(self, place: tuple[str, int]) -> Sequence[tuple[int, int]]:
        """Tell which offsets of a partition leaves tell of: disjoint spans, ascending."""
        return tuple(self._covered.get(place, ()))

    def reached(self) -> Mapping[tuple[str, int], int]:
        """Tell behind which offset each partition's leaves end."""
        return {place: covered[-1][1] for place, covered in self._covered.items()}


def spans_of(leaves: Iterable[BatchLeaf]) -> Spans:
    """Take in many."""
    spans = Spans()
    for leaf in leaves:
        spans.add(leaf)
    return spans


def _added(covered: list[tuple[int, int]], span: tuple[int, int]) -> bool:
    """Put a span among disjoint ones, ascending; tell whether a part of it was there.

    Nearly always it goes on from the last.
    """
    start, end = span
    if not covered or start > covered[-1][1]:
        covered.append(span)
        return False
    if start == covered[-1][1]:
        covered[-1] = (covered[-1][0], end)
        return False
    is_repeat = any(start < other_end and other < end for other, other_end in covered)
    joined: list[tuple[int, int]] = []
    for other in sorted([*covered, span]):
        if joined and other[0] <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], other[1]))
        else:
            joined.append(other)
    covered[:] = joined
    return is_repeat
