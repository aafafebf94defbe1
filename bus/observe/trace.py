"""The way of one record, hop by hop, from what the bus keeps of it anyway.

Nothing is sampled and nothing is stored for it: the topics have the moments of each append, the
fund when it took the record in, quarantine why it did not get that far. So every record that is
kept can be traced, also one of last year, and no tracing backend is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Any, Final, cast

from aiokafka import TopicPartition

from bus.catalogue.snapshot import Snapshot
from bus.fund.entries import tables_of
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
from bus.observe.known import Readers, readers_by_topic
from bus.postgres.queries import Queries
from bus.postgres.session import Session, connect, translated
from bus.texts import message
from bus.wire import topics
from bus.wire.topics import parse_position

QUERIES: Final = Queries.load("bus.observe", "trace")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOOKED_THROUGH: Final = 20_000
"""Records of a partition: of a view's from a moment before the acceptance on, of the others from
the position of who reads it."""
_CLOCKS_MS: Final = 5_000
"""By how much clocks of brokers may differ."""


@unique
class Step(StrEnum):
    """What happened to the record; words are keyed `trace.<value>`."""

    EVENT = "event"
    """What it tells of, by the provider's clock."""
    APPENDED = "appended"
    SET_ASIDE = "set_aside"
    """Its place in quarantine: the moment is that of the append which was judged."""
    ACCEPTED = "accepted"
    SENT = "sent"
    WAITING = "waiting"
    """In the fund, for the version that it follows."""
    RECORDED = "recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One thing that happened to the record."""

    step: Step
    at: datetime
    where: str
    """Topic, partition and offset; or the fund."""
    who: tuple[str, ...] = ()
    """The sending system; who reads it there."""
    why: str | None = None
    """Reason and state, in quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The way of one record."""

    record_id: RecordId
    dataset: str | None
    """None: it is in quarantine alone, or the fund has not come to it."""
    version: int | None
    lane: str | None
    catalogue: int | None
    """Version of the catalogue that judged it."""
    traceparent: str | None
    """W3C trace context that its sender gave it, to look it up in the sender's own tracing."""
    hops: tuple[Hop, ...]
    """By time; what happened at one moment in the order of the way."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A row of the fund, in the order of its query."""

    agency: str
    version: int
    event_time: str | datetime
    accepted_at: datetime
    taken_at: datetime
    system: str
    lane: str
    bus_in: str
    catalogue: int
    topic: str
    partition: int
    offset: int


async def read_trace(
    record_id: RecordId, snapshot: Snapshot, *, cluster: Cluster, fund_dsn: str
) -> Trace | None:
    """Trace a record; None: the bus knows none of this id.

    Args:
        record_id: Of the record.
        snapshot: Whose datasets are looked through, and whose agreements say who reads what.
        cluster: Reached as a principal that may read what comes in and what goes out.
        fund_dsn: Of the data fund.

    Raises:
        Unavailable: PostgreSQL does not answer.
        KafkaError: Kafka does not.
    """
    session = await connect(fund_dsn, "bus trace", {})
    try:
        found, aside = await _of_database(session, record_id, snapshot)
    finally:
        await session.close()
    readers = readers_by_topic(snapshot)
    if found is None:
        hops = await _set_aside(cluster, aside) or await _on_its_way(cluster, record_id, readers)
        return _trace(record_id, None, None, hops, None) if hops else None
    dataset, step, kept = found
    inbound = parse_position(kept.bus_in)
    came = await _at(cluster, inbound.topic, inbound.partition, inbound.offset)
    hops = [
        Hop(
            step=Step.EVENT,
            at=datetime.fromisoformat(str(kept.event_time)),
            where=kept.agency,
            who=(kept.system,),
        ),
        Hop(
            step=Step.ACCEPTED,
            at=kept.accepted_at,
            where=f"{kept.topic}/{kept.partition}/{kept.offset}",
            who=_who(readers, kept.topic),
        ),
        *await _sent(cluster, record_id, dataset, kept, readers),
        Hop(step=step, at=kept.taken_at, where=dataset),
        *await _set_aside(cluster, aside),
    ]
    if came is not None:
        hops.append(_appended(came))
    return _trace(record_id, dataset, kept, hops, came)


def _trace(
    record_id: RecordId,
    dataset: str | None,
    kept: _Kept | None,
    hops: Iterable[Hop],
    came: RawRecord | None,
) -> Trace:
    order = list(Step)
    header = None if came is None else dict(came.headers).get("traceparent")
    return Trace(
        record_id=record_id,
        dataset=dataset,
        version=None if kept is None else kept.version,
        lane=None if kept is None else kept.lane,
        catalogue=None if kept is None else kept.catalogue,
        traceparent=None if header is None else header.decode("ascii", "replace"),
        hops=tuple(sorted(hops, key=lambda hop: (hop.at, order.index(hop.step)))),
    )


async def _of_database(
    session: Session, record_id: RecordId, snapshot: Snapshot
) -> tuple[tuple[DatasetCode, Step, _Kept] | None, list[tuple[object, ...]]]:
    """Find the record in the fund, and what quarantine has under its id."""
    named = {"record_id": record_id}
    async with translated(message("doing.observe.trace", record_id=record_id)):
        asked = await session.execute(QUERIES.get("set_aside"), named)
        aside = await asked.fetchall()
        waiting = await (await session.execute(QUERIES.get("waiting"), named)).fetchone()
        if waiting is not None:
            dataset, *row = waiting
            return (DatasetCode(str(dataset)), Step.WAITING, _Kept(*cast("Any", row))), aside
        for dataset in snapshot.region.contracts:
            history = QUERIES.get("kept", history=tables_of(dataset)["history"])
            found = await (await session.execute(history, named)).fetchone()
            if found is not None:
                return (dataset, Step.RECORDED, _Kept(*cast("Any", found))), aside
    return None, aside


async def _on_its_way(cluster: Cluster, record_id: RecordId, readers: Readers) -> list[Hop]:
    """Find a record that enforcement, or the fund, has not come to: behind their positions."""
    hops: list[Hop] = []
    own_id = record_id.encode()
    for prefix, group in (("in.", topics.ENFORCE_GROUP), ("accepted.", topics.FUND_GROUP)):
        done = await committed_offsets(cluster, group)
        ends = await offsets(cluster, await topic_partitions(cluster, [prefix]))
        begins = {place: max(begin, done.get(place, 0)) for place, (begin, _) in ends.items()}
        spans = {
            place: (begin, min(ends[place][1], begin + _LOOKED_THROUGH))
            for place, begin in begins.items()
        }
        async for raw in read_between(cluster, spans):
            sent = dict(raw.headers)
            if sent.get("ce_id") != own_id:
                continue
            if (before := sent.get("bus_in")) is None:
                hops.append(_appended(raw))
                continue
            inbound = parse_position(before.decode())
            came = await _at(cluster, inbound.topic, inbound.partition, inbound.offset)
            hops += [] if came is None else [_appended(came)]
            where = f"{raw.topic}/{raw.partition}/{raw.offset}"
            who = _who(readers, raw.topic)
            hops.append(Hop(step=Step.ACCEPTED, at=_moment(raw.timestamp), where=where, who=who))
    return hops


async def _set_aside(cluster: Cluster, rows: Sequence[tuple[object, ...]]) -> list[Hop]:
    hops = []
    for place, reason, state, appended_at in rows:
        position = parse_position(str(place))
        came = await _at(cluster, position.topic, position.partition, position.offset)
        if came is not None:
            hops.append(_appended(came))
        hops.append(
            Hop(
                step=Step.SET_ASIDE,
                at=cast("datetime", appended_at),
                where=str(place),
                why=f"{reason}, {state}",
            )
        )
    return hops


def _appended(raw: RawRecord) -> Hop:
    return Hop(
        step=Step.APPENDED,
        at=_moment(raw.timestamp),
        where=f"{raw.topic}/{raw.partition}/{raw.offset}",
    )


async def _at(cluster: Cluster, topic: str, partition: int, offset: int) -> RawRecord | None:
    """Read one record; None: the log does not hold it any more."""
    place = TopicPartition(topic, partition)
    begin, end = (await offsets(cluster, [place]))[place]
    if not begin <= offset < end:
        return None
    async for raw in read_between(cluster, {place: (offset, offset + 1)}):
        return raw
    return None


async def _sent(
    cluster: Cluster, record_id: RecordId, dataset: DatasetCode, kept: _Kept, readers: Readers
) -> list[Hop]:
    """Find the record in the views of its dataset: an entry's partition has one number in all."""
    views = [
        TopicPartition(topic, kept.partition)
        for topic, of_topic in readers.items()
        if topic != topics.accepted(dataset) and any(one.dataset == dataset for one in of_topic)
    ]
    accepted_ms = int((kept.accepted_at - _EPOCH) / timedelta(milliseconds=1))
    begins = await offsets_at(cluster, views, accepted_ms - _CLOCKS_MS)
    ends = await offsets(cluster, views)
    spans = {
        place: (begin, min(ends[place][1], begin + _LOOKED_THROUGH))
        for place, begin in begins.items()
        if begin < ends[place][1]
    }
    found: dict[str, Hop] = {}
    async for raw in read_between(cluster, spans):
        if raw.topic not in found and dict(raw.headers).get("ce_id") == record_id.encode():
            place = f"{raw.topic}/{raw.partition}/{raw.offset}"
            who = _who(readers, raw.topic)
            found[raw.topic] = Hop(step=Step.SENT, at=_moment(raw.timestamp), where=place, who=who)
    return list(found.values())


def _who(readers: Readers, topic: str) -> tuple[str, ...]:
    return tuple(sorted({one.consumer for one in readers.get(topic, ())}))


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
