"""One running platform for the tests of a folder, and its administration."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.kafka.administration import Administration, connect_admin
from bus.kafka.cluster import Cluster
from bus.local import Engines, reset, up

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="package")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    platform = tmp_path_factory.mktemp("platform") / "home"
    yield up(platform)
    reset(platform)


@pytest.fixture(scope="package")
def admin_cluster(engines: Engines) -> Cluster:
    return Cluster(
        bootstrap=engines.kafka_bootstrap,
        ca_file=engines.kafka_ca_file,
        principal=engines.kafka_admin_user,
        password=engines.kafka_admin_password_file.read_text().strip(),
    )


@pytest.fixture(scope="package")
def admin(admin_cluster: Cluster) -> Administration:
    return connect_admin(admin_cluster)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Home of one installation's secrets; the platform has its own."""
    return tmp_path / "home"
