"""A letter's whole way: asked, told to the provider's systems, answered, told to the asker's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bus.catalogue.parties import BUS
from bus.client import Asker, Question, Reply
from bus.client.gateway import GatewayRefusal, GatewaySession
from bus.client.request_inbox import RequestInbox
from bus.gateway.process import serving
from bus.kafka.scan import offsets, read_between, topic_partitions
from bus.model.identifiers import DatasetCode, SystemCode
from bus.observe.letters import read_letters
from bus.requests.state import RequestState
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET, SYSTEM, VALID
from tests.flow import path
from tests.flow.command_line import bus

HEALTH = SystemCode("health-analytics")
PORTAL = SystemCode("region-portal")
TOLD_S = 40.0
"""Rounds of housekeeping are ten seconds apart."""


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def working(installation: Installation) -> AsyncIterator[Installation]:
    async with path.supervised(installation), serving(installation):
        yield installation


def question(key: str) -> Question:
    return Question(dataset=DATASET, key=key, provider=AGENCY)


async def told(installation: Installation, system: SystemCode, topic: str) -> list[dict[str, Any]]:
    """Read a topic as one of its readers."""
    cluster = installation.cluster_as(system)
    spans = await offsets(cluster, await topic_partitions(cluster, [topic]))
    return [json.loads(raw.value or b"") async for raw in read_between(cluster, spans)]


async def told_of(
    installation: Installation, system: SystemCode, topic: str, name: str
) -> dict[str, Any]:
    """Wait until a topic tells of a request."""
    async with asyncio.timeout(TOLD_S):
        while True:
            for note in await told(installation, system, topic):
                if note["id"] == name:
                    return note
            await asyncio.sleep(0.5)


async def visible(installation: Installation, system: SystemCode) -> set[str]:
    cluster = installation.cluster_as(system)
    return {place.topic for place in await topic_partitions(cluster, ["ask.", "reply."])}


async def in_fund(asker: Asker, key: str) -> Reply:
    """Ask until the fund has taken a record in; each time anew."""
    async with asyncio.timeout(path.SETTLE_TIMEOUT_S):
        while True:
            reply = await asker.ask(question(key))
            if reply.state is RequestState.ANSWERED_AUTO:
                return reply
            await asyncio.sleep(0.5)


async def test_a_request_is_answered_from_the_fund_or_by_its_provider(
    working: Installation,
) -> None:
    rows = [{**VALID, "registry_number": f"ask-{number}"} for number in range(20)]
    await path.publish(working, rows)
    await path.settled(working)
    async with Asker.open(
        working.cluster_as(HEALTH), working.gateway_as(HEALTH), clock=now
    ) as asker:
        reply = await in_fund(asker, "ask-1")
        (record,) = reply.records
        assert record.version is not None
        assert (record.version.key, record.version.version, record.version.system) == (
            "ask-1", 1, SYSTEM,
        )  # fmt: skip
        assert record.fields["full_name"] == VALID["full_name"]
        assert "director" not in record.fields
        assert record.recorded_at is not None
        # What stood then is answered as of then.
        before = replace(question("ask-1"), recorded=record.recorded_at)
        as_of = await asker.ask(before)
        assert [one.version for one in as_of.records] == [record.version]
        refused = await asker.ask(Question(dataset=DatasetCode("organisations"), key="1"))
        assert (refused.state, refused.reason) == (RequestState.REFUSED, "no_agreement")
        with pytest.raises(GatewayRefusal, match="no dataset nothing"):
            await asker.ask(Question(dataset=DatasetCode("nothing"), key="1"))
        by_hand = await _answered_by_hand(working, asker)
    await _by_people(working)
    await _told_to_both(working, by_hand)
    snapshot = await path.snapshot_of(working)
    letters = await read_letters(working.cluster_as(BUS), working.fund_dsn(), snapshot.region)
    (of_health,) = [one for one in letters if one.consumer == "health-samara"]
    assert of_health.answered == 1
    assert of_health.answered_auto >= 3
    assert of_health.total == of_health.answered + of_health.answered_auto


async def _by_people(working: Installation) -> None:
    """Ask, look into the inbox and refuse, all on the command line."""

    async def run(*arguments: str) -> tuple[int, Any]:
        code, out, err = await asyncio.to_thread(bus, working, *arguments)
        return code, json.loads(out) if out.startswith(("{", "[")) else err

    ask = ("ask", DATASET, "--as", HEALTH, "--provider", AGENCY, "--json")
    code, reply = await run(*ask, "ask-2")
    assert (code, reply["state"]) == (0, "answered_auto"), reply
    assert reply["records"][0]["values"]["registry_number"] == "ask-2"
    code, reply = await run(*ask, "nobody-knows")
    assert (code, reply["state"]) == (0, "asked"), reply
    code, inbox = await run("request", "inbox", "--as", SYSTEM, "--json")
    assert (code, [one["id"] for one in inbox]) == (0, [reply["id"]])
    refusal = ("request", "refuse", reply["id"], "--as", SYSTEM, "--json")
    code, done = await run(*refusal, "--reason", "unknown_entry")
    assert (code, done) == (0, {"id": reply["id"], "state": "refused"})
    code, reply = await run(*ask, "nobody-knows", "--request-id", reply["request_id"])
    assert (code, reply["state"], reply["reason"]) == (1, "refused", "unknown_entry")
    code, letters = await run("request", "letters", "--json")
    assert (code, letters["letters_replaced"] >= 3) == (0, True), letters


async def _answered_by_hand(working: Installation, asker: Asker) -> str:
    asked = await asker.ask(question("ask-by-hand"))
    assert asked.state is RequestState.ASKED
    waiting = asyncio.create_task(asker.look(asked, wait_s=30))
    async with GatewaySession(working.gateway_as(SYSTEM), now) as session:
        inbox = RequestInbox(session, SYSTEM)
        assert asked.id in [one["id"] for one in await inbox.waiting()]
        assert asked.id is not None
        await inbox.answer(asked.id, [{**VALID, "registry_number": "ask-by-hand"}])
    reply = await waiting
    assert (reply.state, reply.answered_by) == (RequestState.ANSWERED, SYSTEM)
    (record,) = reply.records
    assert (record.key, record.version) == ("ask-by-hand", None)
    assert "director" not in record.fields
    return asked.id


async def _told_to_both(working: Installation, name: str) -> None:
    note = await told_of(working, SYSTEM, f"ask.{AGENCY}", name)
    assert (note["kind"], note["key"]) == ("asked", "ask-by-hand")
    note = await told_of(working, HEALTH, "reply.health-samara", name)
    assert (note["kind"], note["state"]) == ("settled", "answered")
    assert "Школа" not in json.dumps(note, ensure_ascii=False)
    assert await visible(working, HEALTH) == {"reply.health-samara"}
    assert await visible(working, PORTAL) == {"ask.digital-samara", "reply.digital-samara"}
    assert await visible(working, SYSTEM) == {f"ask.{AGENCY}", f"reply.{AGENCY}"}
