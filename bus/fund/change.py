"""What a batch changes in the fund, decided without the database.

Read (`bus.fund.entries`), decide (here, by `bus.merge`), write (`bus.fund.rows`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from bus.fund.batch import Arrival
from bus.fund.layout import DatasetLayout
from bus.merge import Entry, Outcome, Version, merge, version_of
from bus.model.identifiers import AgencyCode, RecordId
from bus.model.record import Operation

EntryKey: TypeAlias = tuple[AgencyCode, str]
"""Agency and key: a registry entry within one dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A row of the history, as far as a merge needs it."""

    version: int
    record_id: RecordId
    operation: Operation
    supersedes: RecordId | None
    schema_id: int
    content: bytes
    """SHA-256 of the Avro datum; empty where no arrival claims this version."""
    value: bytes | None
    """Only where an arrival claims this version under another schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """What the fund holds of one registry entry, as far as a batch touches it."""

    versions: Mapping[int, StoredVersion]
    held: Mapping[int, Arrival]
    current: int | None
    ceased_by: int | None


NOTHING_STORED: Final = StoredEntry(versions={}, held={}, current=None, ceased_by=None)


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
    released: Sequence[Arrival]
    """No longer held; they are in `history`."""
    conflicts: Sequence[Arrival]
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
    of_entry: dict[EntryKey, list[int]] = defaultdict(list)
    for number, arrival in enumerate(arrivals):
        of_entry[arrival.record.agency, arrival.record.key].append(number)
    ledger = _Ledger(outcomes=[Outcome.REPEAT] * len(arrivals))
    for entry_key, numbers in of_entry.items():
        known = stored.get(entry_key, NOTHING_STORED)
        first = arrivals[numbers[0]]
        is_new = known is NOTHING_STORED and first.record.operation is Operation.CREATE
        if is_new and len(numbers) == 1:
            ledger.begin(entry_key, numbers[0], first)
        else:
            fresh = [(number, arrivals[number]) for number in numbers]
            ledger.merge(entry_key, known, fresh, layout)
    return ledger.change()


class _Ledger:
    """Collects the changes entry by entry; lives within one call of `decide`."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes
        self.history: list[Arrival] = []
        self.standings: list[Standing] = []
        self.held: list[Arrival] = []
        self.released: list[Arrival] = []
        self.conflicts: list[Arrival] = []
        self.repeats: list[Arrival] = []

    def begin(self, entry_key: EntryKey, number: int, arrival: Arrival) -> None:
        """Do what `merge` comes to for the create of a new entry, at a tenth of its time.

        First loads consist of nothing else.
        """
        self.outcomes[number] = Outcome.INSERTED
        self.history.append(arrival)
        version = arrival.record.version
        self.standings.append(
            Standing(entry=entry_key, before=None, after=version, ceased_by=None, arrival=arrival)
        )

    def merge(
        self,
        entry_key: EntryKey,
        known: StoredEntry,
        arrivals: Sequence[tuple[int, Arrival]],
        layout: DatasetLayout,
    ) -> None:
        fresh = [arrival for _, arrival in arrivals]
        entry, claims = _as_entry(known, fresh, layout)
        merged = merge(entry, claims)
        arrived: dict[int, Arrival] = {}
        for (number, arrival), outcome in zip(arrivals, merged.outcomes, strict=True):
            self.outcomes[number] = outcome
            if outcome is Outcome.REPEAT:
                self.repeats.append(arrival)
            elif outcome is Outcome.CONFLICT:
                self.conflicts.append(arrival)
            else:
                arrived[arrival.record.version] = arrival
        for row in merged.joined:
            if row.version in known.held:
                self.released.append(known.held[row.version])
        by_version = {**known.held, **arrived}
        self.history += [by_version[row.version] for row in merged.joined]
        self.held += [
            arrived[version] for version in merged.entry.held if version not in known.held
        ]
        before, after = (known.current, known.ceased_by), merged.entry
        if before != (after.current, after.ceased_by):
            self.standings.append(
                Standing(
                    entry=entry_key,
                    before=known.current,
                    after=after.current,
                    ceased_by=after.ceased_by,
                    arrival=None if after.current is None else by_version.get(after.current),
                )
            )

    def change(self) -> Change:
        return Change(
            history=self.history,
            standings=self.standings,
            held=self.held,
            released=self.released,
            conflicts=self.conflicts,
            repeats=self.repeats,
            outcomes=self.outcomes,
        )


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
            version: _claim(arrival, layout, resolve=version in mixed)
            for version, arrival in known.held.items()
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
            ids.add(known.held[version].record.schema_id)
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


def _claim(arrival: Arrival, layout: DatasetLayout, *, resolve: bool) -> Version:
    record = arrival.record
    content = layout.content(record.schema_id, record.value) if resolve else None
    return version_of(record, content)
