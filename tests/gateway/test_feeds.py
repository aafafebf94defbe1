"""Feeds over HTTP: long polls and streams of events, under the rights of each moment."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from bus.catalogue.documents import read_documents
from bus.gateway import feeding
from bus.provision.catalogue_apply import apply_catalogue
from bus.wiring import Installation
from tests.factories import DATASET
from tests.flow import path
from tests.gateway.asking import HEALTH, PROVIDER, ask, session_of
from tests.gateway.test_publishing import body, publish

FEED = f"/feeds/{DATASET}"
AGREEMENT = "agreements/health-institutions.yaml"


async def drained(served: Installation) -> tuple[list[dict[str, Any]], str]:
    """Read all that is there now."""
    records: list[dict[str, Any]] = []
    address = f"{FEED}?limit=500"
    while True:
        told = await ask(served, "GET", address, by=HEALTH)
        assert told.status == 200
        records += told.content["records"]
        if not told.content["records"]:
            return records, told.content["next"]
        address = f"{FEED}?limit=500&after={told.content['next']}"


async def events(
    session: aiohttp.ClientSession, url: str, **headers: str
) -> AsyncGenerator[dict[str, str]]:
    asked = {"Accept": "text/event-stream"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    async with session.get(url, headers=asked) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        event: dict[str, str] = {}
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                event[name] = value
            elif event:
                yield event
                event = {}


async def test_records_come_masked_by_page_by_wait_and_as_events(served: Installation) -> None:
    marks = [f"feed-{uuid.uuid4().hex[:8]}" for _ in range(4)]
    async with path.supervised(served):
        assert (await publish(served, body(*marks[:3]))).status == 202
        async with asyncio.timeout(60):
            while not set(marks[:3]) <= {one["key"] for one in (await drained(served))[0]}:
                await asyncio.sleep(0.2)
        records, token = await drained(served)
        got = [one for one in records if one["key"] in marks]
        assert sorted(one["key"] for one in got) == sorted(marks[:3])
        assert all("director" not in one["fields"] and one["fields"]["full_name"] for one in got)
        assert all(one["provenance"]["system"] == PROVIDER for one in got)

        first = (await ask(served, "GET", f"{FEED}?limit=2", by=HEALTH)).content
        assert len(first["records"]) == 2
        second = await ask(served, "GET", f"{FEED}?limit=1&after={first['next']}", by=HEALTH)
        ids = [one["record_id"] for one in (*first["records"], *second.content["records"])]
        assert len(set(ids)) == 3

        waiting = asyncio.create_task(
            ask(served, "GET", f"{FEED}?after={token}&wait_s=30", by=HEALTH)
        )
        await asyncio.sleep(0.6)
        assert not waiting.done()
        assert (await publish(served, body(marks[3]))).status == 202
        told = await asyncio.wait_for(waiting, 30)
        assert [one["key"] for one in told.content["records"]] == [marks[3]]

        async with session_of(served, HEALTH) as session, asyncio.timeout(30):
            url = served.gateway_as(HEALTH).url + FEED
            stream = events(session, url, Last_Event_ID=token)
            event = await anext(stream)
            assert event["event"] == "record"
            assert json.loads(event["data"])["key"] == marks[3]
            assert event["id"] == told.content["next"]
            await stream.aclose()


async def test_a_token_made_up_leads_nowhere(served: Installation) -> None:
    for address, code in {
        f"{FEED}?after=made-up": (422, "unknown_token"),
        f"{FEED}?wait_s=31": (400, "bad_query"),
        f"{FEED}?limit=0": (400, "bad_query"),
        f"{FEED}?limit=1&limit=2": (400, "bad_query"),
        f"{FEED}?after='%20OR%201=1": (400, "bad_query"),
        f"{FEED}?agency=x": (400, "bad_query"),
        "/feeds/nothing-of-it": (403, "not_granted"),
    }.items():
        assert (await ask(served, "GET", address, by=HEALTH)).code == code, address
    assert (await ask(served, "GET", FEED, by=PROVIDER)).code == (403, "not_granted")
    assert (await ask(served, "GET", FEED)).code == (401, "unsigned")


async def test_a_right_that_ends_ends_what_is_parked_within_a_second(served: Installation) -> None:
    _, token = await drained(served)
    waiting = asyncio.create_task(ask(served, "GET", f"{FEED}?after={token}&wait_s=30", by=HEALTH))
    async with session_of(served, HEALTH) as session:
        url = served.gateway_as(HEALTH).url + FEED
        told: list[dict[str, str]] = []

        async def listen() -> None:
            told.extend([event async for event in events(session, url, Last_Event_ID=token)])

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.5)
        documents = read_documents(served.settings.region, served.keys_dir)
        place = next(name for name in documents if name.endswith(AGREEMENT))
        ended = documents[place].replace(b"valid_to: 20", b"valid_to: 2026-01-31 # 20", 1)
        assert ended != documents[place]
        assert not waiting.done()
        await apply_catalogue(
            {**documents, place: ended},
            cluster=served.cluster_as_admin(),
            fund_dsn=served.fund_dsn(),
            now=datetime.now(UTC),
        )
        applied_s = time.monotonic()
        assert (await asyncio.wait_for(waiting, 10)).code == (403, "not_granted")
        await asyncio.wait_for(listening, 10)
        assert told[-1]["event"] == "problem"
        assert json.loads(told[-1]["data"])["code"] == "not_granted"
        assert time.monotonic() - applied_s < 6.0  # a new catalogue is noticed within 5 s


async def test_a_system_has_so_many_readers_and_no_more(
    served: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = await drained(served)
    address = f"{FEED}?after={token}&wait_s=3"
    answers = await asyncio.gather(
        *[ask(served, "GET", address, by=HEALTH) for _ in range(feeding.AT_ONCE_OF_ONE_MAX + 3)]
    )
    busy = [one for one in answers if one.status != 200]
    assert [one.code for one in busy] == [(429, "busy_for_you")] * 3
    assert all(one.headers["Retry-After"] for one in busy)
