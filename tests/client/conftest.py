"""A running platform with the sample region in force, and the doors of its systems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.access.credentials import load_credentials
from bus.access.enrol import enrol_all
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import parse_region
from bus.kafka.administration import connect_admin
from bus.kafka.cluster import Cluster
from bus.local import Engines, reset, up
from bus.model.identifiers import SystemCode
from bus.provision.agreement_decision import approve_all
from bus.provision.catalogue_apply import apply_catalogue
from bus.wire.signature import BatchSigner
from tests.factories import ROOT

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
ENROLLED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A platform and the homes of its systems."""

    home: Path
    engines: Engines

    def cluster(self, system: SystemCode) -> Cluster:
        return Cluster(
            bootstrap=self.engines.kafka_bootstrap,
            ca_file=self.engines.kafka_ca_file,
            principal=system,
            password=load_credentials(self.home, system, datetime.now(UTC)).password,
        )

    @property
    def admin(self) -> Cluster:
        return Cluster(
            bootstrap=self.engines.kafka_bootstrap,
            ca_file=self.engines.kafka_ca_file,
            principal=self.engines.kafka_admin_user,
            password=self.engines.kafka_admin_password_file.read_text().strip(),
        )

    def signer(self, system: SystemCode) -> BatchSigner:
        credentials = load_credentials(self.home, system, datetime.now(UTC))
        return BatchSigner(credentials.key_id, credentials.private_key)

    @property
    def fund_dsn(self) -> str:
        password = self.engines.postgres_password_file.read_text().strip()
        return self.engines.postgres_dsn.replace("@", f":{password}@", 1)

    def documents(self) -> dict[str, bytes]:
        return read_documents(ROOT / "deploy/samara/region.yaml", self.home / "keys")

    async def apply(self, documents: dict[str, bytes]) -> None:
        await apply_catalogue(documents, cluster=self.admin, fund_dsn=self.fund_dsn, now=NOW)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A platform of this module, its topics empty."""
    home = tmp_path_factory.mktemp("doors") / "home"
    engines = up(home)
    region = parse_region(read_documents(ROOT / "deploy/samara/region.yaml", None))
    systems = [system.code for agency in region.agencies.values() for system in agency.systems]
    installation = Installation(home=home, engines=engines)
    enrol_all(home, connect_admin(installation.admin), [BUS, *systems], ENROLLED)
    approve_all(ROOT / "deploy/samara/region.yaml", home, ENROLLED)
    yield installation
    reset(home)


@pytest.fixture
async def installation(platform: Installation) -> Installation:
    """The platform with the sample region in force."""
    await platform.apply(platform.documents())
    return platform
