"""What the gateway counts of requests; nothing of what they hold becomes a label."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import TypeAlias

from cryptography import x509
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bus.observe.report import ask as ask_health
from bus.wiring import Installation
from tests.factories import DATASET
from tests.gateway.announcement import gateway_in
from tests.gateway.asking import HEALTH, ask, session_of
from tests.observe.scraping import OPENMETRICS, scrape

Page: TypeAlias = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
CANARY = "canary-7215"
FEED = f"/feeds/{DATASET}"


async def page_of(installation: Installation) -> tuple[Page, str]:
    """Scrape the gateway's page."""
    target = gateway_in(installation.home)
    status, body = await asyncio.to_thread(scrape, target, "/metrics", OPENMETRICS)
    assert status == 200
    families = text_string_to_metric_families(body.decode())  # type: ignore[no-untyped-call]
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }, body.decode()


def value(page: Page, name: str, **labels: str) -> float:
    return page[name, frozenset(labels.items())]


async def counts(installation: Installation) -> dict[tuple[str, str], float]:
    """Requests by endpoint and outcome, where there were any."""
    page, _ = await page_of(installation)
    return {
        (dict(labels)["endpoint"], dict(labels)["outcome"]): count
        for (name, labels), count in page.items()
        if name == "bus_gateway_requests_total" and count
    }


async def test_each_request_counts_once_by_its_name_and_outcome(served: Installation) -> None:
    target = gateway_in(served.home)
    report = await asyncio.to_thread(ask_health, target)
    assert report is not None
    assert report.is_healthy
    assert await counts(served) == {}
    huge = b'{"' + b"x" * 2_000_000
    for method, address, body, by, expected in (
        ("GET", "/healthz", None, None, 200),
        ("GET", "/subjects", None, None, 200),
        ("GET", f"/nothing/{CANARY}", None, HEALTH, 404),
        ("GET", FEED, None, None, 401),
        ("GET", FEED, None, HEALTH, 200),
        ("GET", f"/feeds/{CANARY}", None, HEALTH, 403),
        ("GET", f"{FEED}?after={CANARY}", None, HEALTH, 422),
        ("POST", "/requests", huge, HEALTH, 413),
    ):
        told = await ask(served, method, address, by=by, body=body)
        assert told.status == expected, (address, told.content)
    assert await counts(served) == {
        ("health", "ok"): 1,
        ("registry", "ok"): 1,
        ("none", "refused"): 1,
        ("readFeed", "refused"): 3,
        ("readFeed", "ok"): 1,
        ("askForData", "limited"): 1,
    }
    page, text = await page_of(served)
    refusals = {
        (dict(labels)["consumer"], dict(labels)["code"]): count
        for (name, labels), count in page.items()
        if name == "bus_gateway_refusals_total" and count
    }
    assert refusals == {("health-samara", "not_granted"): 1, ("health-samara", "unknown_token"): 1}
    assert CANARY not in text
    assert "xxxx" not in text
    host, _, port = served.gateway_as(HEALTH).url.removeprefix("https://").partition(":")
    shown = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
    ends = x509.load_pem_x509_certificate(shown.encode()).not_valid_after_utc
    told_s = value(page, "bus_gateway_certificate_expiry_timestamp_seconds")
    assert told_s == ends.timestamp()


async def test_a_stream_counts_when_it_begins_and_a_wait_is_no_part_of_an_answer(
    served: Installation,
) -> None:
    token = (await ask(served, "GET", FEED, by=HEALTH)).content["next"]
    before, _ = await page_of(served)
    told = await ask(served, "GET", f"{FEED}?after={token}&wait_s=3", by=HEALTH)
    assert told.status == 200
    after, _ = await page_of(served)
    of = "bus_gateway_request_duration_seconds"
    assert value(after, f"{of}_count", endpoint="readFeed") == 2
    took_s = value(after, f"{of}_sum", endpoint="readFeed") - value(
        before, f"{of}_sum", endpoint="readFeed"
    )
    assert took_s < 2.0, "three seconds were waited"
    async with (
        session_of(served, HEALTH) as session,
        session.get(
            served.gateway_as(HEALTH).url + FEED, headers={"Accept": "text/event-stream"}
        ) as answer,
    ):
        assert answer.status == 200
        assert (await counts(served))["readFeed", "ok"] == 3
    await asyncio.sleep(0.5)
    assert (await counts(served))["readFeed", "ok"] == 3
