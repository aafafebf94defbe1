"""What a batch changes in the fund, decided without the database.

Read (`bus.fund.entries`), decide (here, by `bus.merge`), write (`bus.fund.rows`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from bus.errors import InvariantBroken
from bus.fund.batch import Arrival
from bus.fund.layout import DatasetLayout
from bus.fund.stored import NOTHING_STORED, EntryKey, StoredEntry, StoredVersion, WaitingVersion
from bus.merge import Entry, Merged, Outcome, Version, merge_entries, version_of
from bus.model.record import GROUP_RECORDS_MAX, Operation
from bus.postgres.positions import TopicPartition

HELD_PER_ENTRY_MAX: Final = GROUP_RECORDS_MAX
"""Records of one entry that may wait; a group of the largest size, all of one entry, still can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the current row of one entry changes."""

    entry: EntryKey
    before: int | None
    """Version of the row that must be there now; None: there must be none."""
    after: int | None
    ceased_by: int | None
    arrival: Arrival | None
    """The record that becomes current, where the batch has it; else it is in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """All that a batch does to one dataset."""

    history: Sequence[Arrival]
    """Rows to add."""
    standings: Sequence[Standing]
    held: Sequence[Arrival]
    """To be kept until their predecessors come."""
    surplus: Sequence[Arrival]
    """Would be held, with their groups, and are more than an entry may have waiting."""
    released: Sequence[WaitingVersion]
    """No longer held: they go from the one table to the other."""
    conflicts: Sequence[Arrival]
    refused_with_group: Sequence[Arrival]
    """Of groups in which another member is a conflict, or of an erased entry."""
    erased: Sequence[Arrival]
    """Of entries that were erased, and new to them."""
    repeats: Sequence[Arrival]
    outcomes: Sequence[Outcome]
    """One for each arrival, in order."""


def decide(
    arrivals: Sequence[Arrival], stored: Mapping[EntryKey, StoredEntry], layout: DatasetLayout
) -> Change:
    """Merge arrivals of one dataset into what is stored.

    Args:
        arrivals: In the order in which they arrived.
        stored: Entries that the fund knows; `bus.fund.entries` reads what `bus.merge` asks for.
        layout: Resolves versions that come under two schemas.

    Raises:
        InvariantBroken: see `bus.merge.merge` and `DatasetLayout.content`.
    """
    ledger = _Ledger(outcomes=[Outcome.REPEAT] * len(arrivals))
    left = list(enumerate(arrivals))
    if any(one.erased is not None for one in stored.values()):
        turned_away = ledger.turn_away(arrivals, stored)
        left = [(number, arrival) for number, arrival in left if number not in turned_away]
    of_entry: dict[EntryKey, list[int]] = defaultdict(list)
    for number, arrival in left:
        of_entry[arrival.record.agency, arrival.record.key].append(number)
    tied = _tied_entries([arrival for _, arrival in left], stored)
    if tied:
        known = {key: stored.get(key, NOTHING_STORED) for key in tied}
        numbers = sorted(number for key in tied for number in of_entry.pop(key, ()))
        ledger.merge(known, [(number, arrivals[number]) for number in numbers], layout)
    for key, numbers in of_entry.items():
        one = stored.get(key, NOTHING_STORED)
        first = arrivals[numbers[0]]
        is_new = one is NOTHING_STORED and first.record.operation is Operation.CREATE
        if is_new and len(numbers) == 1:
            ledger.begin(key, numbers[0], first)
        else:
            fresh = [(number, arrivals[number]) for number in numbers]
            ledger.merge({key: one}, fresh, layout)
    return ledger.change()


def _tied_entries(
    arrivals: Sequence[Arrival], stored: Mapping[EntryKey, StoredEntry]
) -> dict[EntryKey, None]:
    """Name the entries that groups, arriving or held, may tie to others."""
    arriving = {entry_key(one): None for one in arrivals if one.record.group is not None}
    waiting = {
        key: None
        for key, entry in stored.items()
        if any(one.group_offset is not None for one in entry.held.values())
    }
    return {**arriving, **waiting}


def entry_key(arrival: Arrival) -> EntryKey:
    """Name the registry entry that a record is a version of."""
    return (arrival.record.agency, arrival.record.key)


class _Ledger:
    """Collects the changes entry by entry; lives within one call of `decide`."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes
        self.history: list[Arrival] = []
        self.standings: list[Standing] = []
        self.held: list[Arrival] = []
        self.surplus: list[Arrival] = []
        self.released: list[WaitingVersion] = []
        self.conflicts: list[Arrival] = []
        self.refused_with_group: list[Arrival] = []
        self.erased: list[Arrival] = []
        self.repeats: list[Arrival] = []

    def turn_away(
        self, arrivals: Sequence[Arrival], stored: Mapping[EntryKey, StoredEntry]
    ) -> set[int]:
        """Take out what comes for entries that were erased, groups whole; give their numbers."""
        fresh, known, broken = set[int](), set[int](), set[tuple[TopicPartition, int]]()
        for number, arrival in enumerate(arrivals):
            erased = stored.get(entry_key(arrival), NOTHING_STORED).erased
            if erased is None:
                continue
            if arrival.record.record_id in erased:
                known.add(number)
                continue
            fresh.add(number)
            if arrival.group_offset is not None:
                broken.add((arrival.place, arrival.group_offset))
        turned_away = set[int]()
        for number, arrival in enumerate(arrivals):
            first = arrival.group_offset
            if number in known:
                self.repeats.append(arrival)
            elif number in fresh:
                self.erased.append(arrival)
                self.outcomes[number] = Outcome.ERASED
            elif first is not None and (arrival.place, first) in broken:
                self.refused_with_group.append(arrival)
                self.outcomes[number] = Outcome.GROUP_REFUSED
            else:
                continue
            turned_away.add(number)
        return turned_away

    def begin(self, key: EntryKey, number: int, arrival: Arrival) -> None:
        """Do what `merge` comes to for the create of a new entry, at a tenth of its time.

        First loads consist of nothing else.
        """
        self.outcomes[number] = Outcome.INSERTED
        self.history.append(arrival)
        version = arrival.record.version
        self.standings.append(
            Standing(entry=key, before=None, after=version, ceased_by=None, arrival=arrival)
        )

    def merge(
        self,
        known: Mapping[EntryKey, StoredEntry],
        arrivals: Sequence[tuple[int, Arrival]],
        layout: DatasetLayout,
    ) -> None:
        """Merge arrivals into the entries that they are of, tied together by groups or one alone.

        Args: as `decide`; arrivals with the number of each.
        """
        of_entry: dict[EntryKey, list[Arrival]] = {key: [] for key in known}
        for _, arrival in arrivals:
            of_entry[entry_key(arrival)].append(arrival)
        entries = {key: _as_entry(known[key], fresh, layout) for key, fresh in of_entry.items()}
        claims = {key: iter(versions) for key, (_, versions) in entries.items()}
        outcomes, merged = merge_entries(
            {key: entry for key, (entry, _) in entries.items()},
            [(key, next(claims[key])) for key in (entry_key(one) for _, one in arrivals)],
        )
        arrived: dict[EntryKey, dict[int, Arrival]] = {key: {} for key in known}
        limited = _within_limit(known, merged, arrivals, outcomes)
        for (number, arrival), outcome in zip(arrivals, limited, strict=True):
            self.outcomes[number] = outcome
            match outcome:
                case Outcome.REPEAT:
                    self.repeats.append(arrival)
                case Outcome.CONFLICT:
                    self.conflicts.append(arrival)
                case Outcome.GROUP_REFUSED:
                    self.refused_with_group.append(arrival)
                case Outcome.SURPLUS:
                    self.surplus.append(arrival)
                case Outcome.ERASED:
                    raise InvariantBroken("merging knows of no erased entry")
                case Outcome.INSERTED | Outcome.HELD:
                    arrived[entry_key(arrival)][arrival.record.version] = arrival
                case _:
                    assert_never(outcome)
        for key, one in merged.items():
            self._note(key, known[key], arrived[key], one)

    def _note(
        self, key: EntryKey, known: StoredEntry, arrived: Mapping[int, Arrival], merged: Merged
    ) -> None:
        """Note what changes of one entry."""
        for row in merged.joined:
            if row.version in known.held:
                self.released.append(known.held[row.version])
            else:
                self.history.append(arrived[row.version])
        self.held += [arrived[version] for version in merged.entry.held if version in arrived]
        before, after = (known.current, known.ceased_by), merged.entry
        if before != (after.current, after.ceased_by):
            self.standings.append(
                Standing(
                    entry=key,
                    before=known.current,
                    after=after.current,
                    ceased_by=after.ceased_by,
                    arrival=None if after.current is None else arrived.get(after.current),
                )
            )

    def change(self) -> Change:
        return Change(
            history=self.history,
            standings=self.standings,
            held=self.held,
            surplus=self.surplus,
            released=self.released,
            conflicts=self.conflicts,
            refused_with_group=self.refused_with_group,
            erased=self.erased,
            repeats=self.repeats,
            outcomes=self.outcomes,
        )


def _within_limit(
    known: Mapping[EntryKey, StoredEntry],
    merged: Mapping[EntryKey, Merged],
    arrivals: Sequence[tuple[int, Arrival]],
    outcomes: Sequence[Outcome],
) -> Sequence[Outcome]:
    """Take the place of records that wait now, groups whole, where their entry has none left.

    Why after merging: what waits binds nobody, so that leaving it out changes no other outcome.
    """
    if all(len(one.entry.held) <= HELD_PER_ENTRY_MAX for one in merged.values()):
        return outcomes
    units: dict[object, list[int]] = defaultdict(list)
    for index, ((_, arrival), outcome) in enumerate(zip(arrivals, outcomes, strict=True)):
        waits = arrival.record.version in merged[entry_key(arrival)].entry.held
        if outcome is Outcome.HELD and waits:
            first = arrival.group_offset
            units[index if first is None else (arrival.place, first)].append(index)
    taken = Counter(
        {key: len(known[key].held.keys() & one.entry.held) for key, one in merged.items()}
    )
    limited = list(outcomes)
    for indices in units.values():
        wanted = Counter(entry_key(arrivals[index][1]) for index in indices)
        if any(taken[key] + count > HELD_PER_ENTRY_MAX for key, count in wanted.items()):
            for index in indices:
                limited[index] = Outcome.SURPLUS
        else:
            taken += wanted
    return limited


def _as_entry(
    known: StoredEntry, arrivals: Sequence[Arrival], layout: DatasetLayout
) -> tuple[Entry, list[Version]]:
    """Reduce what is stored and what arrives to versions whose contents can be compared."""
    mixed = _versions_of_many_schemas(known, arrivals)
    entry = Entry(
        versions={
            row.version: _stored_version(row, layout, resolve=row.version in mixed)
            for row in known.versions.values()
        },
        held={
            version: _waiting_version(row, layout, resolve=version in mixed)
            for version, row in known.held.items()
        },
        current=known.current,
        ceased_by=known.ceased_by,
    )
    claims = [_claim(one, layout, resolve=one.record.version in mixed) for one in arrivals]
    return entry, claims


def _versions_of_many_schemas(known: StoredEntry, arrivals: Sequence[Arrival]) -> frozenset[int]:
    schemas: dict[int, set[int]] = defaultdict(set)
    for arrival in arrivals:
        schemas[arrival.record.version].add(arrival.record.schema_id)
    for version, ids in schemas.items():
        if version in known.versions:
            ids.add(known.versions[version].schema_id)
        if version in known.held:
            ids.add(known.held[version].schema_id)
    return frozenset(version for version, ids in schemas.items() if len(ids) > 1)


def _stored_version(row: StoredVersion, layout: DatasetLayout, *, resolve: bool) -> Version:
    content = row.content
    if resolve and row.value is not None:
        content = layout.content(row.schema_id, row.value)
    return Version(
        version=row.version,
        record_id=row.record_id,
        operation=row.operation,
        supersedes=row.supersedes,
        content=content,
    )


def _waiting_version(row: WaitingVersion, layout: DatasetLayout, *, resolve: bool) -> Version:
    first = row.group_offset
    group = None if first is None else (*row.place, first)
    return replace(_stored_version(row, layout, resolve=resolve), group=group)


def _claim(arrival: Arrival, layout: DatasetLayout, *, resolve: bool) -> Version:
    record = arrival.record
    content = layout.content(record.schema_id, record.value) if resolve else None
    first = arrival.group_offset
    return version_of(record, content, None if first is None else (*arrival.place, first))
