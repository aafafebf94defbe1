"""Letting topics go of records by age: not before everybody of the bus is past them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from bus.catalogue.region import Region
from bus.catalogue.snapshot import instant_ms
from bus.catalogue.sources import REGION_FILE, read_sources
from bus.contracts.yaml_document import some_of
from bus.errors import DocumentError, Unavailable
from bus.fund.past import PastReader
from bus.kafka.cluster import Cluster
from bus.kafka.scan import committed_offsets, offsets_at, topic_partitions
from bus.texts import message
from bus.wire import topics

_JUDGED: Final = ("in.", "release.")
_KEPT_BY: Final = {"accepted.": "fund", "quarantine.": "quarantine"}
"""Topics by the beginning of their names → who keeps its position in the fund's database."""


def keeps_less(in_force: Mapping[str, bytes], region: Region) -> bool:
    """Tell whether a region's topics are to keep less than those of the documents in force."""
    written = read_sources({path: in_force[path] for path in [REGION_FILE] if path in in_force})
    before = None if written.region is None else written.region.written.topics_kept_days
    after = region.topics_kept_days
    return after is not None and (before is None or after < before)


async def expect_passed(region: Region, *, cluster: Cluster, fund_dsn: str, now: datetime) -> None:
    """See that nothing unread goes where topics let go of records by age.

    Args:
        region: Whose topics keep records for a number of days.
        cluster: Reached as the administrator.
        fund_dsn: Of the data fund.
        now: Aware.

    Raises:
        DocumentError: Somebody of the bus has yet to read what would be deleted.
        Unavailable: An engine does not answer.
    """
    kept = region.topics_kept_days
    assert kept is not None, "else nothing goes"
    since_ms = instant_ms(now - timedelta(days=kept))
    try:
        places = await topic_partitions(cluster, [*_JUDGED, *_KEPT_BY])
        cuts = await offsets_at(cluster, places, since_ms)
        positions = dict(await committed_offsets(cluster, topics.ENFORCE_GROUP))
    except KafkaError as problem:
        told = message("error.provision.catalogue", topic="*", problem=repr(problem))
        raise Unavailable(told) from problem
    for consumer in _KEPT_BY.values():
        positions.update(await _kept_positions(fund_dsn, consumer))
    behind = sorted(
        f"{place.topic}/{place.partition}"
        for place, cut in cuts.items()
        if positions.get(place, 0) < cut
    )
    if behind:
        raise DocumentError(
            message("error.provision.not_passed", days=kept, places=some_of(behind))
        )


async def _kept_positions(fund_dsn: str, consumer: str) -> dict[TopicPartition, int]:
    reader = await PastReader.open(fund_dsn, {}, consumer=consumer)
    try:
        found = await reader.all_positions()
    finally:
        await reader.close()
    return {
        TopicPartition(topic, partition): offset for (topic, partition), offset in found.items()
    }
