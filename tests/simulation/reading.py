"""What a fund transaction reads: as much as the statements of `bus/fund/sql/entries.sql`, no more.

That merging comes to the right end with a part of each history is among what is tried here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from bus.fund.batch import Arrival
from bus.fund.change import entry_key
from bus.fund.stored import EntryKey, StoredEntry, StoredVersion, WaitingVersion
from bus.merge import needs_whole_history
from bus.model.record import Operation
from bus.wire.frame import FRAME_BYTES
from tests.simulation.database import Tables
from tests.simulation.transaction import Transaction


def read_entries(
    tables: Tables, transaction: Transaction, arrivals: Sequence[Arrival]
) -> dict[EntryKey, StoredEntry]:
    """Read what is stored of arrivals' entries; locks the held rows among it."""
    reading = _Reading(tables, transaction)
    claims = [(entry_key(one), one.record.version) for one in arrivals]
    reading.touch(claims)
    reading.read_held()
    reading.tell_contents(claims)
    reading.read_superseded(arrivals)
    reading.read_whole(arrivals)
    return reading.entries()


class _Reading:
    def __init__(self, tables: Tables, transaction: Transaction) -> None:
        self._tables = tables
        self._transaction = transaction
        self._touched: dict[EntryKey, None] = {}
        self._held: dict[EntryKey, dict[int, WaitingVersion]] = {}
        self._versions: dict[EntryKey, dict[int, StoredVersion]] = defaultdict(dict)
        self._grouped: list[WaitingVersion] = []

    def touch(self, claims: Iterable[tuple[EntryKey, int]]) -> None:
        """`touched`."""
        for key, version in claims:
            past = self._tables.history[key].get(version)
            if past is not None:
                self._versions[key][version] = _stored(past, is_claimed=True)
            if self._tables.held[key]:
                self._held.setdefault(key, {})
            if past is not None or key in self._held or key in self._tables.current:
                self._touched[key] = None

    def read_held(self) -> None:
        """`held` and `companions`, until no group ties another entry to these."""
        keys = list(self._held)
        while keys:
            groups = set()
            for key in keys:
                rows = self._tables.held[key]
                self._transaction.claim(*(("held", key, version) for version in rows))
                self._held[key] = {version: _waiting(row) for version, row in rows.items()}
                for row in self._held[key].values():
                    if row.group_offset is not None:
                        self._grouped.append(row)
                        groups.add((row.place, row.group_offset))
            fresh = [
                (key, version)
                for key, rows in self._tables.held.items()
                for version, row in rows.items()
                if (row.place, row.group_offset) in groups and key not in self._held
            ]
            self.touch(fresh)
            keys = list(dict(fresh))

    def tell_contents(self, claims: Iterable[tuple[EntryKey, int]]) -> None:
        """`claimed_held`."""
        for key, version in claims:
            if version in self._held.get(key, ()):
                content = _content(self._tables.held[key][version])
                self._held[key][version] = replace(self._held[key][version], content=content)

    def read_superseded(self, arrivals: Iterable[Arrival]) -> None:
        """`superseded`."""
        wanted = [(entry_key(one), one.record.supersedes) for one in arrivals]
        wanted += [(one.entry, one.supersedes) for one in self._grouped]
        for key, record_id in wanted:
            for row in self._tables.history[key].values():
                if row.record.record_id == record_id:
                    self._keep(key, row)

    def read_whole(self, arrivals: Iterable[Arrival]) -> None:
        """`whole`."""
        operations: dict[EntryKey, list[Operation]] = defaultdict(list)
        for arrival in arrivals:
            operations[entry_key(arrival)].append(arrival.record.operation)
        for key, waiting in self._held.items():
            operations[key] += [one.operation for one in waiting.values()]
        for key, found in operations.items():
            if needs_whole_history(found):
                for row in self._tables.history[key].values():
                    self._keep(key, row)

    def _keep(self, key: EntryKey, row: Arrival) -> None:
        self._versions[key].setdefault(row.record.version, _stored(row, is_claimed=False))

    def entries(self) -> dict[EntryKey, StoredEntry]:
        found = {}
        for key in self._touched | dict.fromkeys(self._versions):
            current = self._tables.current.get(key) if key in self._touched else None
            found[key] = StoredEntry(
                versions=self._versions.get(key, {}),
                held=self._held.get(key, {}),
                current=None if current is None else current.version,
                ceased_by=None if current is None else current.ceased_by,
            )
        return found


def _content(row: Arrival) -> bytes:
    return sha256(row.record.value[FRAME_BYTES:]).digest()


def _stored(row: Arrival, *, is_claimed: bool) -> StoredVersion:
    record = row.record
    return StoredVersion(
        version=record.version,
        record_id=record.record_id,
        operation=record.operation,
        supersedes=record.supersedes,
        schema_id=record.schema_id,
        content=_content(row) if is_claimed else b"",
        value=None,
    )


def _waiting(row: Arrival) -> WaitingVersion:
    record = row.record
    return WaitingVersion(
        version=record.version,
        record_id=record.record_id,
        operation=record.operation,
        supersedes=record.supersedes,
        schema_id=record.schema_id,
        content=b"",
        value=None,
        entry=entry_key(row),
        event_time=record.event_time,
        place=row.place,
        group_offset=row.group_offset,
    )
