"""A quarantine worker, step by step: take, move the positions, write, commit."""

from __future__ import annotations

from collections.abc import Sequence

from bus.agents.transport import PartitionBatch
from bus.errors import Fenced, Unavailable
from bus.postgres.positions import Span, coalesce
from bus.quarantine.reading import parse_entry
from tests.simulation.database import Database
from tests.simulation.enforcer import WorkerEnded
from tests.simulation.log import Log, Place
from tests.simulation.reader import Reader
from tests.simulation.transaction import Blocked, Transaction

CONSUMER = "quarantine"


class Custodian:
    """One process with one session."""

    def __init__(self, log: Log, database: Database, places: Sequence[Place]) -> None:
        self.places = places
        self.reader = Reader(log)
        self._database = database
        self._batches: Sequence[PartitionBatch] = ()
        self._transaction: Transaction | None = None
        self.may_commit = False
        self.blocking: Sequence[Transaction] = ()
        self.join()

    def join(self) -> None:
        """Begin where the table's own positions say."""
        self.reader.begin(self._database.positions(CONSUMER, list(self.places)))

    @property
    def is_busy(self) -> bool:
        return self._transaction is not None

    def take(self) -> None:
        """Take all batches that wait."""
        self._batches = self.reader.take_all()
        self._transaction = Transaction(self._database) if self._batches else None

    def step(self) -> bool:
        """Move the positions and write the entries; tell whether it was not blocked.

        Raises:
            WorkerEnded: It was replaced, or its session has ended.
        """
        assert self._transaction is not None
        spans = [
            Span(topic=one.topic, partition=one.partition, start=one.start, end=one.end)
            for one in self._batches
        ]
        entries = [parse_entry(raw) for batch in self._batches for raw in batch.records]
        try:
            self._transaction.claim(*(("quarantine", entry.id) for entry in entries))
            self._transaction.move(CONSUMER, coalesce(spans))
            self._transaction.insert_entries(entries)
        except Blocked as blocked:
            self.blocking = blocked.holders
            return False
        except (Fenced, Unavailable) as fault:
            self.drop()
            raise WorkerEnded from fault
        self.blocking = ()
        self.may_commit = True
        return True

    def commit(self) -> None:
        """Commit.

        Raises:
            WorkerEnded: Its session has ended.
        """
        assert self._transaction is not None
        transaction, self._transaction, self.may_commit = self._transaction, None, False
        try:
            transaction.commit()
        except Unavailable as fault:
            raise WorkerEnded from fault

    def drop(self) -> None:
        """Lose the session."""
        if self._transaction is not None:
            self._transaction.roll_back()
        self._transaction, self.may_commit = None, False
