"""What accepted records do to the registry entry they are versions of.

One rule for the data fund and for every consumer's copy. Its result depends on the set of records
and not on their order or number, with one exception: of two records that claim one version with
other content, the first seen stays and the later is a conflict.

Source: design of the bus, ADR-0005.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from bus.errors import InvariantBroken
from bus.model.identifiers import RecordId
from bus.model.record import Operation, RegistryRecord
from bus.wire.frame import FRAME_BYTES


@unique
class Outcome(StrEnum):
    """What became of one arriving record."""

    INSERTED = "inserted"
    """It joined the history; it may or may not have become the current version."""
    REPEAT = "repeat"
    """The same record is in the history, or held, already."""
    CONFLICT = "conflict"
    """Its version is taken by other content: `Reason.CONFLICTING_VERSION`."""
    HELD = "held"
    """The version it supersedes has not come yet; it joins by itself when that one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a registry entry, as far as merging needs to know it."""

    version: int
    record_id: RecordId
    operation: Operation
    supersedes: RecordId | None
    content: bytes
    """Digest of the value: within one entry equal exactly where values are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One registry entry: its history, what waits to join it, and what stands now.

    `versions` may leave out rows that the arrivals don't touch: versions that they neither claim
    nor supersede. It must be whole where `needs_whole_history` says so.
    """

    versions: Mapping[int, Version]
    held: Mapping[int, Version]
    """Version → record whose predecessor is missing; always whole."""
    current: int | None
    """Highest version that is not annulled and no annulment; None: nothing stands."""
    ceased_by: int | None
    """The cease in force: not annulled, and no later create that opens the entry again."""


EMPTY_ENTRY: Final = Entry(
    versions=MappingProxyType({}), held=MappingProxyType({}), current=None, ceased_by=None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """An entry after arrivals, and what they came to."""

    entry: Entry
    outcomes: tuple[Outcome, ...]
    """One for each arrival, in their order."""
    joined: tuple[Version, ...]
    """Rows new in the history, predecessors first: arrivals, and held ones that they released."""


def version_of(record: RegistryRecord, content: bytes | None = None) -> Version:
    """Reduce a record to what merging needs.

    Args:
        record: An accepted record.
        content: Digest to use where the entry holds this version under another schema; without
            one, SHA-256 of the Avro datum.
    """
    return Version(
        version=record.version,
        record_id=record.record_id,
        operation=record.operation,
        supersedes=record.supersedes,
        content=sha256(record.value[FRAME_BYTES:]).digest() if content is None else content,
    )


def needs_whole_history(operations: Iterable[Operation]) -> bool:
    """Tell whether merging these arrivals and held records must see every version of the entry.

    An annulment uncovers an older version and a cease may stand under a newer create; the other
    operations only add.
    """
    return any(
        operation is Operation.ANNUL or operation is Operation.CEASE for operation in operations
    )


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
    history = _History(entry)
    outcomes = tuple(map(history.receive, arrivals))
    joined = tuple(history.joined)
    if needs_whole_history(row.operation for row in joined):
        current, ceased_by = _standing(history.versions)
    else:
        current, ceased_by = _standing_after_additions(entry, joined)
    return Merged(
        entry=Entry(
            versions=history.versions, held=history.held, current=current, ceased_by=ceased_by
        ),
        outcomes=outcomes,
        joined=joined,
    )


class _History:
    """An entry's rows while arrivals are worked in; lives within one call of `merge`."""

    def __init__(self, entry: Entry) -> None:
        self.versions = dict(entry.versions)
        self.held = dict(entry.held)
        self.joined: list[Version] = []
        self._places = {row.record_id: row.version for row in entry.versions.values()}
        self._waiting: dict[RecordId, list[Version]] = {}
        for row in entry.held.values():
            self._wait(row)

    def receive(self, arrival: Version) -> Outcome:
        known = self.versions.get(arrival.version) or self.held.get(arrival.version)
        if known is not None:
            same = known.record_id == arrival.record_id and known.content == arrival.content
            return Outcome.REPEAT if same else Outcome.CONFLICT
        if not self._may_join(arrival):
            self.held[arrival.version] = arrival
            self._wait(arrival)
            return Outcome.HELD
        self._join(arrival)
        return Outcome.INSERTED

    def _may_join(self, row: Version) -> bool:
        if row.operation is Operation.CREATE:
            return True
        place = self._places.get(_predecessor(row))
        return place is not None and place < row.version

    def _join(self, arrival: Version) -> None:
        ready = [arrival]
        while ready:
            row = ready.pop()
            self.held.pop(row.version, None)
            self.versions[row.version] = row
            self._places[row.record_id] = row.version
            self.joined.append(row)
            ready += filter(self._may_join, self._waiting.pop(row.record_id, ()))

    def _wait(self, row: Version) -> None:
        self._waiting.setdefault(_predecessor(row), []).append(row)


def _standing(versions: Mapping[int, Version]) -> tuple[int | None, int | None]:
    """Find the current version and the cease in force in a whole history.

    From the highest down, a row's annulment is met before the row, for it has a higher version.
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
