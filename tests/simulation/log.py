"""A Kafka of lists: partitions that only grow, and groups' positions with one owner each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bus.model.record import Headers

Place: TypeAlias = tuple[str, int]
"""Topic and partition."""


@dataclass(slots=True)
class Clock:
    """The brokers' clock, which may jump."""

    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record at its place."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def position(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """A record that has no place yet."""

    key: bytes | None
    value: bytes | None
    headers: Headers


class Log:
    """Topics, and who has read them how far."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._partitions: dict[Place, list[Record | None]] = defaultdict(list)
        self._committed: dict[tuple[str, Place], int] = {}
        self._owners: dict[tuple[str, Place], int] = {}

    def append(self, place: Place, records: Iterable[Unplaced]) -> Sequence[Record]:
        """Append one batch, whole."""
        partition = self._partitions[place]
        appended = [
            Record(
                topic=place[0],
                partition=place[1],
                offset=offset,
                timestamp=self._clock.now_ms,
                key=one.key,
                value=one.value,
                headers=one.headers,
            )
            for offset, one in enumerate(records, start=len(partition))
        ]
        partition += appended
        return appended

    def append_marker(self, place: Place) -> None:
        """Append an offset without a record, as the end of a transaction is one."""
        self._partitions[place].append(None)

    def end(self, place: Place) -> int:
        return len(self._partitions[place])

    def read(self, place: Place, start: int, limit: int | None = None) -> list[Record]:
        """Read the records from an offset on."""
        found: list[Record] = []
        for record in self._partitions[place][start:]:
            if limit is not None and len(found) == limit:
                break
            if record is not None:
                found.append(record)
        return found

    def records(self, place: Place, end: int) -> list[Record]:
        """Read the records below an offset."""
        return [record for record in self._partitions[place][:end] if record is not None]

    def places(self, prefix: str) -> list[Place]:
        """Name the partitions of topics that begin so, in one order."""
        return sorted(place for place in self._partitions if place[0].startswith(prefix))

    def join(self, group: str, place: Place, member: int) -> int:
        """Give a partition to a member alone, and tell where it reads on."""
        self._owners[group, place] = member
        return self.committed(group, place)

    def owns(self, group: str, place: Place, member: int) -> bool:
        return self._owners.get((group, place)) == member

    def commit(self, group: str, place: Place, member: int, offset: int) -> bool:
        """Move a position; refused where another member has the partition."""
        if not self.owns(group, place, member):
            return False
        self._committed[group, place] = offset
        return True

    def committed(self, group: str, place: Place) -> int:
        return self._committed.get((group, place), 0)
