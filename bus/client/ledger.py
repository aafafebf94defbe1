"""The publisher's memory of what it sent: a local cache of the log, written only from the log.

One file for each system and dataset, `<home>/publish/<system>/<dataset>.sqlite`. Positions are
stored in the same transaction as the versions read up to them, so the file is right after a crash
at any moment; it is only behind. Lost, it is read anew for as long as the log is whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from bus.client import ledger_queries
from bus.client.decision import KnownVersion, Standing, standing
from bus.errors import DocumentError
from bus.model.identifiers import RecordId
from bus.model.record import Operation
from bus.model.verdict import Reason
from bus.texts import message
from bus.wire.topics import Position

_FORMAT: Final = 3
_FORMAT_WITHOUT_ATTEMPTS: Final = 2
_FORMAT_WITHOUT_OPERATIONS: Final = 1
_NO_STOP: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedVersion:
    """One of the publisher's own records as it lies in its in-topic."""

    key: str
    version: int
    record_id: RecordId
    operation: Operation
    supersedes: RecordId | None
    fingerprint: bytes
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRefusal:
    """One inbound record that the bus has set aside."""

    partition: int
    offset: int
    """Place of the inbound record."""
    reason: Reason
    attempt: int
    """How often it had been released before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRelease:
    """One inbound record that was set aside and has come out of quarantine."""

    partition: int
    offset: int
    """Place of the inbound record."""
    attempt: int
    """Answers the refusals of lower attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Own records in a range of one partition."""

    records: int
    end: int
    """One more than the last one's offset; 0 where there is none."""
    refused: Mapping[Reason, int]


class Ledger:
    """The memory of one system about one dataset; has one user (`bus.process.lock`)."""

    def __init__(self, connection: sqlite3.Connection, topic: str) -> None:
        """Take an open file; see `open`."""
        self._connection = connection
        self._topic = topic
        self._contested: list[LoggedVersion] = []

    @classmethod
    def open(cls, path: Path, topic: str) -> Self:
        """Open the file, or create it with nothing known.

        Args:
            path: The file.
            topic: The in-topic it remembers.

        Raises:
            DocumentError: It is damaged, or was written by another version of the bus.
        """
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # Why not FULL: what a power cut takes back is read from the log again.
            connection.execute("PRAGMA synchronous = NORMAL")
            (written,) = connection.execute("PRAGMA user_version").fetchone()
            if written == _FORMAT_WITHOUT_OPERATIONS:
                connection.executescript(ledger_queries.ADD_OPERATIONS)
            if written in {_FORMAT_WITHOUT_OPERATIONS, _FORMAT_WITHOUT_ATTEMPTS}:
                connection.executescript(ledger_queries.ADD_ATTEMPTS)
            elif written not in {0, _FORMAT}:
                raise _unusable(path, f"format {written}, not {_FORMAT}")
            connection.executescript(ledger_queries.TABLES)
            connection.execute(f"PRAGMA user_version = {_FORMAT}")
        except sqlite3.DatabaseError as problem:
            connection.close()
            raise _unusable(path, str(problem)) from problem
        except DocumentError:
            connection.close()
            raise
        return cls(connection, topic)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def positions(self) -> dict[tuple[str, int], int]:
        """Tell up to where each topic-partition was read: the next offset."""
        rows = self._connection.execute("SELECT topic, partition, next_offset FROM position")
        return {(topic, partition): offset for topic, partition, offset in rows}

    def bind(self, topic: str, topic_id: str) -> bool:
        """Tell whether a topic is the one that was read so far; the first one told is.

        Args:
            topic: Its name.
            topic_id: Kafka's id of it; a topic that was deleted and made again has another.
        """
        self._connection.execute("INSERT OR IGNORE INTO log VALUES (?, ?)", (topic, topic_id))
        (known,) = self._connection.execute(
            "SELECT id FROM log WHERE topic = ?", (topic,)
        ).fetchone()
        return bool(known == topic_id)

    def known(self, key: str, *, whole: bool = False) -> list[KnownVersion]:
        """Tell the versions sent of one entry, newest first.

        Args:
            key: The registry number.
            whole: Give all of them, not only those down to the newest that stands.
        """
        found = []
        for (
            version,
            record_id,
            operation,
            supersedes,
            fingerprint,
            state,
            partition,
            offset,
            reason,
        ) in self._connection.execute(ledger_queries.KNOWN, (key,)):
            position = Position(topic=self._topic, partition=partition, offset=offset)
            known = KnownVersion(
                version=version,
                record_id=RecordId(record_id),
                operation=Operation(operation),
                supersedes=None if supersedes is None else RecordId(supersedes),
                fingerprint=fingerprint,
                standing=Standing(state),
                quarantine_id=None if reason is None else str(position),
            )
            found.append(known)
            if not whole and known.standing is Standing.STANDS and standing(found) is not None:
                break
        return found

    def contested(self) -> list[LoggedVersion]:
        """Give the versions read since the last call that stood in the log with other content.

        Another publisher took their numbers, and the bus refuses them.
        """
        found, self._contested = self._contested, []
        return found

    def holds(self, key: str, version: int, fingerprint: bytes) -> bool:
        """Tell whether a version was sent with this content, and no other one before it."""
        given = (key, version, fingerprint)
        (found,) = self._connection.execute(ledger_queries.HOLDS, given).fetchone()
        return bool(found)

    def holds_unreadable(self) -> bool:
        """Tell whether any row was ever sent as one of which no record could be made."""
        (found,) = self._connection.execute(ledger_queries.HOLDS_UNREADABLE).fetchone()
        return bool(found)

    def take(
        self,
        *,
        sent: Iterable[LoggedVersion] = (),
        refused: Iterable[LoggedRefusal] = (),
        released: Iterable[LoggedRelease] = (),
        positions: Mapping[tuple[str, int], int],
    ) -> None:
        """Take in what was read from the log, all of it or nothing.

        A version that is known keeps what was read of it first; one that comes with other content
        is noted as `contested`. Refusals and releases may come in
        any order and again; one of a record that is not known (of another system, or gone from the
        log) changes nothing.

        Args:
            sent: In the order of the log.
            refused: Of records taken in before, or with this call.
            released: Likewise.
            positions: Next offset of each topic-partition that was read.
        """
        with _transaction(self._connection) as connection:
            for version in sent:
                added = connection.execute(ledger_queries.ADD, _parameters(version))
                if not added.rowcount and not self.holds(
                    version.key, version.version, version.fingerprint
                ):
                    self._contested.append(version)
            for refusal in refused:
                self._settle(ledger_queries.REFUSE, refusal, reason=refusal.reason.value)
            for release in released:
                self._settle(ledger_queries.RELEASE, release)
            connection.executemany(
                ledger_queries.MOVE,
                [(*place, next_offset) for place, next_offset in positions.items()],
            )

    def _settle(self, query: str, found: LoggedRefusal | LoggedRelease, **more: str) -> None:
        """Note what became of a record, and what now stands of its entry."""
        place = {"partition": found.partition, "offset": found.offset, "attempt": found.attempt}
        for (key,) in self._connection.execute(query, place | more).fetchall():
            self._connection.execute(ledger_queries.SETTLE, {"key": key})

    def tally(self, partition: int, start: int, stop: int = _NO_STOP) -> Tally:
        """Count the own records between two offsets of a partition, and those refused by reason.

        Args:
            partition: Of the in-topic.
            start: First offset that counts.
            stop: First offset that does not count any more.
        """
        records = end = 0
        refused: dict[Reason, int] = {}
        for reason, count, last in self._connection.execute(
            ledger_queries.COUNT, (partition, start, stop)
        ):
            records += count
            end = max(end, last + 1)
            if reason is not None:
                refused[Reason(reason)] = count
        return Tally(records=records, end=end, refused=refused)

    def forget_seen(self) -> None:
        """Begin a new run: no key was met yet."""
        self._connection.execute("DELETE FROM seen")

    def see(self, keys: Sequence[str]) -> None:
        """Note keys that rows of this run have brought."""
        with _transaction(self._connection) as connection:
            connection.executemany(ledger_queries.SEE, [(key,) for key in keys])

    def seen_more_than_once(self) -> int:
        """Count the keys that more than one row of this run has brought."""
        (count,) = self._connection.execute(
            "SELECT count(*) FROM seen WHERE more_than_once"
        ).fetchone()
        return int(count)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Write a block whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _parameters(version: LoggedVersion) -> dict[str, object]:
    return {
        "key": version.key,
        "version": version.version,
        "record_id": version.record_id,
        "operation": version.operation.value,
        "supersedes": version.supersedes,
        "fingerprint": version.fingerprint,
        "partition": version.partition,
        "offset": version.offset,
    }


def _unusable(path: Path, problem: str) -> DocumentError:
    return DocumentError(message("error.client.memory_unreadable", path=path, problem=problem))
