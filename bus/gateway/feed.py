"""One system's reading of one dataset over HTTP: page by page, under the rights of each moment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiokafka import TopicPartition

from bus.client.delivered import DeliveredRecord, as_text, content_of
from bus.client.feeds import Feeds
from bus.client.proof import claimed_catalogue, prove, prove_standing
from bus.client.repeats import RecentIds
from bus.errors import DocumentError
from bus.gateway.problems import Problem
from bus.gateway.resume import parse_resume_token, resume_token
from bus.gateway.tail import Fetched, Tail
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.record import GROUP_RECORDS_MAX, RawRecord, RegistryRecord, StandingRow
from bus.wire.groups import incomplete_tail, units
from bus.wire.signature import SignatureChecker
from bus.wire.topics import Position

_REPEATS_WINDOW: Final = 4_096
_MS_PER_S: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRecord:
    """A record as it is written for a reader, with the token that goes on behind it."""

    text: str
    """JSON."""
    key: str
    agency: AgencyCode
    """Whose entry it is of."""
    next: str | None
    """None inside a group, which is taken whole."""


class Feed:
    """Goes on through the topics that serve a system with a dataset."""

    def __init__(self, feeds: Feeds, tail: Tail, positions: dict[TopicPartition, int]) -> None:
        """Take what is known; `begin` is the way in."""
        self._feeds = feeds
        self._tail = tail
        self._positions = positions
        self._checker = SignatureChecker()
        self._recent = RecentIds(_REPEATS_WINDOW)

    @classmethod
    async def begin(cls, feeds: Feeds, tail: Tail, partitions: int, after: str | None) -> Feed:
        """Begin at the topics' beginnings, or where a token says.

        Args:
            feeds: What the system may read.
            tail: Reads for it.
            partitions: Of every data topic.
            after: Token of an earlier page; None: the beginning.

        Raises:
            Problem: The token is none of this gateway's, or the agreements lead elsewhere now.
        """
        places = [
            TopicPartition(topic, number) for topic in feeds.topics for number in range(partitions)
        ]
        if after is None:
            return cls(feeds, tail, dict(await tail.beginnings(places)))
        given = parse_resume_token(feeds.dataset, after)
        if given is None:
            raise Problem(422, "unknown_token")
        positions = {
            TopicPartition(topic, number): offset
            for topic, offsets in given.items()
            for number, offset in enumerate(offsets)
        }
        if positions.keys() != set(places):
            raise Problem(410, "positions_gone")
        ends = await tail.ends(places, age_s=0.0)
        if any(not 0 <= offset <= ends[place] for place, offset in positions.items()):
            raise Problem(410, "positions_gone")
        return cls(feeds, tail, positions)

    @property
    def dataset(self) -> DatasetCode:
        """That is read."""
        return self._feeds.dataset

    @property
    def agreements(self) -> tuple[str, ...]:
        """Ids of the agreements that it is read under, ascending."""
        found = {one for topic in self._feeds.topics for one in self._feeds.feed(topic).agreements}
        return tuple(sorted(found))

    @property
    def token(self) -> str:
        """Where to go on behind everything that was given."""
        by_topic: dict[str, list[int]] = {}
        for place in sorted(self._positions):
            by_topic.setdefault(place.topic, []).append(self._positions[place])
        return resume_token(
            self._feeds.dataset, {topic: tuple(at) for topic, at in by_topic.items()}
        )

    def check(self) -> None:
        """Hold the reading against the agreements in force now.

        Raises:
            Problem: None is any more.
            Unavailable: They lead to other topics.
        """
        try:
            self._feeds.refresh()
        except DocumentError as problem:
            raise Problem(403, "not_granted", why=problem.message) from problem

    async def read(self, records_max: int) -> list[FeedRecord]:
        """Give what comes next; nothing where nothing is there.

        Args:
            records_max: To give; a correction group that is begun is given whole.

        Raises:
            Problem: A position is not in the log any more.
            KafkaError: Kafka does not answer.
            InvariantBroken: A record is not genuine.
        """
        ends = await self._tail.ends(self._positions)
        behind = {place: at for place, at in self._positions.items() if at < ends[place]}
        if not behind:
            return []
        fetched = await self._tail.read(behind, records_max + GROUP_RECORDS_MAX)
        given: list[FeedRecord] = []
        for place in sorted(fetched):
            if len(given) < records_max:
                given += await self._taken(place, fetched[place], records_max - len(given))
        return given

    async def _taken(
        self, place: TopicPartition, fetched: Fetched, records_max: int
    ) -> list[FeedRecord]:
        count = len(fetched.records) - incomplete_tail(fetched.records)
        whole = fetched.records[:count]
        if not whole:
            if not fetched.records:
                self._positions[place] = fetched.next_offset
            return []
        proved = await self._proved(place, whole)
        pairs = list(zip(whole, proved, strict=True))
        taken = 0
        given: list[FeedRecord] = []
        groups = [None if isinstance(one, StandingRow) else one.group for one in proved]
        for unit in units(pairs, groups):
            if len(given) >= records_max:
                break
            taken += len(unit)
            is_end = taken == len(fetched.records)
            self._positions[place] = fetched.next_offset if is_end else unit[-1][0].offset + 1
            if not self._recent.are_known([record for _, record in unit], ()):
                given += self._written(place, unit)
        return given

    async def _proved(
        self, place: TopicPartition, whole: Sequence[RawRecord]
    ) -> Sequence[RegistryRecord | StandingRow]:
        newest = max(map(claimed_catalogue, whole))
        snapshot = await self._feeds.snapshot_for(newest, f"{place.topic}/{place.partition}")
        view = self._feeds.feed(place.topic).view
        if view is not None and view.is_standing:
            return prove_standing(
                whole,
                dataset=self._feeds.dataset,
                view=view.code,
                snapshot=snapshot,
                checker=self._checker,
            )
        return prove(
            whole,
            dataset=self._feeds.dataset,
            is_view=view is not None,
            snapshot=snapshot,
            checker=self._checker,
        )

    def _written(
        self, place: TopicPartition, unit: Sequence[tuple[RawRecord, RegistryRecord | StandingRow]]
    ) -> list[FeedRecord]:
        written = []
        for raw, record in unit:
            position = Position(topic=place.topic, partition=place.partition, offset=raw.offset)
            delivered = (
                self._feeds.decode_row(place.topic, position, record)
                if isinstance(record, StandingRow)
                else self._feeds.decode(place.topic, position, record)
            )
            written.append(
                FeedRecord(
                    text=_json(delivered, record, raw.timestamp),
                    key=record.key,
                    agency=record.agency,
                    next=self.token if delivered.ends_unit else None,
                )
            )
        return written


def _json(
    delivered: DeliveredRecord, record: RegistryRecord | StandingRow, appended_ms: int
) -> str:
    appended = datetime.fromtimestamp(appended_ms / _MS_PER_S, UTC)
    provenance: Mapping[str, object] = {
        "system": record.system,
        "bus_in": record.bus_in,
        "catalogue": record.catalogue,
        "schema_id": record.schema_id,
        "appended_at": appended,
    }
    content = {**content_of(delivered), "provenance": provenance}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=as_text)
