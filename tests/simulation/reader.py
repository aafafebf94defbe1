"""What the transport does between a log and an agent, one fetch at a time.

Cut at groups by the product's `BegunGroups`; the rest states the rules of `BatchConsumer` anew,
since that is woven into Faust: a batch begins where the one before ended, offsets without a record
belong to the batch behind them, what was cut off comes first with the next fetch, and a batch of an
assignment that ended may not move the position.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from faust.types import TP

from bus.agents.begun_groups import BegunGroups
from bus.agents.transport import PartitionBatch
from tests.simulation.log import Log, Place, Record


class Reader:
    """One worker's way to read its partitions."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._next: dict[Place, int] = {}
        self._fetched: dict[Place, int] = {}
        self._cut: Place | None = None
        self._begun = BegunGroups()
        self.epoch = 0
        self.waiting: deque[PartitionBatch] = deque()
        """Handed out, and not taken by the agent yet."""

    def begin(self, positions: Mapping[Place, int]) -> None:
        """Begin a new assignment; what waits belongs to the one before."""
        self.epoch += 1
        self._next = dict(positions)
        self._fetched = dict(positions)
        self._cut = None
        self._begun.clear()

    def has_news(self) -> bool:
        """Tell whether a fetch would change anything."""
        return bool(self._begun._begun) or any(
            self._log.read(place, start, 1) for place, start in self._fetched.items()
        )

    def fetch(self, limit: int) -> None:
        """Fetch at most so many records of all partitions, and cut batches of them."""
        fetch = self._records(limit)
        is_cut = sum(map(len, fetch.values())) >= limit
        overdue = self._begun.overdue([TP(*place) for place in fetch])
        fetch |= {(tp.topic, tp.partition): () for tp in overdue}
        batches = [
            self._batch(place, records, is_cut=is_cut and bool(records))
            for place, records in fetch.items()
        ]
        self.waiting.extend(batch for batch in batches if batch is not None)

    def _records(self, limit: int) -> dict[Place, Sequence[Record]]:
        first = [self._cut] if self._cut in self._fetched else []
        fetch: dict[Place, Sequence[Record]] = {}
        self._cut = None
        for place in [*first, *(other for other in self._fetched if [other] != first)]:
            records = self._log.read(place, self._fetched[place], limit)
            if records:
                fetch[place] = records
                self._fetched[place] = records[-1].offset + 1
                limit -= len(records)
            if limit == 0:
                self._cut = place
                break
        return fetch

    def _batch(
        self, place: Place, fetched: Sequence[Record], *, is_cut: bool
    ) -> PartitionBatch | None:
        tp = TP(*place)
        want = self._next[place]
        records = self._begun.joined(tp, fetched)
        is_passed_over = bool(fetched) and records[-1].offset < fetched[0].offset
        if not records:
            return None
        if is_cut and not is_passed_over:
            records = self._begun.whole(tp, records)
            if not records:
                return None
        self._next[place] = records[-1].offset + 1
        if is_passed_over:
            self._fetched[place] = records[-1].offset + 1
        return PartitionBatch(
            topic=place[0],
            partition=place[1],
            start=want,
            end=records[-1].offset + 1,
            records=records,
            epoch=self.epoch,
        )

    def take_all(self) -> list[PartitionBatch]:
        """Take what waits, joined by partition, as `bus.agents.waiting.waiting_batches` does."""
        runs: dict[Place, PartitionBatch] = {}
        while self.waiting:
            batch = self.waiting.popleft()
            if batch.epoch == self.epoch:
                place = (batch.topic, batch.partition)
                runs[place] = batch if place not in runs else runs[place].joined_with(batch)
        return list(runs.values())
