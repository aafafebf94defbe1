"""Evidence side by side with what was sent: each piece of it is looked up once. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, TypeAlias

from tests.chaos.evidence import Evidence, Place
from tests.chaos.history import Fate, History, Outcome, Sent

Senders: TypeAlias = Sequence[Sent | None]
"""What was sent, parallel to rows of evidence; None where nothing that was sent fits the row."""

Reader: TypeAlias = tuple[str, str]
"""A consumer and a topic."""


class Shown(Protocol):
    """A piece of evidence that names a record."""

    @property
    def record_id(self) -> str | None:
        """As it says itself."""

    @property
    def key(self) -> str | None:
        """Of the registry entry."""

    @property
    def version(self) -> int | None:
        """Of the registry entry."""

    @property
    def stamp(self) -> str | None:
        """Of its value."""


class _Finder:
    """Finds what was sent by what a topic or table shows of it."""

    def __init__(self, history: History) -> None:
        self._by_id: dict[str, Sent] = {}
        self._by_content: dict[tuple[str, str], Sent] = {}
        """What shares the id of another, by id and stamp; few."""
        self._without_id: dict[str, Sent] = {}
        for sent in chain(history.sent.values(), history.altered):
            if sent.record_id is None:
                self._without_id[sent.stamp] = sent
            elif self._by_id.setdefault(sent.record_id, sent) is not sent:
                self._by_content.setdefault((sent.record_id, sent.stamp), sent)

    def find(self, record_id: str | None, stamp: str | None) -> Sent | None:
        """Find by id, and among several contents of one id by stamp.

        A stamp that was not sent with this id is for the caller to notice.
        """
        sent = None if record_id is None else self._by_id.get(record_id)
        if sent is None:
            return None if stamp is None else self._without_id.get(stamp)
        if stamp is None or sent.stamp == stamp:
            return sent
        return self._by_content.get((sent.record_id or "", stamp), sent)

    def find_all(self, rows: Iterable[Shown]) -> Senders:
        """Find the sender's record for each row."""
        return [self.find(row.record_id, row.stamp) for row in rows]

    def contents(self) -> dict[str | None, set[str | None]]:
        """Record id → stamps, of ids that were sent with several contents, all to be accepted."""
        stamps: dict[str | None, set[str | None]] = {}
        for (record_id, stamp), sent in self._by_content.items():
            first = self._by_id[record_id]
            if sent.fate is first.fate is Fate.ACCEPTED and stamp != first.stamp:
                stamps.setdefault(record_id, {first.stamp}).add(stamp)
        return stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A run, ready to be looked at from each side."""

    told: History
    evidence: Evidence
    accepted: Senders
    views: Senders
    history: Senders
    held: Senders
    refused: Senders
    delivered: Senders
    in_history: frozenset[str]
    """Marks, as are the next."""
    quarantined: frozenset[str]
    """In quarantine, open or not."""
    taken: Mapping[Reader, AbstractSet[str]]
    """What each consumer took of each topic."""
    contents: Mapping[str | None, AbstractSet[str | None]]
    """See `_Finder.contents`."""

    def failed(self, sent: Sent) -> bool:
        """Tell whether it certainly did not happen."""
        return self.told.outcomes[sent.mark] is Outcome.FAIL

    def shown(self) -> Iterator[tuple[str, Sequence[Shown], Senders]]:
        """Give whatever shows records with their content: where, the rows, what was sent."""
        yield "an accepted topic", self.evidence.accepted, self.accepted
        yield "a view", self.evidence.views, self.views
        yield "the fund's history", self.evidence.history, self.history
        yield "a consumer's deliveries", self.evidence.delivered, self.delivered
        yield "the fund, held", self.evidence.held, self.held

    @classmethod
    def of(cls, history: History, evidence: Evidence) -> Case:
        """Look everything up."""
        finder = _Finder(history)
        accepted = finder.find_all(evidence.accepted)
        in_history = finder.find_all(evidence.history)
        delivered = finder.find_all(evidence.delivered)
        return cls(
            told=history,
            evidence=evidence,
            accepted=accepted,
            views=finder.find_all(evidence.views),
            history=in_history,
            held=finder.find_all(evidence.held),
            refused=_refused(finder, evidence, accepted),
            delivered=delivered,
            in_history=marks(in_history),
            quarantined=frozenset(
                row.mark
                for row in evidence.quarantine
                if row.mark is not None and row.mark in history.sent
            ),
            taken=_taken(evidence, delivered),
            contents=finder.contents(),
        )


def marks(senders: Iterable[Sent | None]) -> frozenset[str]:
    """Name what was sent and seen."""
    return frozenset(sent.mark for sent in senders if sent is not None)


def _refused(finder: _Finder, evidence: Evidence, accepted: Senders) -> Senders:
    """Tell what the fund refused, by its inbound place: what is refused for other content has the
    record id of what stands."""
    wanted = {row.inbound for row in evidence.refused}
    origins: dict[Place, Sent] = {}
    for record, sent in zip(evidence.accepted, accepted, strict=True):
        if sent is not None and record.inbound in wanted:
            origins[record.inbound] = sent
    return [
        origins.get(row.inbound) or finder.find(row.record_id, None) for row in evidence.refused
    ]


def _taken(evidence: Evidence, delivered: Senders) -> Mapping[Reader, AbstractSet[str]]:
    taken: dict[Reader, set[str]] = defaultdict(set)
    for row, sent in zip(evidence.delivered, delivered, strict=True):
        if sent is not None:
            taken[row.consumer, row.place.topic].add(sent.mark)
    return dict(taken)
