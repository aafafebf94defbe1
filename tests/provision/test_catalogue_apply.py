from __future__ import annotations

import re
from datetime import datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from bus.access.reconcile import read_access
from bus.catalogue.region import parse_region
from bus.catalogue.subjects import schema_entries
from bus.errors import DocumentError
from bus.kafka.administration import Administration
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.provision.catalogue_apply import CatalogueReport, Step, apply_catalogue
from bus.provision.schemas_topic import read_schemas
from bus.provision.topic_apply import read_topics
from tests.access.conftest import NOW

AGREEMENT = "agreements/portal-organisations.yaml"


async def _apply(
    documents: dict[str, bytes],
    cluster: Cluster,
    dsn: str,
    *,
    now: datetime = NOW,
    steps: list[Step] | None = None,
) -> CatalogueReport:
    told = [] if steps is None else steps
    return await apply_catalogue(
        documents, cluster=cluster, fund_dsn=dsn, now=now, progress=told.append
    )


async def test_applied_catalogue_is_in_force_whole(
    documents: dict[str, bytes], admin: Administration, admin_cluster: Cluster, fund_dsn: str
) -> None:
    steps: list[Step] = []
    report = await _apply(documents, admin_cluster, fund_dsn, steps=steps)
    assert steps == list(Step)
    assert "accepted.organisations" in read_topics(admin)
    assert {"User:region-portal", "User:bus"} <= {one.principal for one in read_access(admin)}
    entries = schema_entries(parse_region(documents))
    assert set((await read_schemas(admin_cluster)).values()) == set(entries)
    async with CatalogueReader(admin_cluster) as reader:
        await reader.read_to_end()
        assert reader.documents() == documents
        snapshot = reader.snapshot()
    assert snapshot is not None
    assert snapshot.version == report.version
    with psycopg.connect(fund_dsn) as connection:
        found = connection.execute("SELECT to_regclass('current.\"organisations\"')").fetchone()
    assert found is not None
    assert found[0] is not None


async def test_applying_twice_changes_nothing(
    documents: dict[str, bytes], admin_cluster: Cluster, fund_dsn: str
) -> None:
    first = await _apply(documents, admin_cluster, fund_dsn)
    again = await _apply(documents, admin_cluster, fund_dsn, now=NOW + timedelta(hours=1))
    assert again.is_empty
    assert again.version == first.version


async def test_changed_document_makes_the_next_version(
    documents: dict[str, bytes], admin_cluster: Cluster, fund_dsn: str
) -> None:
    first = await _apply(documents, admin_cluster, fund_dsn)
    note = f"# {uuid4()}\n".encode()
    edited = {**documents, AGREEMENT: documents[AGREEMENT] + note}
    report = await _apply(edited, admin_cluster, fund_dsn)
    assert report.version == first.version + 1
    assert report.documents == {AGREEMENT}
    assert report.access.is_empty


async def test_agreement_that_was_withdrawn_loses_its_rights_and_no_topic(
    documents: dict[str, bytes], admin: Administration, admin_cluster: Cluster, fund_dsn: str
) -> None:
    await _apply(documents, admin_cluster, fund_dsn)
    rest = {path: content for path, content in documents.items() if path != AGREEMENT}
    report = await _apply(rest, admin_cluster, fund_dsn)
    assert [(one.principal, one.name) for one in report.access.surplus] == [
        ("User:region-portal", "accepted.organisations")
    ]
    assert "accepted.organisations" in read_topics(admin)
    assert report.documents == {AGREEMENT}


async def test_agreement_ends_with_its_last_day_though_no_document_changed(
    documents: dict[str, bytes], admin_cluster: Cluster, fund_dsn: str
) -> None:
    first = await _apply(documents, admin_cluster, fund_dsn)
    after = datetime.fromisoformat("2029-01-01T00:00:00+00:00")
    report = await _apply(documents, admin_cluster, fund_dsn, now=after)
    assert {one.name for one in report.access.surplus} >= {"accepted.organisations"}
    assert report.version == first.version


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("agencies/tax-samara.yaml", b"agency:", b"agenzy:"),
        ("agreements/portal-municipalities.yaml", b"valid_to: 2028", b"valid_to: 2025"),
    ],
    ids=["unreadable", "readable and wrong"],
)
async def test_catalogue_with_a_finding_changes_nothing(
    documents: dict[str, bytes],
    admin: Administration,
    admin_cluster: Cluster,
    fund_dsn: str,
    path: str,
    old: bytes,
    new: bytes,
) -> None:
    await _apply(documents, admin_cluster, fund_dsn)
    before = read_access(admin)
    wrong = {name: content for name, content in documents.items() if name != AGREEMENT}
    assert old in wrong[path]
    wrong[path] = wrong[path].replace(old, new)
    steps: list[Step] = []
    with pytest.raises(DocumentError, match=re.escape(path)):
        await _apply(wrong, admin_cluster, fund_dsn, steps=steps)
    assert not steps
    assert read_access(admin) == before


async def test_a_key_in_force_is_revoked_and_never_removed(
    documents: dict[str, bytes], admin_cluster: Cluster, fund_dsn: str
) -> None:
    await _apply(documents, admin_cluster, fund_dsn)
    path = next(path for path in documents if path.startswith("keys/region-portal."))
    steps: list[Step] = []
    without = {name: content for name, content in documents.items() if name != path}
    with pytest.raises(DocumentError, match=re.escape(path)):
        await _apply(without, admin_cluster, fund_dsn, steps=steps)
    assert not steps
    revoked = documents[path] + b"revoked_at: 2026-05-01T00:00:00Z\n"
    report = await _apply({**documents, path: revoked}, admin_cluster, fund_dsn)
    assert report.documents == {path}


async def test_an_agreement_whose_terms_were_changed_loses_its_rights_and_stops_nothing(
    documents: dict[str, bytes], admin_cluster: Cluster, fund_dsn: str
) -> None:
    first = await _apply(documents, admin_cluster, fund_dsn)
    assert first.unapproved == ()
    renewed = documents[AGREEMENT].replace(b"valid_to: 2028", b"valid_to: 2029")
    report = await _apply({**documents, AGREEMENT: renewed}, admin_cluster, fund_dsn)
    assert {one.name for one in report.access.surplus} == {"accepted.organisations"}
    assert [one.path for one in report.unapproved] == [AGREEMENT, AGREEMENT]
    assert report.version == first.version + 1
    again = await _apply(documents, admin_cluster, fund_dsn)
    assert {one.name for one in again.access.missing} == {"accepted.organisations"}


async def test_a_decision_in_force_is_never_left_out(
    documents: dict[str, bytes], admin_cluster: Cluster, fund_dsn: str
) -> None:
    await _apply(documents, admin_cluster, fund_dsn)
    path = "decisions/portal-organisations.provider.yaml"
    without = {name: content for name, content in documents.items() if name != path}
    steps: list[Step] = []
    with pytest.raises(DocumentError, match=re.escape(path)):
        await _apply(without, admin_cluster, fund_dsn, steps=steps)
    assert not steps


async def test_contract_of_a_process_that_is_not_optimised_does_not_come_into_force(
    documents: dict[str, bytes], admin_cluster: Cluster, fund_dsn: str
) -> None:
    path = "passports/organisations-register.yaml"
    described = documents[path].replace(b"state: approved", b"state: described")
    with pytest.raises(DocumentError, match="described, not optimised"):
        await _apply({**documents, path: described}, admin_cluster, fund_dsn)


async def test_draft_contract_that_a_system_provides_does_not_come_into_force(
    documents: dict[str, bytes], admin_cluster: Cluster, fund_dsn: str
) -> None:
    path = "contracts/economy/organisation/contract.yaml"
    draft = documents[path].replace(b"status: active\ndomain", b"status: draft\ndomain")
    with pytest.raises(DocumentError, match="status draft"):
        await _apply({**documents, path: draft}, admin_cluster, fund_dsn)
