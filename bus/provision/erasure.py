"""Erasing an entry on an administrator's word: noted first, done, and until when topics hold it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from aiokafka.errors import KafkaError
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    ConfigResource,
    ResourceType,
)

from bus.audit.note import act_note, key_mark
from bus.audit.notes import note_at
from bus.catalogue.parties import BUS
from bus.catalogue.region import Region
from bus.catalogue.views import views_of
from bus.contracts.yaml_document import some_of
from bus.errors import DocumentError, Unavailable
from bus.fund.erase import Erased, erase_entry
from bus.kafka.administration import REQUEST_TIMEOUT_S, Administration, settled
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.kafka.scan import offsets, read_whole, topic_partitions
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.postgres.session import connect
from bus.quarantine.decision import DecisionKind, Grounds, grounds_of
from bus.texts import message
from bus.wire import topics
from bus.wire.delivery import Delivery

_SLACK: Final = timedelta(days=1)
"""Brokers look every five minutes, and days end at midnight UTC."""
_DAY_MS: Final = 24 * 60 * 60 * 1000
_SETTINGS: Final = {"lock_timeout": "60s", "statement_timeout": "120s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A registry entry."""

    dataset: DatasetCode
    agency: AgencyCode
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was erased of one entry, and what remains until when."""

    dataset: DatasetCode
    agency: AgencyCode
    erased: Erased
    topics_hold_until: date
    """After this day (UTC) no topic but `kept_for_ever` holds the entry's records."""
    kept_for_ever: tuple[str, ...]
    """Topics that may hold them and let go of nothing by age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What an erasure works with."""

    admin: Administration
    """Tells how long topics keep records."""
    cluster: Cluster
    """Reached as the bus."""
    fund_dsn: str
    audit_key: bytes
    """Marks registry numbers in the audit log."""
    clock: Callable[[], datetime]


def grounds_for(by: str, second: str, because: str) -> Grounds:
    """Demand two posts and a reason.

    Raises:
        DocumentError: One of them is missing.
    """
    return grounds_of(DecisionKind.DISCARD, by=by, because=because, second=second)


async def erase(hands: Hands, region: Region, entry: Entry, grounds: Grounds) -> Erasure:
    """Erase one registry entry from fund, marts, quarantine and answers to data requests.

    Noted before; written to `control.erasures` after it is done. Where that fails, all of it is to
    be done once more.

    Args:
        hands: What it works with.
        region: In force.
        entry: Whose data are to be destroyed.
        grounds: Of `grounds_for`.

    Raises:
        DocumentError: The entry stands, or nothing of it is here.
        Unavailable: What concerns it is under way; or an engine does not answer.
    """
    if entry.dataset not in region.contracts:
        told = {"dataset": entry.dataset, "known": some_of(region.contracts)}
        raise DocumentError(message("error.audit.no_such_dataset", **told))
    erased = await _erase_noted(hands, entry, grounds)
    kept = await asyncio.to_thread(kept_days, hands.admin, region, entry)
    for_ever = tuple(topic for topic, days in kept.items() if days is None)
    longest = max((days for days in kept.values() if days is not None), default=0)
    until = hands.clock().astimezone(UTC) + timedelta(days=longest) + _SLACK
    return Erasure(
        dataset=entry.dataset,
        agency=entry.agency,
        erased=erased,
        topics_hold_until=until.date(),
        kept_for_ever=for_ever,
    )


async def _erase_noted(hands: Hands, entry: Entry, grounds: Grounds) -> Erased:
    mark = key_mark(hands.audit_key, entry.dataset, entry.key)
    note = act_note(
        "erase",
        dataset=entry.dataset,
        keys=(mark,),
        agency=entry.agency,
        by=grounds.by,
        second=grounds.second,
        because=grounds.because,
    )
    await note_at(hands.fund_dsn, [note])
    session = await connect(hands.fund_dsn, "bus erasure", _SETTINGS)
    try:
        erased = await erase_entry(session, entry.dataset, entry.agency, entry.key, grounds)
    finally:
        await session.close()
    await _put_on_log(hands, entry)
    return erased


async def _put_on_log(hands: Hands, entry: Entry) -> None:
    content = {
        "dataset": entry.dataset,
        "agency": entry.agency,
        "key": entry.key,
        "erased_at": hands.clock().astimezone(UTC).isoformat(timespec="seconds"),
    }
    value = json.dumps(content, ensure_ascii=False).encode()
    delivery = Delivery(topic=topics.ERASURES, partition=0, key=None, value=value, headers=[])
    try:
        async with BatchProducer(hands.cluster, client_id=f"{BUS}.erasure") as producer:
            await producer.deliver([delivery])
    except KafkaError as problem:
        raise Unavailable(message("error.erasure.not_logged", problem=repr(problem))) from problem


async def read_erasures(cluster: Cluster) -> tuple[Entry, ...]:
    """Read which entries were erased, each once, in the order of their first erasure.

    Raises:
        Unavailable: Kafka does not answer.
    """
    try:
        ends = await offsets(cluster, await topic_partitions(cluster, [topics.ERASURES]))
        spans = {place: end for place, (_, end) in ends.items()}
        found = [json.loads(raw.value or b"{}") async for raw in read_whole(cluster, spans)]
    except KafkaError as problem:
        raise Unavailable(message("error.erasure.log_unread", problem=repr(problem))) from problem
    entries = [
        Entry(
            dataset=DatasetCode(one["dataset"]),
            agency=AgencyCode(one["agency"]),
            key=str(one["key"]),
        )
        for one in found
    ]
    return tuple(dict.fromkeys(entries))


async def erase_again(hands: Hands, entries: Iterable[Entry], grounds: Grounds) -> int:
    """Erase what was erased before, after an older database was restored.

    Returns: How many of them held anything.

    Raises: as `erase`.
    """
    count = 0
    for entry in entries:
        try:
            erased = await _erase_noted(hands, entry, grounds)
        except DocumentError as problem:
            raise DocumentError(
                message("error.erasure.again", dataset=entry.dataset, problem=problem.message)
            ) from problem
        count += erased != Erased(versions=0, set_aside=0, answers=0)
    return count


def kept_days(admin: Administration, region: Region, entry: Entry) -> Mapping[str, int | None]:
    """Ask the cluster how long topics that may hold an entry keep a record, as they are set now.

    A record lives as long as its segment, which is deleted whole: time of keeping and the longest
    time of a segment together. A view that no agreement leads to any more stands in no document, so
    it may be of any dataset.

    Returns: Topic → days, rounded up; None: for ever.

    Raises:
        Unavailable: Kafka does not answer.
    """
    there = admin.client.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    of_views = {topics.view(view.code): view.dataset for view in views_of(region)}
    own = {
        topics.inbound(entry.agency, entry.dataset),
        topics.accepted(entry.dataset),
        topics.quarantine(entry.agency),
        topics.release(entry.agency),
        topics.ask(entry.agency),
    }
    wanted = [
        ConfigResource(ResourceType.TOPIC, name)
        for name in there
        if name in own
        or (name.startswith("view.") and of_views.get(name, entry.dataset) == entry.dataset)
    ]
    if not wanted:
        return {}
    answers = admin.client.describe_configs(wanted, request_timeout=REQUEST_TIMEOUT_S)
    found: dict[str, int | None] = {}
    for resource, answer in answers.items():
        config = settled(answer, message("doing.erasure.topics"))
        retention_ms = int(config["retention.ms"].value or -1)
        segment_ms = int(config["segment.ms"].value or 0)
        days = -(-(retention_ms + segment_ms) // _DAY_MS)
        found[resource.name] = None if retention_ms < 0 else days
    return dict(sorted(found.items()))
