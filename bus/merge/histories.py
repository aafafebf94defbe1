"""Letting records join the history of their entries, or wait for what they supersede."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Hashable, Mapping, Sequence
from itertools import groupby
from typing import Generic, TypeVar

from bus.errors import InvariantBroken
from bus.merge.entry import Entry, Merged, Outcome, Version, needs_whole_history
from bus.model.identifiers import RecordId
from bus.model.record import Operation

K = TypeVar("K", bound=Hashable)


def merge(entry: Entry, arrivals: Sequence[Version]) -> Merged:
    """Decide what arriving records, all of one entry, do to it.

    A create joins the history. A correct, annul or cease joins it once the version that it
    supersedes is there and lower than its own; until then it is held, and it joins in the same
    step as its predecessor. An annul takes the version it supersedes out of the running, be it
    itself an annul, which then has no effect any more. A correction of a ceased entry leaves it
    ceased; a later create, or the annulment of the cease, opens it again.

    Returns:
        The entry after all arrivals, whole or partial as it was given.

    Raises:
        InvariantBroken: A record other than a create names no predecessor; enforcement lets
            none through.
    """
    _, merged = merge_entries({None: entry}, [(None, arrival) for arrival in arrivals])
    return merged[None]


def merge_entries(
    entries: Mapping[K, Entry], arrivals: Sequence[tuple[K, Version]]
) -> tuple[tuple[Outcome, ...], dict[K, Merged]]:
    """Decide what arriving records do to several entries that groups tie together.

    Members of a group join in one step, when each one's predecessor is in the history or among
    them; until then all of them are held. Where one conflicts, none joins. A member that is known
    already is a repeat and binds the others no more.

    Args:
        entries: By any name; one for each name in `arrivals`, and for each entry in which another
            member of a held group waits.
        arrivals: In their order; the members of a group follow one another.

    Returns:
        What each arrival came to, and each entry after all of them, whose own outcomes are its
        arrivals'.

    Raises: as `merge`.
    """
    histories = _Histories(entries)
    if any(arrival.group is not None for _, arrival in arrivals):
        units = (list(unit) for _, unit in groupby(arrivals, key=_Unit()))
        outcomes = [outcome for unit in units for outcome in histories.receive_together(unit)]
    else:
        outcomes = [histories.receive(name, arrival) for name, arrival in arrivals]
    of_entry: dict[K, list[Outcome]] = defaultdict(list)
    for (name, _), outcome in zip(arrivals, outcomes, strict=True):
        of_entry[name].append(outcome)
    return tuple(outcomes), {
        name: histories.merged(name, tuple(of_entry[name])) for name in entries
    }


class _Unit:
    """Tells arrivals that stand for themselves apart, and keeps members of one group together."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, arrival: tuple[object, Version]) -> object:
        self._count += 1
        return self._count if arrival[1].group is None else arrival[1].group


class _Histories(Generic[K]):
    """Entries' rows while arrivals are worked in; lives within one call of `merge_entries`."""

    def __init__(self, entries: Mapping[K, Entry]) -> None:
        self._before = entries
        self._versions = {name: dict(entry.versions) for name, entry in entries.items()}
        self._held = {name: dict(entry.held) for name, entry in entries.items()}
        self._joined: dict[K, list[Version]] = {name: [] for name in entries}
        self._places = {
            (name, row.record_id): row.version
            for name, entry in entries.items()
            for row in entry.versions.values()
        }
        self._waiting: dict[tuple[K, RecordId], list[tuple[K, Version]]] = {}
        self._members: dict[Hashable, list[tuple[K, Version]]] = {}
        for name, entry in entries.items():
            for row in entry.held.values():
                self._wait(name, row)

    def receive(self, name: K, arrival: Version) -> Outcome:
        """Take a record that stands for itself."""
        known = self._versions[name].get(arrival.version) or self._held[name].get(arrival.version)
        if known is not None:
            return _again(known, arrival)
        if self._may_follow(name, arrival):
            self._join([(name, arrival)])
            return Outcome.INSERTED
        self._hold(name, arrival)
        return Outcome.HELD

    def receive_together(self, unit: Sequence[tuple[K, Version]]) -> list[Outcome]:
        """Take all members of a group, or a record."""
        fresh: dict[tuple[K, int], Version] = {}
        outcomes = []
        for name, arrival in unit:
            known = (
                self._versions[name].get(arrival.version)
                or self._held[name].get(arrival.version)
                or fresh.get((name, arrival.version))
            )
            if known is None:
                fresh[name, arrival.version] = arrival
                outcomes.append(Outcome.INSERTED)
            else:
                outcomes.append(_again(known, arrival))
        if Outcome.CONFLICT in outcomes:
            verdict = Outcome.GROUP_REFUSED
        else:
            rows = [(name, row) for (name, _), row in fresh.items()]
            verdict = self._take(rows) if rows else Outcome.REPEAT
        return [verdict if one is Outcome.INSERTED else one for one in outcomes]

    def _take(self, rows: Sequence[tuple[K, Version]]) -> Outcome:
        """Let new rows join the history together, or hold them together."""
        if self._may_join(rows):
            self._join(rows)
            return Outcome.INSERTED
        for name, row in rows:
            self._hold(name, row)
        return Outcome.HELD

    def _hold(self, name: K, row: Version) -> None:
        self._held[name][row.version] = row
        self._wait(name, row)

    def _may_follow(self, name: K, row: Version) -> bool:
        """Tell whether a row's predecessor is in the history, and lower."""
        if row.operation is Operation.CREATE:
            return True
        place = self._places.get((name, _predecessor(row)))
        return place is not None and place < row.version

    def _may_join(self, rows: Sequence[tuple[K, Version]]) -> bool:
        among = {(name, row.record_id): row.version for name, row in rows}
        for name, row in rows:
            if row.operation is Operation.CREATE:
                continue
            predecessor = (name, _predecessor(row))
            place = self._places.get(predecessor, among.get(predecessor))
            if place is None or place >= row.version:
                return False
        return True

    def _join(self, rows: Sequence[tuple[K, Version]]) -> None:
        ready = _highest_first(rows)
        while ready:
            name, row = ready.pop()
            self._versions[name][row.version] = row
            self._places[name, row.record_id] = row.version
            self._joined[name].append(row)
            for follower in self._waiting.pop((name, row.record_id), ()):
                together = self._together(*follower)
                if together and self._may_join(together):
                    for of, member in together:
                        del self._held[of][member.version]
                    ready += _highest_first(together)

    def _together(self, name: K, row: Version) -> Sequence[tuple[K, Version]]:
        """Give a held row and what is held with it; nothing where it has joined already."""
        if row.version not in self._held[name]:
            return ()
        return [(name, row)] if row.group is None else self._members[row.group]

    def _wait(self, name: K, row: Version) -> None:
        if row.group is not None:
            self._members.setdefault(row.group, []).append((name, row))
        if row.operation is not Operation.CREATE:
            self._waiting.setdefault((name, _predecessor(row)), []).append((name, row))

    def merged(self, name: K, outcomes: tuple[Outcome, ...]) -> Merged:
        """Tell what became of one entry."""
        joined, versions = tuple(self._joined[name]), self._versions[name]
        if needs_whole_history(row.operation for row in joined):
            current, ceased_by = standing(versions)
        else:
            current, ceased_by = _standing_after_additions(self._before[name], joined)
        entry = Entry(
            versions=versions, held=self._held[name], current=current, ceased_by=ceased_by
        )
        return Merged(entry=entry, outcomes=outcomes, joined=joined)


def _again(known: Version, arrival: Version) -> Outcome:
    """Tell a repeat from other content under the same version."""
    is_same = known.record_id == arrival.record_id and known.content == arrival.content
    return Outcome.REPEAT if is_same else Outcome.CONFLICT


def _highest_first(rows: Sequence[tuple[K, Version]]) -> list[tuple[K, Version]]:
    """Order rows so that, taken from the end, a predecessor comes before its follower."""
    if len(rows) == 1:
        return [rows[0]]
    return sorted(rows, key=lambda row: row[1].version, reverse=True)


def standing(
    versions: Mapping[int, Version], begun: Container[int] | None = None
) -> tuple[int | None, int | None]:
    """Find the current version and the cease in force in a whole history.

    From the highest down, a row's annulment is met before the row, for it has a higher version.

    Args:
        versions: Of one entry, all of them.
        begun: Versions that were true already at the moment that is asked for; None: all. An
            annulment counts at any moment.
    """
    annulled: set[RecordId | None] = set()
    current = ceased_by = None
    is_open = False
    for version in sorted(versions, reverse=True):
        row = versions[version]
        if row.record_id in annulled:
            continue
        if row.operation is Operation.ANNUL:
            annulled.add(row.supersedes)
            continue
        if begun is not None and version not in begun:
            continue
        current = version if current is None else current
        is_open = is_open or row.operation is Operation.CREATE
        if row.operation is Operation.CEASE and not is_open and ceased_by is None:
            ceased_by = version
    return current, ceased_by


def _standing_after_additions(
    entry: Entry, joined: Sequence[Version]
) -> tuple[int | None, int | None]:
    """Find the same where only creates and corrects joined: none of them can be annulled yet."""
    current, ceased_by = entry.current, entry.ceased_by
    for row in joined:
        if current is None or row.version > current:
            current = row.version
        if ceased_by is not None and row.operation is Operation.CREATE and row.version > ceased_by:
            ceased_by = None
    return current, ceased_by


def _predecessor(row: Version) -> RecordId:
    if row.supersedes is None:
        raise InvariantBroken(
            f"record {row.record_id}: {row.operation} supersedes nothing; enforcement demands "
            "header bus_supersedes. Look for the writer of the accepted topic."
        )
    return row.supersedes
