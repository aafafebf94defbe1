"""An agreement that ends while records flow: to the moment, for the view and for its reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from bus.access.reconcile import find_drift
from bus.access.rights import rights_of
from bus.catalogue.agreement import Ending, Side
from bus.catalogue.agreement_edit import with_ending
from bus.catalogue.documents import read_documents
from bus.catalogue.region import parse_region
from bus.client import DeliveredRecord, Subscriber
from bus.client.subscription import feeds_of
from bus.errors import DocumentError
from bus.kafka.administration import connect_admin
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, read_whole, topic_partitions
from bus.model.identifiers import SystemCode
from bus.model.record import RawRecord
from bus.provision.catalogue_apply import apply_catalogue
from bus.wire import topics
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET
from tests.flow import path

READER = SystemCode("health-analytics")
DOCUMENT = "agreements/health-institutions.yaml"
PREFIX = "until-the-end"
ROWS_MAX = 3_000
EACH_S = 0.02
AHEAD_S = 15


def now() -> datetime:
    return datetime.now(UTC)


async def whole(cluster: Cluster, topic: str) -> list[RawRecord]:
    places = [one for one in await topic_partitions(cluster, [topic]) if one.topic == topic]
    ends = {place: end for place, (_, end) in (await offsets(cluster, places)).items()}
    return [record async for record in read_whole(cluster, ends)]


async def flowing(over: asyncio.Event) -> AsyncIterator[Mapping[str, object]]:
    """Give rows one by one, until it is over."""
    for row in path.rows(PREFIX, ROWS_MAX):
        if over.is_set():
            return
        await asyncio.sleep(EACH_S)
        yield row


def appended_at(record: RawRecord) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


def came_in_at(record: RawRecord, inbound: Mapping[str, datetime]) -> datetime:
    """Tell when the provider's record was appended that the bus made this one of."""
    return inbound[dict(record.headers)["bus_in"].decode()]


async def test_what_comes_in_after_the_end_is_shown_to_nobody_and_its_reader_is_told(
    installation: Installation,
) -> None:
    cluster = installation.cluster_as_admin()
    documents = read_documents(installation.settings.region, installation.keys_dir)
    (view,) = [one.topic for one in feeds_of(parse_region(documents), READER, DATASET, now())]
    before = {(one.partition, one.offset) for one in await whole(cluster, view)}
    received: dict[str, DeliveredRecord] = {}

    async def receive() -> None:
        async with Subscriber.open(
            installation.cluster_as(READER), system=READER, dataset=DATASET, clock=now
        ) as subscriber:
            async for record in subscriber:
                if record.key.startswith(PREFIX):
                    received[record.record_id] = record

    async with path.supervised(installation):
        await path.settled(installation)
        receiving = asyncio.create_task(receive())
        over = asyncio.Event()
        publishing = asyncio.create_task(path.publish(installation, flowing(over)))
        async with asyncio.timeout(60):
            while not received:
                await asyncio.sleep(0.1)
        (agreement,) = [
            one for one in parse_region(documents).agreements if one.id == "health-institutions"
        ]
        at = now().replace(microsecond=0) + timedelta(seconds=AHEAD_S)
        ending = Ending(side=Side.PROVIDER, by="Head of department", at=at)
        ended = {
            **documents,
            DOCUMENT: with_ending(ending, DOCUMENT, documents[DOCUMENT], agreement),
        }
        await apply_catalogue(ended, cluster=cluster, fund_dsn=installation.fund_dsn(), now=now())
        assert now() < at, "the machine is too slow to look at an end that is to come"
        with pytest.raises(DocumentError, match=r"health-institutions .* ended on"):
            await asyncio.wait_for(receiving, 2 * AHEAD_S)
        assert now() >= at
        await asyncio.sleep(1)
        over.set()
        await publishing
        await path.settled(installation)

    inbound = {
        f"{one.topic}/{one.partition}/{one.offset}": appended_at(one)
        for one in await whole(cluster, topics.inbound(AGENCY, DATASET))
    }
    accepted = [came_in_at(one, inbound) for one in await whole(cluster, topics.accepted(DATASET))]
    shown = [one for one in await whole(cluster, view) if (one.partition, one.offset) not in before]
    assert max(accepted) >= at, "records came in after the end"
    assert max(came_in_at(one, inbound) for one in shown) < at
    assert received.keys() <= {dict(one.headers)["ce_id"].decode() for one in shown}
    rights = rights_of(parse_region(ended), now())
    drift = await asyncio.to_thread(lambda: find_drift(connect_admin(cluster), rights))
    assert view in {entry.name for entry in drift.surplus}
