"""Gathering what the conservation law speaks of: topics, commits, fund, quarantine table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from typing import Final

from aiokafka import TopicPartition

from bus.catalogue.snapshot import instant_ms
from bus.fund.batch import Counters
from bus.fund.entries import tables_of
from bus.fund.layout import Layouts
from bus.fund.reader import FundReader
from bus.kafka.cluster import Cluster
from bus.kafka.scan import (
    committed_offsets,
    offsets,
    offsets_at,
    read_whole,
    topic_partitions,
)
from bus.model.record import RawRecord
from bus.postgres.queries import Queries
from bus.postgres.session import Session, connect
from bus.verify.law import (
    AcceptedLaw,
    InboundLaw,
    InboundMarks,
    QuarantineLaw,
    Verification,
    inbound_law,
)
from bus.verify.releases import Outcomes, Release, attempt_of, read_releases, release_laws
from bus.wire import topics

QUERIES: Final = Queries.load("bus.verify", "ids")


class Step(StrEnum):
    """What is being read."""

    INBOUND = "inbound"
    RELEASE = "release"
    ACCEPTED = "accepted"
    QUARANTINE = "quarantine"
    FUND = "fund"


Progress = Callable[[Step], None]


async def verify(
    cluster: Cluster,
    dsn: str,
    layouts: Layouts,
    *,
    progress: Progress,
    judged_since: datetime | None = None,
) -> Verification:
    """Check the conservation law over everything the topics still hold.

    What is in flight is left out: an inbound partition is judged up to its committed offset, an
    accepted one up to the fund's position. Reads all topics once; memory is one byte an inbound
    offset and some hundred bytes an accepted record.

    Args:
        cluster: Reached as the bus.
        dsn: Of the data fund.
        layouts: Of the catalogue in force.
        progress: Told what is being read.
        judged_since: Aware; what providers sent before is left out, for topics let go of it piece
            by piece: a record may still be there whose outcome is not. None: all is judged.

    Raises:
        Unavailable: An engine does not answer.
    """
    # Why in this order: what was committed or stored first is in the topics read after.
    committed = await committed_offsets(cluster, topics.ENFORCE_GROUP)
    reader = await FundReader.open(dsn, layouts)
    try:
        account = await reader.recount()
    finally:
        await reader.close()
    async with _session(dsn) as session:
        positions = await _quarantine_positions(session)
    progress(Step.INBOUND)
    inbound = await _judged(cluster, "in.", committed, judged_since)
    marks = await _inbound_marks(cluster, committed, inbound)
    progress(Step.RELEASE)
    release = await _judged(cluster, "release.", committed, judged_since)
    released = await read_releases(cluster, committed, release)
    progress(Step.ACCEPTED)
    bounds = await _bounds(cluster, "accepted.")
    accepted = await _read_accepted(cluster, marks, account, bounds)
    progress(Step.QUARANTINE)
    aside = await _bounds(cluster, "quarantine.")
    quarantined = await _read_quarantine(cluster, marks, positions, aside)
    outcomes = Outcomes(accepted=accepted.releases, quarantined=quarantined.releases)
    progress(Step.FUND)
    async with _session(dsn) as session:
        missing, doubled = await _compare_ids(session, layouts, accepted.ids)
        missing_aside = await _missing_in_quarantine(session, quarantined.origins)
    return Verification(
        inbound=_inbound_laws(marks, committed, inbound),
        releases=release_laws(released, outcomes, committed, release),
        accepted=_accepted_laws(accepted.records, account, bounds),
        quarantine=_quarantine_laws(quarantined.origins, missing_aside, positions, aside),
        accepted_ids=len(accepted.ids),
        lost_in_fund=missing,
        doubled_in_fund=doubled,
    )


Marks = Mapping[TopicPartition, InboundMarks]
Bounds = Mapping[TopicPartition, tuple[int, int]]
"""Partition → the log's beginning and end."""


async def _bounds(cluster: Cluster, prefix: str) -> Bounds:
    return await offsets(cluster, await topic_partitions(cluster, [prefix]))


async def _judged(
    cluster: Cluster,
    prefix: str,
    committed: Mapping[TopicPartition, int],
    since: datetime | None,
) -> Bounds:
    """Give the bounds of what is judged: as `_bounds`, but for what came before a moment."""
    bounds = await _bounds(cluster, prefix)
    if since is None:
        return bounds
    firsts = await offsets_at(cluster, bounds, instant_ms(since))
    # Why not above the commit: what has not been judged yet was not let go of in time.
    return {
        place: (max(begin, min(firsts[place], committed.get(place, 0))), end)
        for place, (begin, end) in bounds.items()
    }


async def _inbound_marks(
    cluster: Cluster, committed: Mapping[TopicPartition, int], bounds: Bounds
) -> Marks:
    marks = {
        place: InboundMarks(begin=begin, committed=committed.get(place, 0))
        for place, (begin, _) in bounds.items()
    }
    ends = {place: min(committed.get(place, 0), end) for place, (_, end) in bounds.items()}
    async for record in read_whole(cluster, ends):
        marks[TopicPartition(record.topic, record.partition)].record(record.offset)
    return marks


class _Accepted:
    """Records of accepted topics: how many each partition holds, their ids, those released."""

    def __init__(self) -> None:
        self.releases: set[Release] = set()
        self.records: Counter[TopicPartition] = Counter()
        self.ids: set[bytes] = set()


async def _read_accepted(
    cluster: Cluster, marks: Marks, account: tuple[Counters, ...], bounds: Bounds
) -> _Accepted:
    found = _Accepted()
    ends = {place: end for place, (_, end) in bounds.items()}
    positions = {TopicPartition(one.topic, one.partition): one.next_offset for one in account}
    async for record in read_whole(cluster, ends):
        partition, offset = _origin(record)
        if partition in marks:
            marks[partition].accepted(offset)
        attempt = attempt_of(record)
        if attempt:
            found.releases.add((*partition, offset, attempt))
            if partition in marks:
                marks[partition].released(offset)
        place = TopicPartition(record.topic, record.partition)
        if record.offset < positions.get(place, 0):
            found.records[place] += 1
            found.ids.add(bytes.fromhex(_text(record, "ce_id")))
    return found


async def _quarantine_positions(session: Session) -> Mapping[TopicPartition, int]:
    rows = await session.execute(QUERIES.get("quarantine_positions"))
    return {
        TopicPartition(str(topic), int(str(partition))): int(str(following))
        for topic, partition, following in await rows.fetchall()
    }


Origins = Mapping[str, set[tuple[str, int, int]]]
"""Quarantine topic → inbound places that its records name."""


class _Quarantined:
    """Records of quarantine topics: the origins that each names, and those released before."""

    def __init__(self) -> None:
        self.origins: dict[str, set[tuple[str, int, int]]] = defaultdict(set)
        self.releases: set[Release] = set()


async def _read_quarantine(
    cluster: Cluster, marks: Marks, positions: Mapping[TopicPartition, int], bounds: Bounds
) -> _Quarantined:
    found = _Quarantined()
    ends = {place: end for place, (_, end) in bounds.items()}
    async for record in read_whole(cluster, ends):
        partition, offset = _origin(record)
        if partition in marks:
            marks[partition].quarantined(offset)
        attempt = attempt_of(record)
        if attempt:
            found.releases.add((*partition, offset, attempt))
        if record.offset < positions.get(TopicPartition(record.topic, record.partition), 0):
            found.origins[record.topic].add((partition.topic, partition.partition, offset))
    return found


def _origin(record: RawRecord) -> tuple[TopicPartition, int]:
    position = topics.parse_position(_text(record, "bus_in"))
    return TopicPartition(position.topic, position.partition), position.offset


def _text(record: RawRecord, name: str) -> str:
    """Read a header that the bus wrote: the last of its name."""
    return next(value for header, value in reversed(record.headers) if header == name).decode()


@asynccontextmanager
async def _session(dsn: str) -> AsyncIterator[Session]:
    session = await connect(dsn, "bus verify")
    try:
        yield session
    finally:
        await session.close()


async def _compare_ids(session: Session, layouts: Layouts, accepted: set[bytes]) -> tuple[int, int]:
    """Count accepted ids that the fund lacks, and ids that its history has twice."""
    seen: set[bytes] = set()
    doubled = 0
    for dataset in layouts:
        statement = QUERIES.get("history", **tables_of(dataset))
        rows = await session.execute(statement, {"dataset": dataset})
        for (record_id,) in await rows.fetchall():
            key = bytes.fromhex(str(record_id))
            doubled += key in seen
            seen.add(key)
    for name in ("held", "refused"):
        rows = await session.execute(QUERIES.get(name))
        seen.update(bytes.fromhex(str(record_id)) for (record_id,) in await rows.fetchall())
    return len(accepted - seen), doubled


async def _missing_in_quarantine(session: Session, origins: Origins) -> Mapping[str, int]:
    """Count, by topic, the origins that have no row."""
    rows = await session.execute(QUERIES.get("quarantined"))
    present = set(await rows.fetchall())
    return {topic: len(named - present) for topic, named in origins.items()}


def _quarantine_laws(
    origins: Origins,
    missing: Mapping[str, int],
    positions: Mapping[TopicPartition, int],
    bounds: Bounds,
) -> tuple[QuarantineLaw, ...]:
    lags: Counter[str] = Counter()
    for place, (_, end) in bounds.items():
        lags[place.topic] += max(0, end - positions.get(place, 0))
    return tuple(
        QuarantineLaw(
            topic=topic,
            distinct=len(origins.get(topic, ())),
            missing=missing.get(topic, 0),
            lag=lags[topic],
        )
        for topic in sorted(origins.keys() | lags.keys())
    )


def _inbound_laws(
    marks: Marks, committed: Mapping[TopicPartition, int], bounds: Bounds
) -> tuple[InboundLaw, ...]:
    return tuple(
        inbound_law(
            place.topic,
            place.partition,
            found,
            committed=committed.get(place, 0),
            end=bounds[place][1],
        )
        for place, found in sorted(marks.items())
    )


def _accepted_laws(
    records: Counter[TopicPartition], account: tuple[Counters, ...], bounds: Bounds
) -> tuple[AcceptedLaw, ...]:
    """Draw up the account of every accepted partition, whether the fund has read of it or not."""
    kept = {TopicPartition(one.topic, one.partition): one for one in account}
    return tuple(
        _accepted_law(kept.get(place) or _unread(place), records, bounds)
        for place in sorted(kept.keys() | bounds.keys())
    )


def _unread(place: TopicPartition) -> Counters:
    """Give the account of a partition of which the fund has read nothing."""
    return Counters(
        topic=place.topic,
        partition=place.partition,
        first_offset=0,
        next_offset=0,
        records=0,
        history=0,
        repeats=0,
        refused=0,
        held=0,
    )


def _accepted_law(one: Counters, records: Counter[TopicPartition], bounds: Bounds) -> AcceptedLaw:
    place = TopicPartition(one.topic, one.partition)
    begin, end = bounds.get(place, (0, 0))
    return AcceptedLaw(
        topic=one.topic,
        partition=one.partition,
        position=one.next_offset,
        records=records[place],
        history=one.history,
        refused=one.refused,
        held=one.held,
        repeats=one.repeats,
        kept_records=one.records,
        is_whole=begin <= one.first_offset,
        lag=max(0, end - one.next_offset),
    )
