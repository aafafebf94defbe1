"""A producer whose requests and acknowledgements are events of their own.

As aiokafka's: in order within a partition, one request of a partition on its way at a time, tried
again until it is acknowledged. The broker knows a request that is tried again by its number and
appends it once, unless it lost what it knew of the producer; appending is the world's business. A
request that is given up and never came takes those behind it along: their numbers do not follow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random

from bus.wire.delivery import Delivery
from bus.wire.groups import units
from tests.simulation.log import Place, Unplaced


class Stage(Enum):
    """How far a request has come."""

    WAITING = auto()
    APPENDED = auto()
    """Durable, and the producer does not know it."""
    ACKNOWLEDGED = auto()
    REFUSED = auto()


@dataclass(slots=True, eq=False, kw_only=True)
class Request:
    """One Kafka batch on its way to one partition."""

    place: Place
    records: Sequence[Unplaced]
    marks: Sequence[str] = ()
    """Names of what is sent, for a publisher's history."""
    stage: Stage = Stage.WAITING


@dataclass(slots=True)
class Producer:
    """One process's way to the log; what waits in it dies with the process."""

    _queues: dict[Place, deque[Request]] = field(default_factory=dict)
    _gaps: set[Place] = field(default_factory=set)
    """Where a request that the broker never had was given up."""

    def send(self, deliveries: Sequence[Delivery], chance: Random) -> list[Request]:
        """Queue deliveries, in order for each partition; groups are not cut, all else may be."""
        by_place: dict[Place, list[Delivery]] = {}
        for delivery in deliveries:
            by_place.setdefault((delivery.topic, delivery.partition), []).append(delivery)
        requests = []
        for place, waiting in by_place.items():
            batch: list[Delivery] = []
            for unit in units(waiting, [delivery.group for delivery in waiting]):
                if batch and chance.random() < 0.3:
                    requests.append(self._queue(place, batch))
                    batch = []
                batch += unit
            requests.append(self._queue(place, batch))
        return requests

    def _queue(self, place: Place, batch: Sequence[Delivery]) -> Request:
        records = [Unplaced(key=one.key, value=one.value, headers=one.headers) for one in batch]
        return self.add(Request(place=place, records=records))

    def add(self, request: Request) -> Request:
        """Queue a request."""
        if request.place in self._gaps:
            request.stage = Stage.REFUSED
        else:
            self._queues.setdefault(request.place, deque()).append(request)
        return request

    def on_their_way(self) -> list[Request]:
        """Give the first request of each partition: the others wait for its acknowledgement."""
        return [queue[0] for queue in self._queues.values() if queue]

    def acknowledge(self, request: Request) -> None:
        """Let the producer know that a request is durable."""
        request.stage = Stage.ACKNOWLEDGED
        self._queues[request.place].remove(request)

    def refuse(self, request: Request) -> None:
        """Let the producer know that a request was given up, whether or not it is in the log."""
        queue = self._queues[request.place]
        if request.stage is Stage.WAITING:
            self._gaps.add(request.place)
            for follower in queue:
                follower.stage = Stage.REFUSED
            queue.clear()
        else:
            request.stage = Stage.REFUSED
            queue.remove(request)
