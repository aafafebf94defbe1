"""Whether a regular expression may be tried for hours on one text. Pure.

Python tries every way in which a text can be cut among the parts of a pattern. Where a repeated
part meets one text in two ways, each repetition doubles them: forty characters are enough for a
day. A pattern is turned into the automaton of its characters; two walks around from one place to
itself that read the same characters are such a doubling. Patterns whose cost only grows with a
power of the length pass, as do a few repetitions of something short.

Source: exponential degree of ambiguity, A. Weber and H. Seidl, On the degree of ambiguity of
finite automata, 1991.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from re import _parser  # type: ignore[attr-defined] # the only reader of Python's own syntax
from typing import Any, Final, TypeAlias

from bus.contracts.pattern_characters import flags_within, reads, samples_of

COPIES_MAX: Final = 32
"""A repetition up to so many times is written out; a longer one is taken for an endless one."""
SHORT_REPEATS_MAX: Final = 8
"""So many repetitions of something short have few ways, whatever it is."""
SHORT_CHARACTERS_MAX: Final = 64
PLACES_MAX: Final = 400
"""Characters of a pattern written out; a longer one is not judged but refused."""

_REPEATS: Final = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})

_Tree: TypeAlias = Iterable[tuple[Any, Any]]
"""What Python's parser makes of a pattern: operations with their values, nested."""
_Places: TypeAlias = Counter[int]
"""Places → in how many ways they are reached."""


def doubles_its_ways(pattern: str) -> bool:
    """Tell whether a text may take exponentially many steps to be held against a pattern.

    Args:
        pattern: A regular expression that Python compiles.

    Returns: True also where it can't be told: a pattern that is too long, written out.
    """
    tree = _parser.parse(pattern)
    flags = tree.state.flags | flags_within(tree)
    samples = samples_of(tree)
    waiting: list[_Tree] = [tree]
    try:
        while waiting:
            automaton = _Automaton(samples, flags, waiting.append)
            automaton.take_in(waiting.pop(0))
            if automaton.doubles():
                return True
    except _TooLongError:
        return True
    return False


class _TooLongError(Exception):
    """The pattern has too many places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A part of a pattern: how it begins and ends, and in how many ways it is empty."""

    first: _Places
    last: _Places
    empty: int


_NOTHING: Final = _Part(first=Counter(), last=Counter(), empty=1)


class _Automaton:
    """Places of a pattern, what each may read, and which follows which in how many ways."""

    def __init__(
        self, samples: frozenset[str], flags: int, check_apart: Callable[[_Tree], None]
    ) -> None:
        self._samples = samples
        self._flags = flags
        self._check_apart = check_apart
        self._groups: dict[int, _Tree] = {}
        self._reads: list[frozenset[str]] = []
        self._follows: Counter[tuple[int, int]] = Counter()
        self._is_doubled = False

    def take_in(self, tree: _Tree) -> _Part:
        """Write a tree out, one operation after the other."""
        part = _NOTHING
        for operation, value in tree:
            part = self._then(part, self._one(str(operation), value))
        return part

    def doubles(self) -> bool:
        """Tell whether two different walks lead from a place to itself over the same text."""
        steps: dict[int, list[int]] = {place: [] for place in range(len(self._reads))}
        for place, following in self._follows:
            steps[place].append(following)
        for circle in _circles(steps):
            inside = {one: [two for two in steps[one] if two in circle] for one in circle}
            if any(self._follows[one, two] > 1 for one in circle for two in inside[one]):
                return True
            if self._meets_itself(inside):
                return True
        return self._is_doubled

    def _meets_itself(self, inside: Mapping[int, Sequence[int]]) -> bool:
        """Walk two at once over equal characters: may they part and come together again?"""
        pairs: dict[tuple[int, int], list[tuple[int, int]]] = {}
        waiting = [(place, place) for place in inside]
        while waiting:
            pair = waiting.pop()
            if pair in pairs:
                continue
            pairs[pair] = [
                (min(one, two), max(one, two))
                for one in inside[pair[0]]
                for two in inside[pair[1]]
                if not self._reads[one].isdisjoint(self._reads[two])
            ]
            waiting += pairs[pair]
        return any(
            any(one == two for one, two in circle) and any(one != two for one, two in circle)
            for circle in _circles(pairs)
        )

    def _one(self, operation: str, value: Any) -> _Part:  # noqa: ANN401 - the parser's own
        if operation in _REPEATS:
            return self._repeat(*value)
        match operation:
            case "BRANCH":
                return self._either([self.take_in(tree) for tree in value[1]])
            case "SUBPATTERN":
                self._groups[value[0]] = value[3]
                return self.take_in(value[3])
            case "ATOMIC_GROUP":
                return self.take_in(value)
            case "GROUPREF":
                return self.take_in(self._groups.get(value, ()))
            case "GROUPREF_EXISTS":
                return self._either([self.take_in(value[1]), self.take_in(value[2] or ())])
            case "ASSERT" | "ASSERT_NOT":
                self._check_apart(value[1])
                return _NOTHING
            case "AT":
                return _NOTHING
            case _:
                return self._character(operation, value)

    def _character(self, operation: str, value: Any) -> _Part:  # noqa: ANN401 - the parser's own
        if len(self._reads) == PLACES_MAX:
            raise _TooLongError
        place = Counter([len(self._reads)])
        self._reads.append(
            frozenset(one for one in self._samples if reads(operation, value, one, self._flags))
        )
        return _Part(first=place, last=place, empty=0)

    def _repeat(self, least: int, most: int, tree: Any) -> _Part:  # noqa: ANN401 - the parser's own
        is_long = tree.getwidth()[1] > SHORT_CHARACTERS_MAX
        if most is not _parser.MAXREPEAT and most > (2 if is_long else SHORT_REPEATS_MAX):
            # Why apart: written out, a part that doubles its ways with every repetition goes
            # round in no circle, but the ways are as many.
            self._check_apart([(_parser.MAX_REPEAT, (0, _parser.MAXREPEAT, tree))])
            self._is_doubled |= self.take_in(tree).empty > 0
        if most > COPIES_MAX and least != most:
            most = _parser.MAXREPEAT
        least = min(least, COPIES_MAX)
        if most is _parser.MAXREPEAT:
            return self._endless(least, tree)
        part = _NOTHING
        for _ in range(min(most, COPIES_MAX) - least):
            part = self._either([self._then(self.take_in(tree), part), _NOTHING])
        for _ in range(least):
            part = self._then(self.take_in(tree), part)
        return part

    def _endless(self, least: int, tree: _Tree) -> _Part:
        part = self.take_in(tree)
        self._follow(part.last, part.first)
        if part.empty or not least:
            # Why twice: what may be empty is repeated once for nothing, or once more.
            part = replace(part, empty=2 if part.empty else 1)
        for _ in range(least - 1):
            part = self._then(self.take_in(tree), part)
        return part

    def _then(self, one: _Part, two: _Part) -> _Part:
        self._follow(one.last, two.first)
        return _Part(
            first=one.first + _times(two.first, one.empty),
            last=two.last + _times(one.last, two.empty),
            empty=min(one.empty * two.empty, 2),
        )

    @staticmethod
    def _either(parts: Iterable[_Part]) -> _Part:
        first, last, empty = _Places(), _Places(), 0
        for part in parts:
            first, last, empty = first + part.first, last + part.last, empty + part.empty
        return _Part(first=first, last=last, empty=min(empty, 2))

    def _follow(self, places: _Places, following: _Places) -> None:
        for one, ways in places.items():
            for two, more in following.items():
                self._follows[one, two] += ways * more


def _times(places: _Places, ways: int) -> _Places:
    return Counter({place: count * ways for place, count in places.items() if ways})


def _circles(steps: Mapping[Any, Sequence[Any]]) -> Iterator[set[Any]]:
    """Give the sets of places that can be reached from each other, by Kosaraju's two walks."""
    back: dict[Any, list[Any]] = {place: [] for place in steps}
    for place, following in steps.items():
        for one in following:
            back[one].append(place)
    unseen = set(steps)
    for start in reversed(_by_their_end(steps)):
        circle: set[Any] = set()
        waiting = [start]
        while waiting:
            place = waiting.pop()
            if place in unseen:
                unseen.remove(place)
                circle.add(place)
                waiting += back[place]
        if circle:
            yield circle


def _by_their_end(steps: Mapping[Any, Sequence[Any]]) -> list[Any]:
    """Walk in depth; a place comes behind all that were reached from it first."""
    order: list[Any] = []
    seen: set[Any] = set()
    for start in steps:
        waiting = [(start, False)]
        while waiting:
            place, is_left = waiting.pop()
            if is_left:
                order.append(place)
            elif place not in seen:
                seen.add(place)
                waiting.append((place, True))
                waiting += [(following, False) for following in steps[place]]
    return order
