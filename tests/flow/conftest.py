"""The whole path on real engines: one platform per test process, workers started by each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.access.enrol import enrol_all
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import parse_region
from bus.kafka.administration import connect_admin
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.scan import topic_partitions
from bus.local import reset, up
from bus.provision.agreement_decision import approve_all
from bus.provision.catalogue_apply import apply_catalogue
from bus.settings import Settings
from bus.wire import topics
from bus.wiring import Installation
from tests.factories import ROOT
from tests.flow.audit_bench import Bench, housekeeper

REGION = ROOT / "deploy/samara/region.yaml"


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("flow") / "home"
    up(folder)
    yield folder
    reset(folder)


@pytest.fixture(scope="package")
def enrolled(home: Path) -> Installation:
    """Every system of the sample region with its password and its key."""
    return enrolled_at(home)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A platform of the module's own, for what later tests must not meet.

    Such are decisions of a side, which no later catalogue may leave out, and erased entries.
    """
    home = tmp_path_factory.mktemp("own") / "home"
    up(home)
    yield enrolled_at(home)
    reset(home)


def enrolled_at(home: Path) -> Installation:
    """Give every system of the sample region its password and its key, and approve all."""
    current = Installation(Settings(home=home, region=REGION))
    region = parse_region(read_documents(REGION, None))
    systems = [system.code for agency in region.agencies.values() for system in agency.systems]
    admin = connect_admin(current.cluster_as_admin())
    enrol_all(home, admin, [BUS, *systems], datetime.now(UTC))
    approve_all(REGION, home, datetime.now(UTC))
    return current


@pytest.fixture
async def installation(enrolled: Installation) -> Installation:
    """The sample region in force; workers and records are the test's own."""
    await put_in_force(enrolled)
    return enrolled


async def put_in_force(enrolled: Installation) -> None:
    """Apply the sample region where anything else is in force."""
    documents = read_documents(REGION, enrolled.keys_dir)
    if await _in_force(enrolled) != documents:
        await apply_catalogue(
            documents,
            cluster=enrolled.cluster_as_admin(),
            fund_dsn=enrolled.fund_dsn(),
            now=datetime.now(UTC),
        )


async def _in_force(installation: Installation) -> Mapping[str, bytes]:
    """Documents that the catalogue names now: the test before may have changed them."""
    cluster = installation.cluster_as_admin()
    if not await topic_partitions(cluster, [topics.CATALOGUE]):
        return {}
    async with CatalogueReader(cluster) as reader:
        await reader.read_to_end()
        return dict(reader.documents())


@pytest.fixture
async def bench(installation: Installation) -> AsyncIterator[Bench]:
    """Keep house for the audit log, when it is told to."""
    async with housekeeper(installation) as made:
        yield made
