"""The whole path on real engines: one platform per test process, workers started by each test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.access.enrol import enrol_all
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import parse_region
from bus.kafka.administration import connect_admin
from bus.local import reset, up
from bus.provision.catalogue_apply import apply_catalogue
from bus.settings import Settings
from bus.wiring import Installation
from tests.factories import ROOT

REGION = ROOT / "deploy/samara/region.yaml"


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("flow") / "home"
    up(folder)
    yield folder
    reset(folder)


@pytest.fixture
async def installation(home: Path) -> Installation:
    """The sample region in force; workers and records are the test's own."""
    current = Installation(Settings(home=home, region=REGION))
    region = parse_region(read_documents(REGION, None))
    systems = [system.code for agency in region.agencies.values() for system in agency.systems]
    now = datetime.now(UTC)
    enrol_all(home, connect_admin(current.cluster_as_admin()), [BUS, *systems], now)
    await apply_catalogue(
        read_documents(REGION, current.keys_dir),
        cluster=current.cluster_as_admin(),
        fund_dsn=current.fund_dsn(),
        now=now,
    )
    return current
