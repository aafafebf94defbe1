from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bus.access.credentials import load_signing_key, private_key_file
from bus.access.keys import rotate
from bus.catalogue.documents import read_documents
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.model.identifiers import KeyId
from bus.provision import key_revocation
from bus.provision.catalogue_apply import apply_catalogue
from bus.provision.key_revocation import Revocation, revoke_key
from bus.wire import topics
from bus.wire.delivery import Delivery
from bus.wire.headers import accepted_headers
from bus.wire.signature import BatchSigner
from tests.factories import DATASET, SYSTEM, signed, unsigned
from tests.provision.conftest import REGION_FILE

FIRST, SECOND = KeyId("edu-registry.1"), KeyId("edu-registry.2")


@pytest.fixture
def home(installation_home: Path, tmp_path: Path) -> Path:
    """A copy, whose keys a test may rotate and revoke."""
    return Path(shutil.copytree(installation_home, tmp_path / "home"))


async def _accepted(cluster: Cluster, home: Path, key_id: KeyId, keys: Sequence[str]) -> None:
    """Lay accepted records into their topic, signed by a key, as enforcement writes them."""
    number = int(key_id.rpartition(".")[2])
    key = load_signing_key(private_key_file(home, SYSTEM, number))
    raws = signed([unsigned(key=one) for one in keys], BatchSigner(key_id, key.private_bytes_raw()))
    async with BatchProducer(cluster, client_id="test") as producer:
        await producer.deliver(
            [
                Delivery(
                    topic=topics.accepted(DATASET),
                    partition=0,
                    key=raw.key,
                    value=raw.value,
                    headers=accepted_headers(raw, 1),
                )
                for raw in raws
            ]
        )


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.usefixtures("emptied")  # a key that was in force may not be left out of what follows
async def test_what_a_lost_key_signed_since_then_is_found_and_doubted(
    home: Path, admin_cluster: Cluster, fund_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_revocation, "IN_FORCE_S", 0.0)
    rotate(home, SYSTEM, _now(), timedelta(days=7))
    documents = read_documents(REGION_FILE, home / "keys")
    await apply_catalogue(documents, cluster=admin_cluster, fund_dsn=fund_dsn, now=_now())
    await _accepted(admin_cluster, home, FIRST, ["before-1", "before-2"])
    await asyncio.sleep(0.05)
    since = _now()
    await asyncio.sleep(0.05)
    await _accepted(admin_cluster, home, FIRST, ["since-1", "since-2", "since-3"])
    await _accepted(admin_cluster, home, SECOND, ["other-key"])

    async def revoked(key_id: KeyId) -> Revocation:
        return await revoke_key(
            REGION_FILE, home, key_id, since, cluster=admin_cluster, fund_dsn=fund_dsn, clock=_now
        )

    # What lies on disk and is not in force yet keeps no key in force.
    (home / "decisions").mkdir(exist_ok=True)
    (home / "decisions" / "portal-organisations.consumer.yaml").write_text("neither: sound\n")
    found = await revoked(FIRST)
    assert {one.key for one in found.signed} == {"since-1", "since-2", "since-3"}
    assert found.newly_doubted == len(found.signed)
    async with CatalogueReader(admin_cluster) as reader:
        await reader.read_to_end()
        snapshot = reader.snapshot()
    assert snapshot is not None
    assert snapshot.version == found.catalogue
    assert snapshot.keys[FIRST].valid_until_ms <= since.timestamp() * 1000
    again = await revoked(FIRST)
    assert (again.signed, again.newly_doubted) == (found.signed, 0)
    assert again.catalogue == found.catalogue
