"""A trace goes with its record from the source to the consumer, and its spans to the backend."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bus.client import Subscriber
from bus.client.delivered import DeliveredRecord
from bus.gateway.process import serving
from bus.observe.report import announced_targets
from bus.settings import Settings
from bus.tracing.exporting import Spans, exporting
from bus.wiring import Installation
from tests.factories import DATASET
from tests.flow import path
from tests.flow.conftest import REGION
from tests.gateway.asking import HEALTH, PROVIDER, delegated
from tests.gateway.test_publishing import body, key, publish
from tests.observe.scraping import OPENMETRICS, scrape
from tests.tracing.receiver import Backend, Received, receiving

FOREIGN = "72157215721572157215721572157215"
"""A trace id that a sender chose: digits that could be somebody's."""
CALLER = "b7ad6b7169203331"


@pytest.fixture
async def traced(installation: Installation) -> AsyncIterator[tuple[Installation, Backend]]:
    """The gateway and workers tell of every record to a backend."""
    with receiving() as backend:
        settings = Settings(
            home=installation.home, region=REGION, otlp=backend.url, traced_share=1.0
        )
        current = Installation(settings)
        await delegated(current, PROVIDER)
        environment = {"BUS_OTLP": backend.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        async with serving(current), path.supervised(current, environment=environment):
            yield current, backend


@asynccontextmanager
async def subscribed(installation: Installation, spans: Spans) -> AsyncIterator[Subscriber]:
    async with Subscriber.open(
        installation.cluster_as(HEALTH),
        system=HEALTH,
        dataset=DATASET,
        clock=lambda: datetime.now(UTC),
        from_beginning=True,
        follow=False,
        spans=spans,
    ) as subscriber:
        yield subscriber


async def complete(backend: Backend, trace_id: str, names: int) -> dict[str, Received]:
    async with asyncio.timeout(30):
        while len(backend.of(trace_id)) < names:
            await asyncio.sleep(0.1)
    return backend.of(trace_id)


async def exemplars(installation: Installation) -> dict[str, set[str]]:
    """Histogram → trace ids on all pages."""
    found = defaultdict[str, set[str]](set)
    for target in announced_targets(installation.home):
        _, page = await asyncio.to_thread(scrape, target, "/metrics", OPENMETRICS)
        _, plain = await asyncio.to_thread(scrape, target, "/metrics")
        assert b"trace_id" not in plain
        families = text_string_to_metric_families(page.decode())  # type: ignore[no-untyped-call]
        for family in families:
            for sample in family.samples:
                if sample.exemplar is not None:
                    assert set(sample.exemplar.labels) == {"trace_id"}
                    found[family.name].add(sample.exemplar.labels["trace_id"])
    return found


async def test_one_trace_leads_from_the_request_to_the_consumer(
    traced: tuple[Installation, Backend],
) -> None:
    installation, backend = traced
    mine, theirs, broken = key(), key(), key()
    shown_to_consumer = "36701305"
    receipt = await publish(installation, body(mine, oktmo=shown_to_consumer))
    own = receipt.content["records"][0]["record_id"]
    given = await publish(
        installation, body(theirs, oktmo=shown_to_consumer), traceparent=f"00-{FOREIGN}-{CALLER}-01"
    )
    assert given.status == 202
    refused = await publish(installation, body(broken, inn="6317000001"))
    aside = refused.content["records"][0]["record_id"]
    await path.settled(installation)
    received: dict[str, DeliveredRecord] = {}
    with exporting(backend.url, HEALTH) as spans:
        async with subscribed(installation, spans) as subscriber:
            async for record in subscriber:
                received[record.key] = record

    hops = await complete(backend, own, 4)
    send = next(one for name, one in hops.items() if name.startswith("send in."))
    assert (send.span_id, send.parent_id, send.service) == (own[16:], "", "bus.gateway")
    later = [one for one in hops.values() if one is not send]
    assert {one.parent_id for one in later} == {send.span_id}
    assert {one.service for one in later} == {"bus.enforce", "bus.fund", HEALTH}
    judged = next(one for one in later if one.name.startswith("process in."))
    assert judged.attributes["bus.outcome"] == "accepted"
    assert {one.attributes["bus.record_id"] for one in hops.values()} == {own}
    assert received[mine].traceparent == f"00-{own}-{own[16:]}-01"

    hops = await complete(backend, FOREIGN, 5)
    asked = hops["POST /records/{dataset}"]
    assert asked.parent_id == CALLER
    later = [one for one in hops.values() if one is not asked]
    assert {one.parent_id for one in later} == {asked.span_id}
    assert received[theirs].traceparent == f"00-{FOREIGN}-{asked.span_id}-01"

    hops = await complete(backend, aside, 2)
    judged = next(one for name, one in hops.items() if name.startswith("process in."))
    assert (judged.failed, judged.attributes["bus.outcome"]) == ("rule_violated",) * 2

    shown = await exemplars(installation)
    assert set(shown) == {"bus_accept_latency_seconds", "bus_fund_latency_seconds"}
    for trace_ids in shown.values():
        assert own in trace_ids
        assert FOREIGN not in trace_ids, "what a sender chose is on no page"
        assert aside not in trace_ids
    assert all(one.took_ns > 0 for one in backend.spans)
