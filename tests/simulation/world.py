"""The whole bus of one history: an agency, workers, a database, consumers, and what can go wrong.

A step has a kind and a number, from which all its choices follow (`acts.act`); a history is a
list of steps (`kinds`); what each does stands in `work` and `faults`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from random import Random
from typing import TypeAlias

from bus.fund.batch import Arrival
from tests.chaos.history import Event
from tests.factories import APPENDED_MS, DATASET
from tests.simulation.broken import Broken
from tests.simulation.catalogue import FIRST_VERSION, catalogue
from tests.simulation.consumer import Consumer, Taken
from tests.simulation.custodian import Custodian
from tests.simulation.database import Database
from tests.simulation.enforcer import Enforcer
from tests.simulation.funder import Funder
from tests.simulation.invariants import Outputs, check_fund
from tests.simulation.log import Clock, Log, Place
from tests.simulation.producer import Producer, Request, Stage
from tests.simulation.publisher import Publisher
from tests.simulation.rows import ACCEPTED, INBOUND, PARTITIONS, QUARANTINE
from tests.simulation.script import script

Worker: TypeAlias = Enforcer | Funder | Custodian
VIEW = next(
    projection.topic
    for projection in catalogue(FIRST_VERSION).projections[DATASET]
    if projection.rows
)
"""Shows the institutions of one city to a consumer."""


class World:
    """All there is in one history."""

    def __init__(self, seed: int, broken: Broken | None = None) -> None:
        chance = Random(seed)
        self.broken = broken
        self.clock = Clock(now_ms=APPENDED_MS)
        self.log = Log(self.clock)
        self.database = Database(is_fenced=broken is not Broken.NO_FENCE)
        self.version = FIRST_VERSION
        self.script = script(chance)
        self.told: list[Event] = []
        self.outputs = Outputs()
        self._members = count(1)
        self.publisher: Publisher | None = None
        self.workers: list[Worker] = []
        """Those that have their partitions, and those that were replaced and do not know it."""
        self.late: list[Request] = []
        """Requests of dead processes that are on their way still."""
        self.taken: dict[str, list[Sequence[Taken]]] = {ACCEPTED: [], VIEW: []}
        self.consumers: dict[str, Consumer] = {}
        for topic in self.taken:
            self.start_consumer(topic)
        for places in _shares(INBOUND, chance):
            self.start_enforcer(places)
        for places in _shares(ACCEPTED, chance):
            self.start_funder(places)
        self.start_custodian([(QUARANTINE, partition) for partition in range(PARTITIONS)])

    def start_publisher(self) -> None:
        self.publisher = Publisher(self.log, self.script, self.told, self.broken)

    def start_consumer(self, topic: str) -> None:
        member = next(self._members)
        self.consumers[topic] = Consumer(self.log, topic, member, self.taken[topic])

    def start_enforcer(self, places: Sequence[Place]) -> None:
        member = next(self._members)
        worker = Enforcer(member, self.log, places, self.version, self.broken)
        self.workers.append(worker)

    def start_funder(self, places: Sequence[Place]) -> None:
        self.workers.append(Funder(self.log, self.database, places, self.version, self.broken))

    def start_custodian(self, places: Sequence[Place]) -> None:
        self.workers.append(Custodian(self.log, self.database, places))

    def replace(self, worker: Worker) -> None:
        """Start another worker in the place of one that is gone, or frozen."""
        match worker:
            case Enforcer():
                self.start_enforcer(worker.places)
            case Funder():
                self.start_funder(worker.places)
            case Custodian():
                self.start_custodian(worker.places)

    def end(self, worker: Worker) -> None:
        """Let a process be gone; where it was not replaced yet, another begins."""
        was_replaced = self.is_replaced(worker)
        self.workers.remove(worker)
        if isinstance(worker, Enforcer):
            self.late += worker.producer.on_their_way()
        else:
            worker.drop()
        if not was_replaced:
            self.replace(worker)

    def is_replaced(self, worker: Worker) -> bool:
        """Tell whether a younger worker has its partitions."""
        younger = self.workers[self.workers.index(worker) + 1 :]
        return any(
            type(one) is type(worker) and list(one.places) == list(worker.places) for one in younger
        )

    def end_publisher(self) -> None:
        if self.publisher is not None:
            self.late += self.publisher.producer.on_their_way()
            self.publisher = None

    def producers(self) -> list[Producer]:
        own = [worker.producer for worker in self.workers if isinstance(worker, Enforcer)]
        return own if self.publisher is None else [*own, self.publisher.producer]

    def append(self, request: Request) -> None:
        """Let the broker have a request."""
        self.outputs.note(self.log.append(request.place, request.records))
        request.stage = Stage.APPENDED

    def check_committed(self, ends: dict[Place, int]) -> None:
        for place, end in ends.items():
            self.outputs.check_committed(self.log, place, end)

    def check_fund(self, arrivals: Sequence[Arrival]) -> None:
        check_fund(self.database.tables, self.log, arrivals)


def _shares(topic: str, chance: Random) -> list[list[Place]]:
    """Give a topic's partitions to one worker, or to one each."""
    places = [(topic, partition) for partition in range(PARTITIONS)]
    return [places] if chance.random() < 0.5 else [[place] for place in places]
