"""The gateway as a process, and as it answers those who may not have what they ask for."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiokafka import TopicPartition

from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.snapshot import instant_ms
from bus.client.gateway import GatewaySession
from bus.errors import DocumentError, Unavailable
from bus.gateway.fund_versions import FundVersion
from bus.gateway.opening import Openings
from bus.gateway.process import serving
from bus.kafka.scan import offsets, topic_partitions
from bus.model.identifiers import SystemCode
from bus.observe.report import ask
from bus.provision.catalogue_apply import apply_catalogue
from bus.supervise.role import Door
from bus.supervise.supervisor import Slot, Supervisor
from bus.wire.http_signature import sign_request
from bus.wire.load_page import EntryVersion, LoadName, load_cursor, load_token
from bus.wire.topics import Position
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET
from tests.flow import path
from tests.gateway.announcement import gateway_in
from tests.gateway.test_cutting import version

HEALTH = SystemCode("health-analytics")
PORTAL = SystemCode("region-portal")
AGREEMENT = "agreements/portal-municipalities.yaml"


@pytest.fixture
async def gateway(installation: Installation) -> AsyncIterator[None]:
    async with serving(installation):
        yield


def now() -> datetime:
    return datetime.now(UTC)


async def bare(
    installation: Installation, address: str, language: str = "en", **headers: str
) -> tuple[int, dict[str, Any]]:
    """Ask without the client's help."""
    door = installation.gateway_as(PORTAL)
    context = ssl.create_default_context(cafile=str(door.ca_file))
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.get(door.url + address, headers={"Accept-Language": language} | headers) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def asked(
    installation: Installation, system: SystemCode, address: str, **query: str
) -> dict[str, Any]:
    async with GatewaySession(installation.gateway_as(system), now) as session:
        content: dict[str, Any] = json.loads(await session.get(address, query, "asking"))
        return content


@pytest.mark.usefixtures("gateway")
async def test_who_does_not_sign_gets_no_record_and_words_in_his_language(
    installation: Installation,
) -> None:
    status, content = await bare(installation, f"/first-load/{DATASET}", "ru-RU")
    assert (status, content["code"]) == (401, "unsigned")
    assert "нет подписи" in content["message"]
    assert content["next_step"]
    status, content = await bare(installation, "/nothing/here")
    assert (status, content["code"], content["error_code"]) == (404, "not_served", 404)


@pytest.mark.usefixtures("gateway")
async def test_what_was_signed_for_another_gateway_opens_nothing_here(
    installation: Installation,
) -> None:
    door, address = installation.gateway_as(PORTAL), "/first-load/municipalities"
    for url, status in {door.url: 200, "https://other.example": 401}.items():
        signature = sign_request(
            "GET",
            url + address,
            key_id=door.key_id,
            private_key=door.private_key,
            created_s=int(now().timestamp()),
        )
        headers = {**signature, "Host": url.removeprefix("https://")}
        assert (await bare(installation, address, **headers))[0] == status


@pytest.mark.usefixtures("gateway")
async def test_schemas_and_health_are_told_to_everybody(installation: Installation) -> None:
    status, content = await bare(installation, "/healthz")
    assert (status, content["status"]) == (200, "ok")
    status, subjects = await bare(installation, "/subjects")
    assert status == 200
    assert f"accepted.{DATASET}-value" in subjects


@pytest.mark.usefixtures("gateway")
async def test_a_token_made_up_for_another_topic_opens_nothing(installation: Installation) -> None:
    whole = load_token(LoadName(topic=f"accepted.{DATASET}", positions=(9, 9, 9, 9)))
    with pytest.raises(DocumentError, match=r"lead to view\."):
        await asked(installation, HEALTH, f"/first-load/{DATASET}/records", token=whole)
    with pytest.raises(DocumentError, match="none that this gateway gave"):
        await asked(installation, HEALTH, f"/first-load/{DATASET}/records", token="made-up")
    for made_up in (
        {"ids": "x"},
        {"after": load_cursor(EntryVersion(agency="\0", key="", version=1))},
    ):
        with pytest.raises(DocumentError, match="none that this gateway gave"):
            await asked(
                installation, HEALTH, f"/first-load/{DATASET}/records", token=whole, **made_up
            )


@pytest.mark.usefixtures("gateway")
async def test_a_load_ends_when_its_agreement_does(installation: Installation) -> None:
    address = "/first-load/municipalities"
    with pytest.raises(DocumentError, match="no exchange agreement in force"):
        await asked(installation, HEALTH, address)
    content = await asked(installation, PORTAL, address)
    (load,) = content["loads"]
    assert (await asked(installation, PORTAL, f"{address}/records", token=load["token"]))[
        "next"
    ] is (None)
    documents = read_documents(installation.settings.region, installation.keys_dir)
    place = next(name for name in documents if name.endswith(AGREEMENT))
    ended = documents[place].replace(b"valid_to: 2028-12-31", b"valid_to: 2026-01-31")
    assert ended != documents[place]
    await apply_catalogue(
        {**documents, place: ended},
        cluster=installation.cluster_as_admin(),
        fund_dsn=installation.fund_dsn(),
        now=now(),
    )
    with pytest.raises(DocumentError, match="no exchange agreement in force"):
        await asked_again_and_again(installation, f"{address}/records", token=load["token"])


async def asked_again_and_again(installation: Installation, address: str, token: str) -> None:
    async with asyncio.timeout(30):
        while True:
            await asked(installation, PORTAL, address, token=token)
            await asyncio.sleep(0.2)


async def test_a_view_opens_with_the_first_inbound_record_of_its_first_day(
    installation: Installation,
) -> None:
    cluster, topic = installation.cluster_as(BUS), f"in.{AGENCY}.{DATASET}"
    places = await topic_partitions(cluster, [topic])
    await path.publish(installation, path.rows("before", 40))
    before = await offsets(cluster, places)
    await asyncio.sleep(0.05)
    opens_ms = instant_ms(now())
    await asyncio.sleep(0.05)
    await path.publish(installation, path.rows("after", 40))
    openings = Openings(cluster, len(places))
    is_open = await openings.of({topic}, opens_ms, instant_ms(now()))
    for place, (_, end) in before.items():
        assert end > 0
        assert not is_open(came_at(place, end - 1))
        assert is_open(came_at(place, end))
    never = await openings.of({topic}, opens_ms + 86_400_000, instant_ms(now()))
    ends = await offsets(cluster, places)
    assert not any(never(came_at(place, end - 1)) for place, (_, end) in ends.items())


def came_at(place: TopicPartition, offset: int) -> FundVersion:
    """A version whose provider's record lies there."""
    inbound = Position(topic=place.topic, partition=place.partition, offset=offset)
    return replace(version(1), inbound=inbound)


async def test_a_gateway_that_dies_is_started_again_at_the_same_address(
    installation: Installation,
) -> None:
    slot = Slot(role=Door.GATEWAY, number=0)
    supervisor = Supervisor(
        [slot],
        environment={"BUS_HOME": str(installation.home)},
        log_folder=installation.home / "log",
    )
    running = asyncio.create_task(supervisor.run())
    try:
        version = await answering(installation)
        url = installation.gateway_as(PORTAL).url
        os.kill(supervisor.processes[slot].pid, signal.SIGKILL)
        async with asyncio.timeout(30):
            while not supervisor.restarts:
                await asyncio.sleep(0.05)
        assert await answering(installation) == version
        assert installation.gateway_as(PORTAL).url == url
        report = await asyncio.to_thread(ask, gateway_in(installation.home))
        assert report is not None
        assert (report.role, report.restarts, report.catalogue) == (Door.GATEWAY, 1, version)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    assert supervisor.processes[slot].returncode == 0


async def answering(installation: Installation) -> int:
    async with asyncio.timeout(60):
        while True:
            with suppress(aiohttp.ClientError, OSError, Unavailable):
                _, content = await bare(installation, "/healthz")
                return int(content["catalogue"])
            await asyncio.sleep(0.2)
