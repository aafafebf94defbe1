"""An enforce worker, step by step: fetch, judge and send, settle, commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from bus.agents.enforce import IN_FLIGHT_BATCHES_MAX
from bus.agents.transport import PartitionBatch
from bus.enforce.judge import judge
from bus.route.plan import plan
from bus.wire import topics
from tests.simulation.broken import Broken
from tests.simulation.catalogue import BUS_SIGNER, CHECKER, catalogue
from tests.simulation.log import Log, Place
from tests.simulation.producer import Producer, Request, Stage
from tests.simulation.reader import Reader

GROUP = topics.ENFORCE_GROUP


class WorkerEnded(Exception):
    """The process ends, by a fault or because it was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    batch: PartitionBatch
    requests: Sequence[Request]


class Enforcer:
    """One process; what it has in its hands is gone with it."""

    def __init__(
        self, member: int, log: Log, places: Sequence[Place], version: int, broken: Broken | None
    ) -> None:
        self.member = member
        self.places = places
        self.version = version
        self.producer = Producer()
        self.reader = Reader(log)
        self._log = log
        self._broken = broken
        self._in_flight: deque[_Sent] = deque()
        self._done: dict[Place, int] = {}
        self.join()

    def join(self) -> None:
        """Take the partitions, and read on where they were committed."""
        self._done.clear()
        positions = {place: self._log.join(GROUP, place, self.member) for place in self.places}
        self.reader.begin(positions)

    def owns_all(self) -> bool:
        """Tell whether nobody has replaced it."""
        return all(self._log.owns(GROUP, place, self.member) for place in self.places)

    def can_judge(self) -> bool:
        return bool(self.reader.waiting) and len(self._in_flight) < IN_FLIGHT_BATCHES_MAX

    def judge(self, chance: Random) -> None:
        """Judge the batch that waits longest, and hand over what it demands."""
        batch = self.reader.waiting.popleft()
        if batch.epoch != self.reader.epoch:
            return
        snapshot = catalogue(self.version)
        source = topics.parse_inbound(batch.topic)
        verdicts = judge(batch.records, source=source, snapshot=snapshot, checker=CHECKER)
        deliveries = plan(verdicts, snapshot=snapshot, signer=BUS_SIGNER)
        requests = self.producer.send(deliveries, chance)
        self._in_flight.append(_Sent(batch=batch, requests=requests))

    def can_settle(self) -> bool:
        return any(map(self._may_settle, self._in_flight))

    def settle(self) -> None:
        """Settle the oldest batch.

        Raises:
            WorkerEnded: One of its outputs was refused.
        """
        sent = next(filter(self._may_settle, self._in_flight))
        self._in_flight.remove(sent)
        if any(request.stage is Stage.REFUSED for request in sent.requests):
            raise WorkerEnded
        if sent.batch.epoch == self.reader.epoch:
            self._done[sent.batch.topic, sent.batch.partition] = sent.batch.end

    def _may_settle(self, sent: _Sent) -> bool:
        if self._broken is Broken.EARLY_COMMIT:
            return True
        is_known = all(
            request.stage in {Stage.ACKNOWLEDGED, Stage.REFUSED} for request in sent.requests
        )
        return is_known and (self._broken is Broken.PAST_A_GAP or sent is self._in_flight[0])

    def can_commit(self) -> bool:
        return bool(self._done)

    def commit(self) -> dict[Place, int]:
        """Commit what is done; of partitions that another worker has it is refused."""
        done, self._done = self._done, {}
        return {
            place: end
            for place, end in done.items()
            if self._log.commit(GROUP, place, self.member, end)
        }

    def is_idle(self) -> bool:
        """Tell whether everything that was fetched is settled and committed."""
        return not (self._in_flight or self._done or self.reader.waiting)
