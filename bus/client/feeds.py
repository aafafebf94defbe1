"""The topics that serve a subscriber, kept in step with the catalogue."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

from bus.catalogue.snapshot import Snapshot
from bus.client.delivered import DeliveredRecord
from bus.client.subscription import Feed, changes_of, feeds_of
from bus.errors import InvariantBroken, Unavailable, Words
from bus.fund.columns import Column
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.model.identifiers import DatasetCode, SystemCode
from bus.model.record import RegistryRecord, StandingRow
from bus.texts import message
from bus.wire.topics import Position

_CATALOGUE_S: Final = 30.0
"""How long to wait for the catalogue that judged a record."""


class Feeds:
    """What one system reads of one dataset, under the catalogue and at the moment of now."""

    def __init__(
        self,
        catalogue: CatalogueFollower,
        system: SystemCode,
        dataset: DatasetCode,
        clock: Callable[[], datetime],
    ) -> None:
        """Find the topics.

        Raises:
            DocumentError: No agreement in force.
        """
        self.dataset = dataset
        self.doing = message("doing.client.reading", dataset=dataset, system=system)
        self._system = system
        self._catalogue = catalogue
        self._clock = clock
        self._changes: tuple[datetime, ...] = ()
        self._changes_in: int | None = None
        self._basis = self._present()
        self._feeds = self._found()

    @property
    def topics(self) -> tuple[str, ...]:
        """Names of the topics, ascending."""
        return tuple(self._feeds)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a table would hold the dataset's fields in; of several topics all that one has."""
        found = {column.name: column for feed in self._feeds.values() for column in feed.columns}
        return tuple(found.values())

    def feed(self, topic: str) -> Feed:
        """Give what is known of one of the topics."""
        return self._feeds[topic]

    def refresh(self) -> None:
        """Take in a new catalogue, a new day, or what begins or ends within a day.

        Raises:
            DocumentError: No agreement is in force any more.
            Unavailable: The agreements lead to other topics now; starting again reads those.
        """
        basis = self._present()
        if basis == self._basis:
            return
        feeds = self._found()
        if feeds.keys() != self._feeds.keys():
            raise Unavailable(
                message(
                    "error.client.other_topics",
                    doing=self.doing,
                    now=", ".join(feeds),
                    before=", ".join(self._feeds),
                )
            )
        self._basis, self._feeds = basis, feeds

    async def snapshot_for(self, version: int, place: Words) -> Snapshot:
        """Give a catalogue not older than the one that judged a record.

        Args:
            version: Of that catalogue.
            place: Of the record, for the message.

        Raises:
            Unavailable: It does not come; see also `refresh`.
        """
        try:
            snapshot = await asyncio.wait_for(self._catalogue.at_least(version), _CATALOGUE_S)
        except TimeoutError as problem:
            raise Unavailable(
                message(
                    "error.client.no_such_catalogue",
                    doing=self.doing,
                    place=place,
                    version=version,
                    wait_s=_CATALOGUE_S,
                )
            ) from problem
        self.refresh()
        return snapshot

    def decode(self, topic: str, position: Position, record: RegistryRecord) -> DeliveredRecord:
        """Read a record's value by the schema that its writer used.

        Args:
            topic: Of those that serve the system; its mask cut the value.
            position: Where the record was found.
            record: Proved.

        Raises:
            InvariantBroken: The topic can't hold a value of this schema.
        """
        return DeliveredRecord(
            agency=record.agency,
            dataset=record.dataset,
            key=record.key,
            version=record.version,
            operation=record.operation,
            record_id=record.record_id,
            supersedes=record.supersedes,
            event_time=record.event_time,
            lane=record.lane,
            fields=self._fields(topic, position, record, record.value),
            position=position,
            group=record.group,
            traceparent=record.traceparent,
        )

    def decode_row(self, topic: str, position: Position, row: StandingRow) -> DeliveredRecord:
        """Read what a standing view says of an entry; a row that left has no fields.

        Args and Raises: as `decode`.
        """
        return DeliveredRecord(
            agency=row.agency,
            dataset=row.dataset,
            key=row.key,
            version=row.number,
            operation=row.presence,
            record_id=row.record_id,
            supersedes=None,
            event_time=row.event_time,
            lane=row.lane,
            fields={} if row.value is None else self._fields(topic, position, row, row.value),
            position=position,
        )

    def _fields(
        self, topic: str, position: Position, record: RegistryRecord | StandingRow, value: bytes
    ) -> Mapping[str, object]:
        decode = self._feeds[topic].decoders.get(record.schema_id)
        if decode is None:
            raise InvariantBroken(
                f"record {position} has schema {record.schema_id}, which the catalogue does not "
                f"know for {topic}; tell the bus's operator"
            )
        return decode(value)

    def _present(self) -> tuple[int, date, int]:
        """Tell what other topics hang on: the catalogue, the day, and how many changes are past."""
        snapshot, now = self._catalogue.snapshot, self._clock().astimezone(UTC)
        if snapshot.version != self._changes_in:
            self._changes = changes_of(snapshot.region, self._system, self.dataset)
            self._changes_in = snapshot.version
        return snapshot.version, now.date(), bisect_right(self._changes, now)

    def _found(self) -> dict[str, Feed]:
        region = self._catalogue.snapshot.region
        found: Sequence[Feed] = feeds_of(region, self._system, self.dataset, self._clock())
        return {feed.topic: feed for feed in found}
