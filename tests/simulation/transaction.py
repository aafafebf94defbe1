"""One transaction: rows are locked when they are written, and the tables change at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from operator import setitem

from bus.errors import Fenced, Unavailable
from bus.fund.account import Account, tally
from bus.fund.batch import Arrival
from bus.fund.change import Change, Standing, entry_key
from bus.fund.refuse import _entry
from bus.fund.rows import EntryMoved
from bus.fund.stored import EntryKey
from bus.model.verdict import Reason
from bus.postgres.positions import Span, TopicPartition
from bus.quarantine.entry import QuarantineEntry, QuarantineState
from tests.simulation.database import Current, Database, Kept


class Blocked(Exception):
    """Another transaction has what this one wants; it waits."""

    def __init__(self, holders: Sequence[Transaction]) -> None:
        super().__init__("another transaction has it")
        self.holders = holders


class Transaction:
    """Read committed, as the product's: each step sees what is committed by then."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writes: list[Callable[[], object]] = []
        self._added: dict[EntryKey, dict[int, Arrival]] = {}
        """History rows that are there once this commits."""
        self._set_aside: dict[str, Kept] = {}
        self.account = Account()
        database.open.append(self)

    @property
    def is_open(self) -> bool:
        """False once its end came, by itself or by the database."""
        return self in self._database.open

    def claim(self, *rows: Hashable) -> None:
        """Lock rows, all or none.

        Raises:
            Blocked: Another transaction has one.
            Unavailable: The session has ended.
        """
        if not self.is_open:
            raise Unavailable("the session has ended")
        holders = [self._database.locks.get(row, self) for row in rows]
        if others := [holder for holder in holders if holder is not self]:
            raise Blocked(others)
        self._database.locks.update(dict.fromkeys(rows, self))

    def lock_dataset(self, *, is_alone: bool) -> None:
        """Take the advisory lock (`lock_shared`, `lock_alone`)."""
        self.claim()
        database = self._database
        others = [one for one in [database.alone] if one is not None and one is not self]
        if is_alone:
            others += [one for one in database.sharing if one is not self]
        if others:
            raise Blocked(others)
        if is_alone:
            database.alone = self
        elif self not in database.sharing:
            database.sharing.append(self)

    def move(self, consumer: str, spans: Sequence[Span]) -> None:
        """Move positions (`move`): `next_offset = first_offset` of the span must match every row.

        Raises:
            Fenced: One has moved meanwhile.
        """
        keys = [(consumer, span.place) for span in spans]
        self.claim(*(("position", *key) for key in keys))
        kept = self._database.tables.positions
        for key, span in zip(keys, spans, strict=True):
            if self._database.is_fenced and kept[key].next != span.start:
                raise Fenced(f"{span.topic}/{span.partition} is not at {span.start}")
            self._writes.append(partial(setattr, kept[key], "next", span.end))

    def write_change(self, change: Change) -> None:
        """Write what was decided (`bus.fund.rows.write_change`).

        Raises:
            EntryMoved: A row is not as it was read.
        """
        tables = self._database.tables
        self.claim(
            *(("history", *_version_key(one)) for one in (*change.history, *change.held)),
            *(("held", *_version_key(one)) for one in change.held),
            *(("held", one.entry, one.version) for one in change.released),
            *(("history", one.entry, one.version) for one in change.released),
            *(("current", one.entry) for one in change.standings),
        )
        for arrival in change.history:
            self._add_history(arrival)
        for arrival in change.held:
            key, version = _version_key(arrival)
            _expect(version not in tables.held[key], "a held row is there by now")
            self._writes.append(partial(setitem, tables.held[key], version, arrival))
        for one in change.released:
            rows = tables.held[one.entry]
            _expect(one.version in rows, "a held row is gone by now")
            self._add_history(rows[one.version])
            self._writes.append(partial(rows.pop, one.version))
        for standing in change.standings:
            self._replace_current(standing)

    def _add_history(self, arrival: Arrival) -> None:
        key, version = _version_key(arrival)
        rows = self._database.tables.history[key]
        _expect(version not in rows, "a row of the history is there by now")
        self._added.setdefault(key, {})[version] = arrival
        self._writes.append(partial(setitem, rows, version, arrival))

    def _replace_current(self, standing: Standing) -> None:
        tables, key = self._database.tables, standing.entry
        stands = tables.current.get(key)
        found = None if stands is None else stands.version
        _expect(found == standing.before, "another row stands by now")
        if standing.after is None:
            self._writes.append(partial(tables.current.pop, key))
            return
        row = tables.history[key].get(standing.after) or self._added.get(key, {}).get(
            standing.after
        )
        if row is None:
            raise EntryMoved("the version that stands is not in the history")
        current = Current(
            version=standing.after,
            record_id=row.record.record_id,
            ceased_by=standing.ceased_by,
            value=row.record.value,
        )
        self._writes.append(partial(setitem, tables.current, key, current))

    def refuse(self, arrivals: Sequence[Arrival], reason: Reason) -> None:
        """Set accepted records aside (`FundStore._refuse`)."""
        if not arrivals:
            return
        written = self.insert_entries([_entry(arrival, reason) for arrival in arrivals])
        refused = []
        for arrival in arrivals:
            if arrival.record.bus_in in written:
                written.remove(arrival.record.bus_in)
                refused.append(arrival)
        refusals = self._database.tables.refusals
        self._writes.append(partial(refusals.extend, [(one, reason.value) for one in refused]))
        self.account.refused.update(tally(refused))
        self.account.repeats.update(tally(arrivals) - tally(refused))

    def insert_entries(self, entries: Sequence[QuarantineEntry]) -> set[str]:
        """Write entries that are not there, or that the fund knows better of (`insert`).

        Releases are left out here, so that an attempt is always 0.
        """
        table = self._database.tables.quarantine
        self.claim(*(("quarantine", entry.id) for entry in entries))
        written = set()
        for entry in entries:
            kept = self._set_aside.get(entry.id) or table.get(entry.id)
            if kept is not None and not _replaces(entry, kept.entry):
                continue
            self._set_aside[entry.id] = Kept(entry=entry, state=QuarantineState.OPEN)
            written.add(entry.id)
        return written

    def commit(self) -> Iterable[TopicPartition]:
        """Let all of it be there; tell which partitions' counters changed."""
        self.claim()
        for write in self._writes:
            write()
        tables = self._database.tables
        tables.quarantine.update(self._set_aside)
        changed = self._count(tables.counters)
        self._end()
        return changed

    def _count(self, counters: dict[TopicPartition, Counter[str]]) -> Iterable[TopicPartition]:
        account = self.account
        changed: dict[TopicPartition, None] = {}
        for name in ("records", "history", "repeats", "refused", "held"):
            for place, count in getattr(account, name).items():
                counters[place][name] += count
                changed[place] = None
        return changed

    def roll_back(self) -> None:
        """Let none of it be there."""
        if self.is_open:
            self._end()

    def _end(self) -> None:
        database = self._database
        database.open.remove(self)
        database.locks = {row: one for row, one in database.locks.items() if one is not self}
        database.sharing = [one for one in database.sharing if one is not self]
        if database.alone is self:
            database.alone = None


def _version_key(arrival: Arrival) -> tuple[EntryKey, int]:
    return entry_key(arrival), arrival.record.version


def _replaces(entry: QuarantineEntry, kept: QuarantineEntry) -> bool:
    return entry.refused_by_fund and not kept.refused_by_fund


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise EntryMoved(otherwise)
