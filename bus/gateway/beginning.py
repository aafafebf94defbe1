"""Beginning a first load: which positions name it, and where its topic goes on from there.

The accepted topic goes on at those positions exactly. A view's offsets are others, so its seam is
looked for: nothing that is missing in the load may lie before it, and what lies behind it though
the load has it is listed by id. Source: ADR-0015, where the argument stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiokafka import TopicPartition

from bus.catalogue.snapshot import instant_ms
from bus.errors import Unavailable
from bus.gateway.fund_versions import contained, fund_begun, fund_positions
from bus.kafka.cluster import Cluster
from bus.kafka.scan import (
    committed_offsets,
    offsets,
    offsets_at,
    read_between,
    topic_partitions,
)
from bus.model.identifiers import DatasetCode, RecordId
from bus.model.record import RawRecord
from bus.postgres.session import Session
from bus.texts import message
from bus.wire import topics
from bus.wire.load_page import Load, LoadName
from bus.wire.topics import parse_position

CLOCKS_APART_MS: Final = 60_000
"""How far the clocks of brokers and gateway may lie apart."""
NOTICED_WITHIN_MS: Final = 10_000
"""Twice the time within which every worker knows a new catalogue."""
SEAM_RECORDS_MAX: Final = 500_000
"""Records of a view that are looked through for its seam."""
_FUND_WAIT_S: Final = 20.0
_LOOK_AGAIN_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What beginning a load works with."""

    cluster: Cluster
    """Reached as the bus."""
    session: Session
    """On the data fund."""
    dataset: DatasetCode
    partitions: int
    """Of every data topic."""
    clock: Callable[[], datetime]
    catalogue_applied: datetime
    """When the newest catalogue was brought into force."""

    async def of_accepted(self) -> Load:
        """Begin a load of the whole dataset.

        Raises:
            Unavailable: An engine does not answer.
        """
        positions, held = await fund_begun(self.session, self.dataset, self.partitions)
        name = LoadName(topic=topics.accepted(self.dataset), positions=tuple(positions))
        return Load(name=name, live=name.positions, passed=(), held=held)

    async def of_standing(self, topic: str) -> Load:
        """Begin a load of a standing view: an empty one, for its topic holds what stands.

        What stood when the view came into force was told there, and what changed since; so the
        topic goes on from its begin.

        Raises:
            Unavailable: Kafka does not answer.
        """
        places = self._places(topic)
        bounds = await offsets(self.cluster, places)
        name = LoadName(topic=topic, positions=(0,) * self.partitions)
        return Load(name=name, live=tuple(bounds[place][0] for place in places), passed=(), held=())

    async def of_view(self, topic: str) -> Load:
        """Begin a load of what a view's topic shows.

        Raises:
            Unavailable: An engine does not answer, or the fund is too far behind.
        """
        judged = await self._judged()
        begun_ms = min([instant_ms(self.clock()), *await self._unjudged_times(judged)])
        self._refuse_news(topic, begun_ms)
        horizon_ms = begun_ms - CLOCKS_APART_MS
        await self._fund_at_end()
        positions, held = await fund_begun(self.session, self.dataset, self.partitions)
        again = await self._judged_again(positions, judged, horizon_ms)
        places = self._places(topic)
        starts = await offsets_at(self.cluster, places, horizon_ms)
        ends = {place: end for place, (_, end) in (await offsets(self.cluster, places)).items()}
        shown = await self._shown({place: (starts[place], ends[place]) for place in places})
        every = {record_id for ids in shown.values() for _, record_id in ids}
        known = await contained(self.session, self.dataset, positions, every)
        live, passed = [], set(again)
        for place in places:
            missing = [offset for offset, record_id in shown[place] if record_id not in known]
            live.append(min(missing, default=ends[place]))
            passed.update(
                record_id
                for offset, record_id in shown[place]
                if offset >= live[-1] and record_id in known
            )
        name = LoadName(topic=topic, positions=tuple(positions))
        return Load(name=name, live=tuple(live), passed=tuple(sorted(passed)), held=held)

    def _refuse_news(self, topic: str, begun_ms: int) -> None:
        """See that whatever is judged from now on is judged under a catalogue with this view.

        Raises:
            Unavailable: A worker may not know the newest catalogue yet.
        """
        known_ms = instant_ms(self.catalogue_applied) + NOTICED_WITHIN_MS
        if begun_ms < known_ms:
            raise Unavailable(
                message("error.gateway.old_records", topic=topic, applied=self.catalogue_applied)
            )

    async def _judged(self) -> Mapping[TopicPartition, int]:
        """Tell up to where the outputs of each partition that enforcement reads are durable."""
        done = await committed_offsets(self.cluster, topics.ENFORCE_GROUP)
        read = [
            place
            for place in await topic_partitions(self.cluster, ["in.", "release."])
            if self._concerns(place.topic)
        ]
        return {place: max(0, done.get(place, 0)) for place in read}

    def _concerns(self, topic: str) -> bool:
        is_inbound = topic.startswith("in.")
        return not is_inbound or topics.parse_inbound(topic).dataset == self.dataset

    async def _unjudged_times(self, judged: Mapping[TopicPartition, int]) -> list[int]:
        """Tell when the first record that is not judged for good was appended, by partition."""
        ends = await offsets(self.cluster, judged)
        spans = {
            place: (max(start, begin), end)
            for place, start in judged.items()
            for begin, end in [ends[place]]
            if start < end
        }
        times: dict[tuple[str, int], int] = {}
        async for raw in _limited(read_between(self.cluster, spans), self.dataset):
            times.setdefault((raw.topic, raw.partition), raw.timestamp)
            if len(times) == len(spans):
                break
        return list(times.values())

    async def _fund_at_end(self) -> None:
        """Wait until the fund has everything that was accepted before."""
        places = self._places(topics.accepted(self.dataset))
        ends = await offsets(self.cluster, places)
        deadline = asyncio.get_running_loop().time() + _FUND_WAIT_S
        while True:
            positions = await fund_positions(self.session, self.dataset, self.partitions)
            if all(positions[place.partition] >= end for place, (_, end) in ends.items()):
                return
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(
                    message("error.gateway.fund_behind", dataset=self.dataset, wait_s=_FUND_WAIT_S)
                )
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _judged_again(
        self, positions: Sequence[int], judged: Mapping[TopicPartition, int], horizon_ms: int
    ) -> frozenset[RecordId]:
        """Find records of the load whose outputs may be written once more, or still be on the way.

        They were judged from an offset that is not committed, so their inbound record, and with
        it every output, is younger than the horizon.
        """
        places = self._places(topics.accepted(self.dataset))
        starts = await offsets_at(self.cluster, places, horizon_ms)
        spans = {place: (starts[place], positions[place.partition]) for place in places}
        again = set()
        async for raw in _limited(read_between(self.cluster, spans), self.dataset):
            headers = dict(raw.headers)
            inbound = parse_position(headers["bus_in"].decode())
            place = TopicPartition(inbound.topic, inbound.partition)
            # Why the attempt: a released record came through another topic than it says.
            if inbound.offset >= judged.get(place, 0) or "bus_attempt" in headers:
                again.add(RecordId(headers["ce_id"].decode()))
        return frozenset(again)

    async def _shown(
        self, spans: Mapping[TopicPartition, tuple[int, int]]
    ) -> Mapping[TopicPartition, list[tuple[int, RecordId]]]:
        shown: dict[TopicPartition, list[tuple[int, RecordId]]] = {place: [] for place in spans}
        async for raw in _limited(read_between(self.cluster, spans), self.dataset):
            record_id = RecordId(dict(raw.headers)["ce_id"].decode())
            shown[TopicPartition(raw.topic, raw.partition)].append((raw.offset, record_id))
        return shown

    def _places(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for partition in range(self.partitions)]


async def _limited(
    records: AsyncIterator[RawRecord], dataset: DatasetCode
) -> AsyncIterator[RawRecord]:
    count = 0
    async for raw in records:
        count += 1
        if count > SEAM_RECORDS_MAX:
            raise Unavailable(
                message("error.gateway.long_seam", count=SEAM_RECORDS_MAX, dataset=dataset)
            )
        yield raw
