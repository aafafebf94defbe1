"""Gathers, after the drain, what topics, fund, quarantine and consumers hold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from bus.catalogue.parties import BUS
from bus.catalogue.snapshot import Snapshot
from bus.fund.layout import layouts_of
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.verify.check import verify
from bus.wiring import Installation
from tests.chaos.audit_read import audited
from tests.chaos.consumers import CONSUMERS, Consumer, delivered, entitled, feed_of
from tests.chaos.evidence import Delivered, Evidence
from tests.chaos.history import History
from tests.chaos.laws import balances, inbound_ends, outcomes
from tests.chaos.tables_read import Tables
from tests.chaos.topics_read import TopicReader


async def collect(
    installation: Installation,
    history: History,
    taken: Mapping[Consumer, Path],
    probed: Sequence[Delivered],
) -> Evidence:
    """Gather the evidence of a run whose bus has come to rest.

    Args:
        installation: Reached past every proxy.
        history: Of the producers.
        taken: File of each consumer.
        probed: What somebody got without an agreement.
    """
    cluster = installation.cluster_as(BUS)
    snapshot = await _snapshot(cluster)
    reader = TopicReader(cluster, snapshot)
    accepted = [record async for record in reader.accepted()]
    views = [record async for record in reader.views()]
    layouts = layouts_of(snapshot.region.contracts.values(), snapshot.region.lock)
    law = await verify(cluster, installation.fund_dsn(), layouts, progress=lambda _: None)
    fund = await asyncio.to_thread(Tables(installation.fund_dsn(), reader.decoders, history).read)
    ends = await inbound_ends(cluster)
    return Evidence(
        accepted=accepted,
        views=views,
        history=fund.history,
        current=fund.current,
        held=fund.held,
        refused=fund.refused,
        quarantine=fund.quarantine,
        delivered=[
            *(one for who, path in taken.items() for one in delivered(who, path)),
            *probed,
        ],
        entitled=[entitled(who, snapshot) for who in CONSUMERS],
        law=[
            *balances(law),
            *outcomes(ends, accepted, fund.quarantine),
            *await audited(cluster, snapshot, ends),
        ],
    )


async def topics_of_consumers(installation: Installation) -> dict[Consumer, str]:
    """Tell the topic that serves each consumer."""
    snapshot = await _snapshot(installation.cluster_as(BUS))
    return {who: feed_of(snapshot, who).topic for who in CONSUMERS}


async def _snapshot(cluster: Cluster) -> Snapshot:
    async with CatalogueReader(cluster) as reader:
        await reader.read_to_end()
        snapshot = reader.snapshot()
    assert snapshot is not None
    return snapshot
