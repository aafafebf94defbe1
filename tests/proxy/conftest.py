from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.local.certificates import ensure_certificates
from bus.local.layout import Layout
from tests.proxy import KafkaLink, KafkaLinks
from tests.proxy.engines import FakeBroker, broker_tls, serving


@pytest.fixture(scope="package")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A home that has certificates and nothing else."""
    found = Layout.of(tmp_path_factory.mktemp("proxy"))
    for folder in (found.run, found.secrets):
        folder.mkdir(parents=True)
    ensure_certificates(found, now=datetime.now(UTC))
    return found


@pytest.fixture
def pem(layout: Layout) -> Path:
    return layout.broker_pem_file


@pytest.fixture
def ca(layout: Layout) -> Path:
    return layout.ca_file


@pytest.fixture
def trust(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))


@pytest.fixture
async def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
async def link(broker: FakeBroker, pem: Path, ca: Path) -> AsyncIterator[KafkaLink]:
    """The link to the broker of the test."""
    async with (
        serving(broker.meet, broker_tls(pem)) as port,
        KafkaLinks({1: port}, pem, ca, seed=1).running() as links,
    ):
        yield links[1]
