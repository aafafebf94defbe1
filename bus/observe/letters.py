"""Counting letters replaced: requests in their table, deliveries in the topics themselves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from aiokafka import TopicPartition

from bus.catalogue.region import Region
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, read_between, topic_partitions
from bus.model.identifiers import AgencyCode, RecordId
from bus.model.record import Lane, Presence, RawRecord
from bus.observe.requests import read_request_counts
from bus.requests.letters import (
    Between,
    LettersReplaced,
    Standing,
    letters_replaced,
    standing_for_letters,
)
from bus.wire.header_forms import SOURCE_PREFIX


async def read_letters(
    cluster: Cluster, fund_dsn: str, region: Region
) -> tuple[LettersReplaced, ...]:
    """Count every letter that was replaced; topics are read whole, so it takes a while.

    Args:
        cluster: Reached as a principal that may read accepted topics and views.
        fund_dsn: Of the data fund.
        region: Whose passports and agreements say what counts.

    Raises:
        Unavailable: PostgreSQL does not answer.
        KafkaError: Kafka does not.
    """
    requests = await read_request_counts(fund_dsn)
    return letters_replaced(requests, await _delivered(cluster, region))


async def _delivered(cluster: Cluster, region: Region) -> Mapping[Between, int]:
    by_topic: dict[str, list[Standing]] = defaultdict(list)
    for one in standing_for_letters(region):
        by_topic[one.topic].append(one)
    seen = set[tuple[Between, RecordId]]()
    places = [
        place
        for place in await topic_partitions(cluster, sorted(by_topic))
        if place.topic in by_topic
    ]
    spans: dict[TopicPartition, tuple[int, int]] = dict(await offsets(cluster, places))
    async for raw in read_between(cluster, spans):
        for one in by_topic[raw.topic]:
            if one.opens_ms <= raw.timestamp < one.closes_ms and (letter := letter_of(raw, one)):
                seen.add(letter)
    return Counter(between for between, _ in seen)


def letter_of(raw: RawRecord, standing: Standing) -> tuple[Between, RecordId] | None:
    """Read which letter a delivered record stands for; None for one that nobody would have written.

    That is what was loaded as history, and word that a row left a standing view.
    """
    headers = dict(raw.headers)
    is_live = headers.get("bus_lane") == Lane.LIVE.value.encode()
    if not is_live or headers.get("bus_op") == Presence.LEFT.value.encode():
        return None
    provider = headers["ce_source"].decode().removeprefix(SOURCE_PREFIX).partition(":")[0]
    between = (AgencyCode(provider), standing.consumer, standing.dataset)
    return between, RecordId(headers["ce_id"].decode())
