"""The platform of `tests/access`, and the sample region's documents with keys of its systems."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.access.enrol import enrol_all
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import parse_region
from bus.kafka.administration import Administration
from bus.local import Engines
from bus.provision.agreement_decision import approve_all
from bus.provision.topic_apply import read_topics
from tests.access.conftest import NOW, admin, admin_cluster, engines

__all__ = ["admin", "admin_cluster", "engines"]

REGION_FILE = Path(__file__).parents[2] / "deploy" / "samara" / "region.yaml"


@pytest.fixture
def emptied(admin: Administration) -> Iterator[None]:
    """Find no topic and leave none behind."""
    _empty(admin)
    yield
    _empty(admin)


def _empty(admin: Administration) -> None:
    """Delete every topic; that takes effect after its answer."""
    if left := sorted(read_topics(admin)):
        for answer in admin.client.delete_topics(left).values():
            answer.result(10)
    deadline = time.monotonic() + 10
    while admin.client.list_topics(timeout=10).topics.keys() - {"__consumer_offsets"}:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="package")
def fund_dsn(engines: Engines) -> str:
    password = engines.postgres_password_file.read_text().strip()
    return engines.postgres_dsn.replace("@", f":{password}@", 1)


@pytest.fixture(scope="package")
def installation_home(admin: Administration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("installation")
    region = parse_region(read_documents(REGION_FILE, None))
    systems = [system.code for agency in region.agencies.values() for system in agency.systems]
    enrol_all(home, admin, [BUS, *systems], NOW)
    approve_all(REGION_FILE, home, NOW)
    return home


@pytest.fixture(scope="package")
def documents(installation_home: Path) -> dict[str, bytes]:
    return read_documents(REGION_FILE, installation_home / "keys")
