"""Which topics a region needs and how each is set: a pure function of the region.

Data topics have one partition count, the region's, because Faust assigns topics of one count
together. They are deleted by age, never compacted: history is the point. The broker stamps each
record (LogAppendTime), for validity of keys, schemas and agreements is judged by that time.

Data are kept for ever, unless the region says for how many days (ADR-0027): longer than any backup
of the data fund that may be restored, and than workers may ever stand still. Batches are stored as
they are, uncompressed, so that the size limit is the true size and no sender's archive swells
behind it. What is told of data requests is kept in the fund's database too, so its topics let go of
it. Source: design of the bus, ADR-0004.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bus.catalogue.region import Region
from bus.catalogue.views import views_of
from bus.wire import topics

FOREVER_MS: Final = -1
INBOUND_BYTES_MAX: Final = 1024 * 1024
SET_ASIDE_BYTES_MAX: Final = 1536 * 1024
"""Of `quarantine.*` and `release.*`: an inbound batch and the headers that say why."""
OUTBOUND_BYTES_MAX: Final = 512 * 1024
"""Of `accepted.*` and `view.*`: a record of 256 KiB and its headers, or a batch of small ones."""
CONTROL_BYTES_MAX: Final = 1536 * 1024
_DAY_MS: Final = 24 * 60 * 60 * 1000
REQUESTS_KEPT_DAYS: Final = 90
"""Of `ask.*` and `reply.*`: twice as long as a provider may have time to answer."""
REPLICATION_FACTOR_MAX: Final = 3
_COMPACTED: Final = "compact"
_DELETED_BY_AGE: Final = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """How one topic is to be."""

    partitions: int
    replication_factor: int
    config: Mapping[str, str]
    """Kafka's names and values; what is not named here is to be the cluster's default."""


def replication_factor_for(brokers: int) -> int:
    """Tell how many copies a cluster of so many brokers keeps: three, or as many as there are."""
    return min(brokers, REPLICATION_FACTOR_MAX)


def topics_of(region: Region, *, replication_factor: int) -> Mapping[str, TopicSpec]:
    """Decide every topic of a region, by name, ascending.

    Args:
        region: Agreements that ended keep their views' topics: rights end, data stay.
        replication_factor: 1 to 3; with 3, a write is durable when 2 have it.
    """
    planned = dict(_control_topics(replication_factor))
    planned.update(_request_topics(region, replication_factor))
    planned.update(_position_topics(region, replication_factor))
    kept = FOREVER_MS if region.topics_kept_days is None else region.topics_kept_days * _DAY_MS
    # Why: what stands in such a view is told once, and read from the topic's begin (ADR-0026).
    whole = {topics.view(view.code) for view in views_of(region) if view.is_standing}
    for name, bytes_max in _data_topics(region):
        config = _config(
            replication_factor,
            cleanup_policy=_DELETED_BY_AGE,
            bytes_max=bytes_max,
            retention_ms=FOREVER_MS if name in whole else kept,
        )
        planned[name] = TopicSpec(
            partitions=region.partitions, replication_factor=replication_factor, config=config
        )
    return MappingProxyType({name: planned[name] for name in sorted(planned)})


def _data_topics(region: Region) -> Iterator[tuple[str, int]]:
    """Give name and largest batch of each data topic."""
    for agency in region.agencies.values():
        for dataset in agency.provides:
            yield topics.inbound(agency.code, dataset), INBOUND_BYTES_MAX
        if agency.provides:
            yield topics.quarantine(agency.code), SET_ASIDE_BYTES_MAX
            yield topics.release(agency.code), SET_ASIDE_BYTES_MAX
            yield topics.receipts(agency.code), CONTROL_BYTES_MAX
    for dataset in region.contracts:
        yield topics.accepted(dataset), OUTBOUND_BYTES_MAX
    for view in views_of(region):
        yield topics.view(view.code), OUTBOUND_BYTES_MAX


def _control_topics(replication_factor: int) -> Iterator[tuple[str, TopicSpec]]:
    for name in (topics.CATALOGUE, topics.SCHEMAS):
        config = _config(replication_factor, cleanup_policy=_COMPACTED, bytes_max=CONTROL_BYTES_MAX)
        yield name, TopicSpec(partitions=1, replication_factor=replication_factor, config=config)
    for name in (topics.REFUSALS, topics.GATE, topics.CHECKPOINTS, topics.ERASURES):
        yield name, control_log(replication_factor)
    yield topics.AUDIT, control_log(replication_factor, partitions=topics.AUDIT_PARTITIONS)


def _request_topics(region: Region, replication_factor: int) -> Iterator[tuple[str, TopicSpec]]:
    """Give the topics of whoever may have to answer, and of whoever may ask."""
    kept = control_log(replication_factor, retention_ms=REQUESTS_KEPT_DAYS * _DAY_MS)
    for agency in region.agencies.values():
        if agency.provides:
            yield topics.ask(agency.code), kept
    for agreement in region.agreements:
        yield topics.reply(agreement.consumer), kept


def _position_topics(region: Region, replication_factor: int) -> Iterator[tuple[str, TopicSpec]]:
    """Give the topics in which connectors keep how far they are: of each, its latest word."""
    config = _config(replication_factor, cleanup_policy=_COMPACTED, bytes_max=CONTROL_BYTES_MAX)
    spec = TopicSpec(partitions=1, replication_factor=replication_factor, config=config)
    for agency in region.agencies.values():
        if agency.provides:
            yield topics.positions(agency.code), spec


def control_log(
    replication_factor: int, *, partitions: int = 1, retention_ms: int = FOREVER_MS
) -> TopicSpec:
    """Decide how a topic is to be that only grows: what the bus refused, or did, and when."""
    config = _config(
        replication_factor,
        cleanup_policy=_DELETED_BY_AGE,
        bytes_max=CONTROL_BYTES_MAX,
        retention_ms=retention_ms,
    )
    return TopicSpec(partitions=partitions, replication_factor=replication_factor, config=config)


def _config(
    replication_factor: int,
    *,
    cleanup_policy: str,
    bytes_max: int,
    retention_ms: int | None = None,
) -> Mapping[str, str]:
    config = {
        "cleanup.policy": cleanup_policy,
        "compression.type": "uncompressed",
        "max.message.bytes": str(bytes_max),
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(max(1, replication_factor - 1)),
        "unclean.leader.election.enable": "false",
    }
    if retention_ms is not None:
        config["retention.ms"] = str(retention_ms)
    return MappingProxyType(config)
