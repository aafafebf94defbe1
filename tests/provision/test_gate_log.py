from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bus.catalogue.documents import proposed_documents
from bus.catalogue.region import parse_region
from bus.errors import DocumentError
from bus.kafka.administration import Administration
from bus.kafka.cluster import Cluster
from bus.provision.catalogue_apply import apply_catalogue
from bus.provision.contract_publish import gate_refusals
from bus.provision.gate_log import Attempt, read_refusals, record_refusals
from bus.provision.topic_apply import read_topics
from bus.wire import topics
from tests.access.conftest import NOW
from tests.provision.conftest import REGION_FILE


@pytest.fixture
def proposed(documents: dict[str, bytes]) -> dict[str, bytes]:
    """The sample region with the contract that is proposed beside it."""
    return documents | proposed_documents(REGION_FILE)


async def test_refusal_is_on_record_with_who_has_to_act(
    admin: Administration, admin_cluster: Cluster, proposed: dict[str, bytes]
) -> None:
    before = await read_refusals(admin_cluster)
    refusals = gate_refusals(parse_region(proposed))
    await record_refusals(admin_cluster, refusals, Attempt.PUBLISH)
    await record_refusals(admin_cluster, refusals, Attempt.PUBLISH)
    *earlier, last, again = await read_refusals(admin_cluster)
    assert tuple(earlier) == before
    assert (last.dataset, last.reason) == ("subsidies", "not_optimised")
    assert (last.agency, last.post) == ("social-samara", "Начальник отдела субсидий и льгот")
    assert last.attempt is Attempt.PUBLISH
    assert abs(datetime.now(UTC) - last.refused_at) < timedelta(hours=1)
    assert again.number == last.number + 1
    assert read_topics(admin)[topics.GATE].config["retention.ms"] == "-1"


async def test_catalogue_that_is_refused_changes_nothing_and_is_on_record(
    admin_cluster: Cluster, proposed: dict[str, bytes], tmp_path: Path
) -> None:
    before = await read_refusals(admin_cluster)
    with pytest.raises(DocumentError, match="To act: social-samara"):
        await apply_catalogue(
            proposed, cluster=admin_cluster, fund_dsn=f"host={tmp_path} user=nobody", now=NOW
        )
    after = await read_refusals(admin_cluster)
    assert after[: len(before)] == before
    assert [(one.attempt, one.dataset) for one in after[len(before) :]] == [
        (Attempt.APPLY, "subsidies")
    ]
