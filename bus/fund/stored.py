"""What the fund holds of registry entries, as far as a merge needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from bus.model.identifiers import AgencyCode, RecordId
from bus.model.record import Operation
from bus.postgres.positions import TopicPartition

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
class WaitingVersion(StoredVersion):
    """A held row, as far as a merge needs it: its value and headers stay in the table."""

    entry: EntryKey
    event_time: str
    place: TopicPartition
    """The accepted partition, whose counters it stands in."""
    group_offset: int | None
    """Offset of the first member of its group, which names the group within the partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """What the fund holds of one registry entry, as far as a batch touches it."""

    versions: Mapping[int, StoredVersion]
    held: Mapping[int, WaitingVersion]
    current: int | None
    ceased_by: int | None
    erased: frozenset[RecordId] | None = None
    """Not None: the entry was erased; which of the arrivals' records it had."""


NOTHING_STORED: Final = StoredEntry(versions={}, held={}, current=None, ceased_by=None)
