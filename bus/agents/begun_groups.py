"""Beginnings of correction groups that the limit of one fetch cut off from their rest.

A group is written as one Kafka batch, and a broker hands out whole batches: where a fetch ends
inside a group, the rest lies in the consumer's buffer and comes with the next fetch. A group that
ends where a fetch was not cut was not written as one batch; it goes on as it is, to be refused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from faust.types import TP

from bus.model.record import RawRecord
from bus.wire.groups import incomplete_tail


class BegunGroups:
    """Keeps at most one beginning for each partition, until its rest comes."""

    def __init__(self) -> None:
        self._begun: dict[TP, Sequence[RawRecord]] = {}
        self._missed: set[TP] = set()

    def clear(self) -> None:
        """Forget all, for a new assignment."""
        self._begun.clear()
        self._missed.clear()

    def drop(self, tp: TP) -> None:
        """Forget a partition's, which will be fetched again."""
        self._begun.pop(tp, None)

    def joined(self, tp: TP, fetched: Sequence[RawRecord]) -> Sequence[RawRecord]:
        """Put what was kept before what came; alone where that does not follow it.

        Args:
            tp: The partition.
            fetched: In offset order; empty to give up waiting.
        """
        begun = self._begun.pop(tp, ())
        if not begun or (fetched and fetched[0].offset <= begun[-1].offset):
            return fetched  # the second: fetched again, from before what was kept
        if fetched and fetched[0].offset != begun[-1].offset + 1:
            return begun
        return [*begun, *fetched]

    def whole(self, tp: TP, records: Sequence[RawRecord]) -> Sequence[RawRecord]:
        """Keep a group that is begun at the end, and give the records before it."""
        count = incomplete_tail(records)
        if not count:
            return records
        self._begun[tp] = records[-count:]
        self._missed.discard(tp)
        return records[:-count]

    def overdue(self, fetched: Collection[TP]) -> list[TP]:
        """Name partitions whose rest did not come in two fetches.

        Why two: what is buffered comes with the next one, for a buffer that was cut is read first;
        but one fetch may end early, at another partition's fault.

        Args:
            fetched: Partitions of which the last fetch brought records.
        """
        waiting = {tp for tp in self._begun if tp not in fetched}
        overdue = sorted(waiting & self._missed)
        self._missed = waiting
        return overdue
