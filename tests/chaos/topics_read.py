"""Reads what the bus wrote to accepted topics and views, proved and decoded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final

from bus.catalogue.snapshot import Snapshot, locked_schema_id
from bus.client.proof import prove
from bus.contracts.encode import Decode, decoder
from bus.errors import InvariantBroken
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, read_whole, topic_partitions
from bus.model.identifiers import DatasetCode
from bus.model.record import RawRecord
from bus.wire import topics
from bus.wire.frame import FRAME_BYTES
from bus.wire.headers import group_of
from bus.wire.signature import SignatureChecker
from tests.chaos.consumers import CONSUMERS, feed_of
from tests.chaos.evidence import GroupPlace, LogRecord, Place, digest_of
from tests.chaos.traffic import PARTIES, differing

STAMP_FIELDS: Final = {party.dataset: party.stamp_field for party in PARTIES}
_PROVED_AT_ONCE: Final = 2_000


class TopicReader:
    """Reads what the bus wrote to accepted topics and views, proves and decodes it."""

    def __init__(self, cluster: Cluster, snapshot: Snapshot) -> None:
        self._cluster = cluster
        self._snapshot = snapshot
        self._checker = SignatureChecker()
        region = snapshot.region
        self.decoders: dict[DatasetCode, dict[int, Decode]] = {
            dataset: {
                locked_schema_id(region, dataset, version.number): decoder(version.schema)
                for version in region.contracts[dataset].schema_versions
            }
            for dataset in STAMP_FIELDS
        }

    async def accepted(self) -> AsyncIterator[LogRecord]:
        for dataset, decoders in self.decoders.items():
            async for record in self._read(topics.accepted(dataset), dataset, decoders, view=False):
                yield record

    async def views(self) -> AsyncIterator[LogRecord]:
        for who in CONSUMERS:
            feed = feed_of(self._snapshot, who)
            if feed.view is not None:
                async for record in self._read(feed.topic, who.dataset, feed.decoders, view=True):
                    yield record

    async def _read(
        self, topic: str, dataset: DatasetCode, decoders: Mapping[int, Decode], *, view: bool
    ) -> AsyncIterator[LogRecord]:
        places = await topic_partitions(self._cluster, [topic])
        ends = {place: end for place, (_, end) in (await offsets(self._cluster, places)).items()}
        waiting: dict[int, list[RawRecord]] = defaultdict(list)
        async for raw in read_whole(self._cluster, ends):
            waiting[raw.partition].append(raw)
            if len(waiting[raw.partition]) >= _PROVED_AT_ONCE:
                for record in self._records(waiting.pop(raw.partition), dataset, decoders, view):
                    yield record
        for rest in waiting.values():
            for record in self._records(rest, dataset, decoders, view):
                yield record

    def _records(
        self,
        raws: Sequence[RawRecord],
        dataset: DatasetCode,
        decoders: Mapping[int, Decode],
        view: bool,
    ) -> Iterator[LogRecord]:
        proved = self._proved(raws, dataset, view)
        for raw, is_proved in zip(raws, proved, strict=True):
            headers = dict(raw.headers)
            values = decoded(raw.value, decoders)
            group = group_of(raw.headers)
            key = (raw.key or b"").decode(errors="replace")
            yield LogRecord(
                place=Place(raw.topic, raw.partition, raw.offset),
                inbound=place_of(_text(headers, "bus_in")),
                record_id=_text(headers, "ce_id"),
                key=key,
                version=int(_text(headers, "bus_version") or 0) or None,
                stamp=stamp_of(values, dataset),
                is_proved=is_proved,
                group=None if group is None else GroupPlace(group.id, group.index, group.size),
                fields=frozenset(values or ()) if view else frozenset(),
                digest=None if view else digest_of(raw.value),
                differing=differing(dataset, key, values or {}),
            )

    def _proved(self, raws: Sequence[RawRecord], dataset: DatasetCode, view: bool) -> list[bool]:
        try:
            prove(
                raws,
                dataset=dataset,
                is_view=view,
                snapshot=self._snapshot,
                checker=self._checker,
            )
        except InvariantBroken:
            if len(raws) == 1:
                return [False]
            return [self._proved([raw], dataset, view)[0] for raw in raws]
        return [True] * len(raws)


def decoded(value: bytes | None, decoders: Mapping[int, Decode]) -> dict[str, object] | None:
    if value is None or len(value) < FRAME_BYTES:
        return None
    decode = decoders.get(int.from_bytes(value[1:FRAME_BYTES], "big"))
    try:
        return None if decode is None else decode(value)
    except ValueError:
        return None


def stamp_of(values: Mapping[str, object] | None, dataset: DatasetCode) -> str | None:
    found = None if values is None else values.get(STAMP_FIELDS[dataset])
    return found if isinstance(found, str) else None


def _text(headers: Mapping[str, bytes], name: str) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode(errors="replace")


def place_of(text: str | None) -> Place | None:
    if text is None:
        return None
    topic, partition, offset = text.rsplit("/", 2)
    return Place(topic, int(partition), int(offset))
