"""The sample region in force, a worker that judges, and the registry door over TLS."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.access.enrol import enrol_all
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import parse_region
from bus.catalogue.snapshot import Snapshot
from bus.kafka.administration import connect_admin
from bus.kafka.catalogue_topic import CatalogueReader
from bus.local import reset, up
from bus.local.gateway_place import GatewayPlace, choose_gateway_place
from bus.provision.agreement_decision import approve_all
from bus.provision.catalogue_apply import apply_catalogue
from bus.settings import Settings
from bus.supervise.role import Role
from bus.wiring import Installation
from tests.factories import ROOT
from tests.flow.path import worker

START_S = 90.0
REGION = ROOT / "deploy/samara/region.yaml"


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("foreign") / "home"
    up(folder)
    yield folder
    reset(folder)


@pytest.fixture(scope="package")
def installation(home: Path) -> Iterator[Installation]:
    current = Installation(Settings(home=home, region=REGION))
    region = parse_region(read_documents(REGION, None))
    systems = [system.code for agency in region.agencies.values() for system in agency.systems]
    now = datetime.now(UTC)
    enrol_all(home, connect_admin(current.cluster_as_admin()), [BUS, *systems], now)
    approve_all(REGION, home, now)
    asyncio.run(
        apply_catalogue(
            read_documents(REGION, current.keys_dir),
            cluster=current.cluster_as_admin(),
            fund_dsn=current.fund_dsn(),
            now=now,
        )
    )
    with worker(current, Role.ENFORCE):
        yield current


@pytest.fixture(scope="package")
def snapshot(installation: Installation) -> Snapshot:
    async def read() -> Snapshot | None:
        async with CatalogueReader(installation.cluster_as(BUS)) as reader:
            await reader.read_to_end()
            return reader.snapshot()

    found = asyncio.run(read())
    assert found is not None
    return found


@pytest.fixture(scope="package")
def registry_url(installation: Installation) -> Iterator[str]:
    """The door where it really stands: in the gateway, over TLS."""
    place = choose_gateway_place(installation.home)
    with (
        (installation.home / "log" / "gateway.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", "bus.gateway.process"],
            stdin=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "BUS_HOME": str(installation.home)},
        ) as process,
    ):
        try:
            _until_it_listens(place, process)
            yield place.url
        finally:
            process.kill()


def _until_it_listens(place: GatewayPlace, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the gateway ended; see gateway.log"
        with suppress(OSError), socket.create_connection((place.host, place.port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"the gateway does not listen on {place.url} after {START_S} s")
