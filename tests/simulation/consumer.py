"""A consumer's process that reads one topic, and what it has taken.

Proving, keeping groups whole and dropping repeats are the product's own (`prove`, `Reading`,
`RecentIds`); the order of steps is `Subscriber`'s. What was taken is written where a crash does
not reach it; the position is committed afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from bus.client.assignment import Reading
from bus.client.proof import claimed_catalogue, prove
from bus.model.record import RawRecord, RegistryRecord
from bus.wire.groups import units
from tests.factories import DATASET
from tests.simulation.catalogue import CHECKER, catalogue
from tests.simulation.log import Log, Place
from tests.simulation.rows import PARTITIONS

Taken: TypeAlias = tuple[RawRecord, RegistryRecord]


class Consumer:
    """One life of the process; what it took outlives it."""

    def __init__(self, log: Log, topic: str, member: int, taken: list[Sequence[Taken]]) -> None:
        self.topic = topic
        self.member = member
        self.taken = taken
        """Records that stand alone, and groups, in the order in which they were taken."""
        self._log = log
        self._group = f"consumer of {topic}"
        self._ready: deque[tuple[Place, Sequence[Taken]]] = deque()
        self._done: dict[Place, int] = {}
        self._readings: dict[Place, Reading] = {}
        self._fetched: dict[Place, int] = {}
        for partition in range(PARTITIONS):
            place = (topic, partition)
            start = log.join(self._group, place, member)
            self._readings[place] = Reading(deliver_from=start)
            for raw in log.records(place, start):
                self._readings[place].recent.remember(raw)
            self._fetched[place] = start

    def has_news(self) -> bool:
        return bool(self._ready) or any(
            self._log.read(place, start, 1) for place, start in self._fetched.items()
        )

    def take(self, place: Place, limit: int) -> None:
        """Fetch where nothing is ready, and take the next record or group that is new."""
        if not self._ready:
            self._fetch(place, limit)
        while self._ready:
            place, unit = self._ready.popleft()
            self._done[place] = unit[-1][0].offset + 1
            if not self._readings[place].recent.are_known([record for _, record in unit], ()):
                self.taken.append(unit)
                return

    def _fetch(self, place: Place, limit: int) -> None:
        raws = self._log.read(place, self._fetched[place], limit)
        if not raws:
            return
        self._fetched[place] = raws[-1].offset + 1
        whole = self._readings[place].whole(raws)
        if not whole:
            return
        proved = prove(
            whole,
            dataset=DATASET,
            is_view=self.topic.startswith("view."),
            snapshot=catalogue(max(map(claimed_catalogue, whole))),
            checker=CHECKER,
        )
        pairs = list(zip(whole, proved, strict=True))
        together = units(pairs, [record.group for record in proved])
        self._ready.extend((place, unit) for unit in together)

    def commit(self) -> None:
        """Commit what was taken."""
        done, self._done = self._done, {}
        for place, end in done.items():
            self._log.commit(self._group, place, self.member, end)
