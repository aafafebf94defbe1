"""What the data fund has for a system at one moment: what stands, and whether a copy is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bus.client.delivered import DeliveredRecord
from bus.client.faults import translated
from bus.client.feeds import Feeds
from bus.client.first_load import LoadReader
from bus.client.gateway import Gateway, GatewaySession
from bus.client.registry_copy import CopiedEntry, RegistryCopy
from bus.errors import DocumentError
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.cluster import Cluster
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.texts import message

MISSING_SHOWN_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCheck:
    """A copy held against the data fund, under the same mask and filter."""

    records: int
    """That the fund has for this system."""
    missing_count: int
    """Of them, those that the copy has not; zero where the copy is whole."""
    missing: tuple[tuple[AgencyCode, str, int], ...]
    """Agency, key and version of the first hundred."""


@asynccontextmanager
async def snapshot(
    cluster: Cluster, gateway: Gateway, *, dataset: DatasetCode, clock: Callable[[], datetime]
) -> AsyncIterator[AsyncIterator[CopiedEntry]]:
    """Read every registry entry as it stands now, under the system's mask and filter.

    One entry at a time is kept in memory, with its whole history. Where several views serve the
    system, an entry comes once for each.

    Args:
        cluster: Reached as the system, for the catalogue.
        gateway: Reached as the same system.
        dataset: What to read.
        clock: Gives the present, aware UTC.

    Raises:
        DocumentError: No agreement in force, or one that is served by a standing view.
        Unavailable: Kafka or the gateway does not answer.
        InvariantBroken: A record is not genuine.

    Example:
        async with snapshot(cluster, gateway, dataset=dataset, clock=clock) as entries:
            async for entry in entries: ...
    """
    async with _versions(cluster, gateway, dataset, clock, with_held_groups=False) as versions:
        yield _entries(versions, dataset)


async def verify_copy(
    copy: RegistryCopy, cluster: Cluster, gateway: Gateway, *, clock: Callable[[], datetime]
) -> CopyCheck:
    """Tell whether a copy has every record that the data fund has now for this system.

    A copy that is read on may be ahead of the fund and is not blamed for it; one that lags lacks
    what it has not read yet: read to the end, then check again.

    Args:
        copy: Of one dataset.
        cluster: Reached as the system, for the catalogue.
        gateway: Reached as the same system.
        clock: Gives the present, aware UTC.

    Raises: as `snapshot`.
    """
    records, missing = 0, list[tuple[AgencyCode, str, int]]()
    missing_count = 0
    async with _versions(cluster, gateway, copy.dataset, clock, with_held_groups=True) as versions:
        async for record in versions:
            records += 1
            if not copy.has(record):
                missing_count += 1
                if len(missing) < MISSING_SHOWN_MAX:
                    missing.append((record.agency, record.key, record.version))
    return CopyCheck(records=records, missing_count=missing_count, missing=tuple(missing))


@asynccontextmanager
async def _versions(
    cluster: Cluster,
    gateway: Gateway,
    dataset: DatasetCode,
    clock: Callable[[], datetime],
    *,
    with_held_groups: bool,
) -> AsyncIterator[AsyncIterator[DeliveredRecord]]:
    """Read every version of a load that is begun now, entry by entry.

    Members of groups that the fund holds come apart, as their entries do: none of them stands.
    """
    catalogue = CatalogueFollower(cluster)
    with translated(message("doing.client.catalogue", system=gateway.system)):
        await catalogue.start()
    try:
        feeds = Feeds(catalogue, gateway.system, dataset, clock)
        _refuse_standing(feeds)
        async with GatewaySession(gateway, clock) as session:
            yield _paged(LoadReader(session, feeds), with_held_groups=with_held_groups)
    finally:
        await catalogue.stop()


def _refuse_standing(feeds: Feeds) -> None:
    """See that every topic can be loaded: of a standing view the fund has no versions to give.

    Raises:
        DocumentError: One is a standing view.
    """
    for topic in feeds.topics:
        view = feeds.feed(topic).view
        if view is not None and view.is_standing:
            raise DocumentError(
                message("error.client.standing_view", doing=feeds.doing, topic=topic)
            )


async def _paged(reader: LoadReader, *, with_held_groups: bool) -> AsyncIterator[DeliveredRecord]:
    for load in await reader.begin():
        after, is_done = None, False
        while not is_done:
            records, after = await reader.page(load, after)
            is_done = after is None
            for record in records:
                if with_held_groups or not load.is_apart(record.record_id):
                    yield record


async def _entries(
    versions: AsyncIterator[DeliveredRecord], dataset: DatasetCode
) -> AsyncIterator[CopiedEntry]:
    """Merge versions, which come entry by entry."""
    copy = RegistryCopy(dataset)
    async for record in versions:
        for name in copy:
            if name != (record.agency, record.key):
                finished, copy = copy.entry(*name), RegistryCopy(dataset)
                if finished is not None and finished.current is not None:
                    yield finished
        copy.apply(record)
    for name in copy:
        finished = copy.entry(*name)
        if finished is not None and finished.current is not None:
            yield finished
