"""Sinks on the whole path, killed again and again: a table and a web service miss nothing."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from bus.client import RegistryCopy
from bus.gateway import fund_versions
from bus.gateway.process import serving
from bus.wiring import Installation
from connectors.twins.table_engine import engine
from tests.factories import ROOT
from tests.flow import path
from tests.flow.test_first_load import HEALTH, Row, publish, received, rows

SECRET = "whsec_" + "c2VjcmV0" * 4
KILLS = 2
WITHIN_S = 120


@dataclass(kw_only=True)
class Service:
    """A consumer's web service that keeps the ids it has seen, and fails now and then."""

    url: str = ""
    requests: int = 0
    taken: list[tuple[str, str, int]] = field(default_factory=list)
    """Record id, key, version; each once, in the order of their first arrival."""

    async def take(self, request: web.Request) -> web.Response:
        self.requests += 1
        records = json.loads(await request.read())["records"]
        if self.requests % 40 == 0:
            return web.Response(status=503)
        seen = {own for own, _, _ in self.taken}
        self.taken += [
            (one["record_id"], one["key"], one["version"])
            for one in records
            if one["record_id"] not in seen
        ]
        # Why behind it: what was done and not acknowledged comes again.
        return web.Response(status=500 if self.requests % 55 == 0 else 204)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    application = web.Application()
    application.router.add_post("/", made.take)
    async with TestServer(application, host="127.0.0.1") as server:
        made.url = str(server.make_url("/"))
        yield made


@pytest.fixture
def schema() -> str:
    with psycopg.connect(engine().dsn, autocommit=True) as session:
        session.execute("DROP SCHEMA IF EXISTS consumer CASCADE; CREATE SCHEMA consumer")
    return "consumer"


@pytest.fixture
async def gateway(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    monkeypatch.setattr(fund_versions, "PAGE_RECORDS_MAX", 20)
    async with serving(installation):
        yield


@pytest.mark.usefixtures("gateway")
async def test_killed_again_and_again_a_table_and_a_service_get_every_record(
    installation: Installation, service: Service, schema: str
) -> None:
    describe(installation, "copy", "postgres", {"dsn": engine().dsn, "table": f"{schema}.school"})
    describe(installation, "hook", "webhook", {"url": service.url, "secret": SECRET})
    chance = random.Random(7)
    async with path.supervised(installation):
        await publish(installation, HEALTH, rows(HEALTH, "sunk", 150))
        await publish(installation, HEALTH, rows(HEALTH, "sunk", 60, **HEALTH.change))
        await path.settled(installation)
        enough = asyncio.Event()
        publishing = asyncio.create_task(publish(installation, HEALTH, changes(enough)))
        await asyncio.gather(
            killed(installation, "copy", lambda: versions_in(schema), chance),
            killed(installation, "hook", lambda: len(service.taken), chance),
        )
        enough.set()
        await publishing
        await path.settled(installation)
        assert await ended(installation, "copy") == 0
        assert await ended(installation, "hook") == 0
    whole = [record async for record in received(installation, HEALTH, None, load=False)]
    expected = RegistryCopy(HEALTH.dataset)
    for record in whole:
        expected.apply(record)
    with psycopg.connect(engine().dsn) as session:
        query = f"SELECT key, version, record_id, places FROM {schema}.school"
        shown = set(session.execute(query).fetchall())
        versions = session.execute(f"SELECT count(*) FROM {schema}.school_versions").fetchone()
    standing = {
        (one.key, one.version, one.record_id, one.fields["places"]) for one in expected.current()
    }
    assert shown == standing
    assert versions == (len({record.record_id for record in whole}),)
    assert {own for own, _, _ in service.taken} == {record.record_id for record in whole}
    for key in {key for _, key, _ in service.taken}:
        order = [version for _, one, version in service.taken if one == key]
        assert order == sorted(order)


async def killed(
    installation: Installation, name: str, progress: Callable[[], int], chance: random.Random
) -> None:
    """Kill a connector in the middle of its work, first in the load: soon after it got on."""
    for _ in range(KILLS):
        wanted = await asyncio.to_thread(progress) + chance.randint(10, 60)
        async with asyncio.timeout(WITHIN_S), running(installation, name) as process:
            while await asyncio.to_thread(progress) < wanted:
                assert process.returncode is None, f"{name} ended by itself"
                await asyncio.sleep(0.02)
            process.kill()


def versions_in(schema: str) -> int:
    with psycopg.connect(engine().dsn) as session:
        made = session.execute("SELECT to_regclass(%s)", [f"{schema}.school_versions"]).fetchone()
        if made is None or made[0] is None:
            return 0
        found = session.execute(f"SELECT count(*) FROM {schema}.school_versions").fetchone()
    assert found is not None
    return int(found[0])


async def changes(enough: asyncio.Event) -> AsyncIterator[Row]:
    """New entries and new versions of them, some a second, all seen by the consumer."""
    number = 0
    while not enough.is_set():
        await asyncio.sleep(0.05)
        number += 1
        place = 2 * (number % 100) + 1
        yield {**HEALTH.row("live", place), "places": number}


def describe(installation: Installation, name: str, kind: str, config: dict[str, str]) -> None:
    document = {
        "connector": name,
        "sink": kind,
        "system": HEALTH.system,
        "dataset": HEALTH.dataset,
        "config": config,
    }
    folder = installation.home / "connectors"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


@asynccontextmanager
async def running(
    installation: Installation, name: str, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`bus connector run NAME` for the time of a block."""
    log = installation.home / "log" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from bus.cli.main import run; run()"),
            *("connector", "run", name, *options),
            env={**os.environ, "BUS_HOME": str(installation.home)},
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(installation: Installation, name: str) -> int:
    """Run it to the end of what there is."""
    async with asyncio.timeout(WITHIN_S), running(installation, name, "--once") as process:
        return await process.wait()
