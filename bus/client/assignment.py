"""The partitions that a subscriber reads, and from where: one memory for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from bus.client.delivered import Kept, Partition
from bus.client.repeats import WINDOW_RECORDS, RecentIds
from bus.errors import DocumentError
from bus.kafka.reading import learn_topics
from bus.model.record import RawRecord
from bus.texts import message
from bus.wire.groups import incomplete_tail


@dataclass(slots=True, kw_only=True)
class Reading:
    """How far one partition is read."""

    recent: RecentIds = field(default_factory=RecentIds)
    deliver_from: int = 0
    """Records before it are only remembered, so that a repeat behind it is recognised."""
    end: int = 0
    """Of the partition when it was assigned."""
    is_ready: bool = False
    """Whether its place is set; what is fetched before is fetched again, from the right place."""
    begun: Sequence[RawRecord] = ()
    """Members of a group whose others come with a later fetch."""

    def whole(self, fetched: Sequence[RawRecord]) -> Sequence[RawRecord]:
        """Put what was begun before what came, and keep the group that is begun at its end.

        Args:
            fetched: In the order of their offsets, each behind those of before.

        Returns: Records that end with a whole group, or with one that has none.
        """
        records = [*self.begun, *fetched]
        count = incomplete_tail(records)
        self.begun = records[len(records) - count :]
        return records[: len(records) - count]


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """What is assigned to this subscriber, by itself or by its group."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        group: str | None = None,
        *,
        kept: Kept | None = None,
        otherwise: Mapping[Partition, int] | None = None,
    ) -> None:
        """Begin with nothing assigned.

        Args:
            consumer: Whose places it sets.
            group: That keeps positions; None: there is none.
            kept: Tells positions that are kept elsewhere; the group's do not count then.
            otherwise: From where to begin where no position is kept: behind a first load.
        """
        self._consumer = consumer
        self._group = group
        self._kept = kept
        self._otherwise = otherwise or {}
        self._readings: dict[TopicPartition, Reading] = {}
        self._assigned: frozenset[TopicPartition] | None = None
        self._fault: Exception | None = None

    def reading(self, place: TopicPartition) -> Reading:
        """Give the memory of a partition."""
        return self._readings.setdefault(place, Reading())

    async def read_all(self, topics: Collection[str], *, from_end: bool = False) -> None:
        """Take every partition of some topics, without a group, from the beginning or the end."""
        places = []
        await learn_topics(self._consumer, topics)
        for topic in topics:
            # Why: the client knows a topic's partitions only when it was asked something of it.
            await self._consumer.end_offsets([TopicPartition(topic, 0)])
            numbers = self._consumer.partitions_for_topic(topic) or ()
            places += [TopicPartition(topic, number) for number in numbers]
        self._consumer.assign(places)
        await self._consumer.seek_to_beginning(*places)
        for place, end in (await self._consumer.end_offsets(places)).items():
            reading = self.reading(place)
            reading.end, reading.is_ready = end, True
            if from_end:
                self._consumer.seek(place, end)
        self._assigned = frozenset(places)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Let partitions go; positions were committed as records were taken."""
        for place in revoked:
            reading = self.reading(place)
            reading.is_ready, reading.begun = False, ()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Go back behind the group's position, to learn the ids that lie before it."""
        # Why: Kafka's client only logs what a listener raises, and then reads from anywhere.
        try:
            await self._go_back(list(assigned))
        except Exception as problem:  # noqa: BLE001 - raised by `check`
            self._fault = problem

    async def _go_back(self, places: list[TopicPartition]) -> None:
        if places:
            beginnings = await self._consumer.beginning_offsets(places)
            ends = await self._consumer.end_offsets(places)
            kept = None if self._kept is None else (await self._kept()).positions
            for place in places:
                committed = (
                    await self._consumer.committed(place) if kept is None else kept.get(place)
                )
                if committed is None:
                    committed = self._otherwise.get(place)
                self._check(place, committed, beginnings[place], ends[place])
                reading = self.reading(place)
                reading.deliver_from = max(beginnings[place], committed or 0)
                reading.end, reading.begun = ends[place], ()
                window = reading.deliver_from - WINDOW_RECORDS
                self._consumer.seek(place, max(beginnings[place], window))
                reading.is_ready = True
        self._assigned = frozenset(places)

    def _check(
        self, place: TopicPartition, committed: int | None, beginning: int, end: int
    ) -> None:
        """Hold a position against what the log still holds, or holds at all.

        Raises:
            DocumentError: What lies behind it is deleted, or the log was made anew.
        """
        if committed is None or beginning <= committed <= end:
            return
        told = {
            "topic": place.topic,
            "partition": place.partition,
            "group": self._group,
            "committed": committed,
        }
        if committed < beginning:
            raise DocumentError(message("error.client.log_gone", **told, beginning=beginning))
        raise DocumentError(message("error.client.log_new", **told, end=end))

    def check(self) -> None:
        """Raise what setting the places failed with, if it did."""
        if self._fault is not None:
            raise self._fault

    async def is_at_end(self) -> bool:
        """Tell whether everything is read that the partitions held when they were assigned."""
        if self._assigned is None:
            return False
        for place in self._assigned & self._consumer.assignment():
            if await self._consumer.position(place) < self.reading(place).end:
                return False
        return True
