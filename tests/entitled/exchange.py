"""The bus's pure parts between invented providers and consumers: plan, merge, tell, prove, copy.

What engines do is played in the simplest way: a topic is a list, the fund a dictionary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from random import Random
from typing import cast

from bus.agents.standing import signed_deliveries
from bus.catalogue.agreement import Agreement
from bus.catalogue.granted import granted
from bus.catalogue.snapshot import Projection, Snapshot
from bus.client.delivered import DeliveredRecord
from bus.client.feeds import Feeds
from bus.client.proof import prove, prove_standing
from bus.client.registry_copy import RegistryCopy
from bus.fund.batch import Arrival
from bus.fund.change import decide
from bus.fund.outbox import Waiting
from bus.fund.standing import changed_entries
from bus.fund.stored import EntryKey, StoredEntry, StoredVersion, WaitingVersion
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.model.identifiers import ViewCode
from bus.model.verdict import Accepted, Examined
from bus.route.plan import plan
from bus.route.standing import CurrentRow, Origin, ToldRow, tell
from bus.wire import topics
from bus.wire.delivery import Delivery
from bus.wire.headers import parse_delivered
from bus.wire.signature import SignatureChecker
from bus.wire.topics import Position
from tests import factories
from tests.entitled.documents import DATASET, Documents
from tests.entitled.histories import Sent
from tests.factories import Raw

SIGNER = factories.signer("bus")
CHECKER = SignatureChecker()


@dataclass(slots=True, kw_only=True)
class _Stored:
    """What the fund has of one entry."""

    history: dict[int, Arrival] = field(default_factory=dict)
    held: dict[int, Arrival] = field(default_factory=dict)
    current: int | None = None
    ceased_by: int | None = None


class Exchange:
    """One history on its way through the bus."""

    def __init__(self, documents: Documents, chance: Random, late: frozenset[ViewCode]) -> None:
        """Begin with nothing.

        Args:
            documents: In force.
            chance: Decides what is sent twice.
            late: Standing views that are not served before `begin_late`.
        """
        self._documents = documents
        self._snapshot = documents.snapshot
        self._chance = chance
        self._late = late
        self._fund: dict[EntryKey, _Stored] = defaultdict(_Stored)
        self._told: dict[tuple[ViewCode, EntryKey], ToldRow] = {}
        self._accepted = 0
        self.topics: dict[str, list[Raw]] = defaultdict(list)
        self.held = 0
        """Records that had to wait."""

    def take(self, batch: Sequence[Sent]) -> None:
        """Let a batch through enforcement and the fund, and send what it leaves."""
        arrivals: list[Arrival] = []
        for _, run in groupby(batch, key=lambda one: (one.raw.topic, one.raw.partition)):
            for delivery in plan(map(self._verdict, run), snapshot=self._snapshot, signer=SIGNER):
                if delivery.topic.startswith("view."):
                    self._append(delivery)
                else:
                    arrivals.append(self._arrival(delivery, batch[-1].raw.timestamp))
        stored = {key: _as_stored(key, one) for key, one in self._fund.items()}
        change = decide(arrivals, stored, self._documents.layout)
        for arrival in change.history:
            self._fund[_key(arrival)].history[arrival.record.version] = arrival
        self.held += len(change.held)
        for arrival in change.held:
            self._fund[_key(arrival)].held[arrival.record.version] = arrival
        for one in change.released:
            entry = self._fund[one.entry]
            entry.history[one.version] = entry.held.pop(one.version)
        for standing in change.standings:
            self._fund[standing.entry].current = standing.after
            self._fund[standing.entry].ceased_by = standing.ceased_by
        views = [view for view in self._views() if view.view.code not in self._late]
        if change.standings and views:
            for view, entries in changed_entries(change.standings, arrivals, views):
                self._tell(view, entries)

    def begin_late(self, now_ms: int) -> None:
        """Bring the late views into force: what stands is told to them."""
        late, self._late = self._late, frozenset()
        for view in self._views():
            if view.view.code in late and now_ms < view.closes_ms:
                self._tell(view, sorted(self._fund))

    def _views(self) -> Sequence[Projection]:
        return self._snapshot.standing.get(DATASET, ())

    def _verdict(self, sent: Sent) -> Accepted:
        schema = self._snapshot.schemas[sent.envelope.schema_id]
        examined = schema.compiled.examine(sent.raw.value or b"", sent.raw.timestamp)
        assert isinstance(examined, Examined)
        return Accepted(raw=sent.raw, envelope=sent.envelope, dataset=DATASET, examined=examined)

    def _arrival(self, delivery: Delivery, now_ms: int) -> Arrival:
        self._accepted += 1
        raw = _landed(delivery, self._accepted, now_ms)
        record = parse_delivered(raw, DATASET)
        return Arrival(
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            record=record,
            headers=raw.headers,
        )

    def _tell(self, view: Projection, entries: Sequence[EntryKey]) -> None:
        page = []
        for key in entries:
            name = (view.view.code, key)
            told = tell(
                key,
                self._told.get(name),
                _current(key, self._fund[key]),
                projection=view,
                snapshot=self._snapshot,
            )
            if told is not None:
                self._told[name] = told.row
                page.append(Waiting(record=told.record, partition=told.row.partition))
        # A worker that dies after Kafka has a page leaves it to the next one, which sends it again.
        for _ in range(self._chance.choice((1, 1, 1, 2))):
            for delivery in signed_deliveries(page, self._snapshot, SIGNER):
                self._append(delivery)

    def _append(self, delivery: Delivery) -> None:
        log = self.topics[delivery.topic]
        log.append(_landed(delivery, len(log), 0))


@dataclass(slots=True)
class _Catalogue:
    """A catalogue that stays as it is."""

    snapshot: Snapshot


class Consumer:
    """The system that reads under one agreement, and its copy."""

    def __init__(self, agreement: Agreement, documents: Documents) -> None:
        self.agreement = agreement
        self.copy = RegistryCopy(DATASET)
        self.received: list[tuple[Raw, DeliveredRecord]] = []
        self._documents = documents
        self._system = agreement.systems[0]
        self._feeds: Feeds | None = None
        self._taken: dict[str, int] = defaultdict(int)

    def topics_at(self, moment: datetime) -> tuple[str, ...]:
        """Tell which topics Kafka's rights open to it, by the function that gives them."""
        grants = granted(self._documents.region, self._system, moment).get(DATASET, ())
        return tuple(grant.topic for grant in grants)

    def read(self, exchange: Exchange, moment: datetime) -> list[tuple[Raw, DeliveredRecord]]:
        """Take what is new in the topics that it may read; keep the copy."""
        news: list[tuple[Raw, DeliveredRecord]] = []
        for topic in self.topics_at(moment):
            log = exchange.topics[topic]
            raws, self._taken[topic] = log[self._taken[topic] :], len(log)
            if raws:
                news += zip(raws, self._delivered(topic, raws, moment), strict=True)
        for _, record in news:
            self.copy.apply(record)
        self.received += news
        return news

    def _delivered(
        self, topic: str, raws: Sequence[Raw], moment: datetime
    ) -> list[DeliveredRecord]:
        snapshot = self._documents.snapshot
        if self._feeds is None:
            follower = cast("CatalogueFollower", _Catalogue(snapshot))
            self._feeds = Feeds(follower, self._system, DATASET, lambda: moment)
        view = self._feeds.feed(topic).view
        assert view is not None
        places = [Position(topic=topic, partition=one.partition, offset=one.offset) for one in raws]
        if view.is_standing:
            rows = prove_standing(
                raws, dataset=DATASET, view=view.code, snapshot=snapshot, checker=CHECKER
            )
            pairs = zip(places, rows, strict=True)
            return [self._feeds.decode_row(topic, place, row) for place, row in pairs]
        records = prove(raws, dataset=DATASET, is_view=True, snapshot=snapshot, checker=CHECKER)
        found = zip(places, records, strict=True)
        return [self._feeds.decode(topic, place, record) for place, record in found]


def _landed(delivery: Delivery, offset: int, timestamp: int) -> Raw:
    return Raw(
        topic=delivery.topic,
        partition=delivery.partition,
        offset=offset,
        timestamp=timestamp,
        key=delivery.key,
        value=delivery.value,
        headers=delivery.headers,
    )


def _key(arrival: Arrival) -> EntryKey:
    return (arrival.record.agency, arrival.record.key)


def _current(key: EntryKey, stored: _Stored) -> CurrentRow | None:
    if stored.current is None:
        return None
    record = stored.history[stored.current].record
    return CurrentRow(
        agency=key[0],
        key=key[1],
        version=record.version,
        is_ceased=stored.ceased_by is not None,
        schema_id=record.schema_id,
        value=record.value,
        origin=Origin(
            event_time=record.event_time,
            lane=record.lane,
            system=record.system,
            bus_in=record.bus_in,
        ),
        partition=stored.history[stored.current].partition,
    )


def _as_stored(key: EntryKey, stored: _Stored) -> StoredEntry:
    return StoredEntry(
        versions={
            version: StoredVersion(
                version=version,
                record_id=one.record.record_id,
                operation=one.record.operation,
                supersedes=one.record.supersedes,
                schema_id=one.record.schema_id,
                content=sha256(one.record.value[5:]).digest(),
                value=one.record.value,
            )
            for version, one in stored.history.items()
        },
        held={
            version: WaitingVersion(
                version=version,
                record_id=one.record.record_id,
                operation=one.record.operation,
                supersedes=one.record.supersedes,
                schema_id=one.record.schema_id,
                content=sha256(one.record.value[5:]).digest(),
                value=one.record.value,
                entry=key,
                event_time=one.record.event_time,
                place=(topics.accepted(DATASET), one.partition),
                group_offset=None,
            )
            for version, one in stored.held.items()
        },
        current=stored.current,
        ceased_by=stored.ceased_by,
    )
