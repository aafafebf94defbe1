"""A fund worker, step by step: take, move the positions, read and decide, write, commit.

The steps of `FundStore.apply`; what is decided, and which lock is needed for it, the product says.
"""

from __future__ import annotations

from collections.abc import Sequence

from bus.agents.fund import fund_batch
from bus.errors import Fenced, Unavailable
from bus.fund.account import Account, tally
from bus.fund.batch import Arrival, FundBatch
from bus.fund.change import Change, decide
from bus.fund.deciding import AloneNeeded, _has_group, _waits_in_a_group
from bus.fund.rows import EntryMoved
from bus.fund.store import ATTEMPTS_MAX, _arrivals
from bus.model.verdict import Reason
from bus.postgres.positions import Span, coalesce
from tests.simulation.broken import Broken, merged_by_arrival
from tests.simulation.catalogue import layout
from tests.simulation.database import Database
from tests.simulation.enforcer import WorkerEnded
from tests.simulation.log import Log, Place
from tests.simulation.reader import Reader
from tests.simulation.reading import read_entries
from tests.simulation.transaction import Blocked, Transaction

CONSUMER = "fund"


class Funder:
    """One process with one session."""

    def __init__(
        self, log: Log, database: Database, places: Sequence[Place], version: int,
        broken: Broken | None,
    ) -> None:  # fmt: skip
        self.places = places
        self.version = version
        self.reader = Reader(log)
        self._database = database
        self._broken = broken
        self._work: _Work | None = None
        self.join()

    def join(self) -> None:
        """Begin where the fund's own positions say."""
        self.reader.begin(self._database.positions(CONSUMER, list(self.places)))

    @property
    def is_busy(self) -> bool:
        return self._work is not None

    def take(self) -> int:
        """Take all batches that wait; tell the catalogue that has to be there."""
        batches = [fund_batch(batch) for batch in self.reader.take_all()]
        if batches:
            self._work = _Work(self._database, batches, self._broken)
        return max((one.record.catalogue for batch in batches for one in batch.records), default=0)

    def step(self) -> bool:
        """Do the next step of the transaction; tell whether it was not blocked.

        Raises:
            WorkerEnded: It was replaced, or its session has ended.
        """
        assert self._work is not None
        try:
            return self._work.step()
        except (Fenced, Unavailable) as fault:
            self.drop()
            raise WorkerEnded from fault

    @property
    def may_commit(self) -> bool:
        return self._work is not None and self._work.is_written

    @property
    def blocking(self) -> Sequence[Transaction]:
        """Who has what it waits for."""
        return () if self._work is None else self._work.blocking

    def commit(self) -> Sequence[Arrival]:
        """Commit; tell what the transaction was about.

        Raises:
            WorkerEnded: Its session has ended.
        """
        assert self._work is not None
        work, self._work = self._work, None
        try:
            work.transaction.commit()
        except Unavailable as fault:
            raise WorkerEnded from fault
        return work.arrivals

    def drop(self) -> None:
        """Lose the session."""
        if self._work is not None:
            self._work.transaction.roll_back()
            self._work = None


class _Work:
    """One call of `FundStore.apply`."""

    def __init__(
        self, database: Database, batches: Sequence[FundBatch], broken: Broken | None
    ) -> None:
        self._database = database
        self._broken = broken
        self._spans: Sequence[Span] = coalesce([batch.span for batch in batches])
        self.arrivals = _arrivals(batches)
        self._attempts_left = ATTEMPTS_MAX
        self._is_alone = False
        self.blocking: Sequence[Transaction] = ()
        self._begin()

    def _begin(self) -> None:
        self.transaction = Transaction(self._database)
        self._is_moved = False
        self._change: Change | None = None
        self.is_written = False

    def step(self) -> bool:
        try:
            if not self._is_moved:
                self.transaction.move(CONSUMER, self._spans)
                self._is_moved = True
            elif self._change is None:
                self._decide()
            elif not self.is_written:
                self._write(self._change)
                self.is_written = True
        except Blocked as blocked:
            self.blocking = blocked.holders
            return False
        except AloneNeeded:
            self._is_alone = True
            self.transaction.roll_back()
            self._begin()
        except EntryMoved:
            self._try_again()
        self.blocking = ()
        return True

    def _try_again(self) -> None:
        self.transaction.roll_back()
        self._attempts_left -= 1
        if not self._attempts_left:
            raise WorkerEnded
        self._begin()

    def _decide(self) -> None:
        """Read and decide under the dataset's lock, as `bus.fund.deciding.decided`."""
        is_alone = self._is_alone or any(map(_has_group, self.arrivals))
        self.transaction.lock_dataset(is_alone=is_alone)
        stored = read_entries(self._database.tables, self.transaction, self.arrivals)
        if not is_alone and _waits_in_a_group(stored):
            raise AloneNeeded({self.arrivals[0].record.dataset})
        change = decide(self.arrivals, stored, layout())
        if self._broken is Broken.ARRIVAL_ORDER:
            change = merged_by_arrival(change, self.arrivals, stored)
        self._change = change

    def _write(self, change: Change) -> None:
        assert not change.surplus, "no history here has so many records waiting"
        transaction = self.transaction
        refused = (*change.conflicts, *change.refused_with_group)
        transaction.claim(*(("quarantine", one.record.bus_in) for one in refused))
        transaction.write_change(change)  # the last that can be blocked: a step is done once
        transaction.account = Account(records=tally(self.arrivals))
        account = transaction.account
        account.history.update(tally((*change.history, *change.released)))
        account.repeats.update(tally(change.repeats))
        account.held.update(tally(change.held))
        account.held.subtract(tally(change.released))
        transaction.refuse(change.conflicts, Reason.CONFLICTING_VERSION)
        transaction.refuse(change.refused_with_group, Reason.GROUP_REFUSED)
