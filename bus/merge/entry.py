"""A registry entry as merging sees it: versions, what waits, what stands."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from hashlib import sha256
from types import MappingProxyType
from typing import Final

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
    GROUP_REFUSED = "group_refused"
    """Another member of its group is a conflict: `Reason.GROUP_REFUSED`."""
    SURPLUS = "surplus"
    """It would be held, and its entry has as many waiting as the fund keeps. Merging never says
    so, for the limit depends on order: the fund alone refuses, a consumer's copy holds all."""
    ERASED = "erased"
    """Its entry was erased (ADR-0027): `Reason.ENTRY_ERASED`. Merging never says so either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a registry entry, as far as merging needs to know it."""

    version: int
    record_id: RecordId
    operation: Operation
    supersedes: RecordId | None
    content: bytes
    """Digest of the value: within one entry equal exactly where values are equal."""
    group: Hashable | None = None
    """Names the group that it came with, or None where it stands for itself."""


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


def version_of(
    record: RegistryRecord, content: bytes | None = None, group: Hashable | None = None
) -> Version:
    """Reduce a record to what merging needs.

    Args:
        record: An accepted record.
        content: Digest to use where the entry holds this version under another schema; without
            one, SHA-256 of the Avro datum.
        group: Names the group that it came with.
    """
    return Version(
        version=record.version,
        record_id=record.record_id,
        operation=record.operation,
        supersedes=record.supersedes,
        content=sha256(record.value[FRAME_BYTES:]).digest() if content is None else content,
        group=group,
    )


def needs_whole_history(operations: Iterable[Operation]) -> bool:
    """Tell whether merging these arrivals and held records must see every version of the entry.

    An annulment uncovers an older version and a cease may stand under a newer create; the other
    operations only add.
    """
    return any(
        operation is Operation.ANNUL or operation is Operation.CEASE for operation in operations
    )
