"""The number of series follows from the catalogue's size, and fits a region of Samara's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from bus.catalogue.agreement import Consent, Standing
from bus.catalogue.documents import read_documents
from bus.catalogue.region import Region, parse_region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.gateway.counting import known_to_gateway
from bus.observe import series
from bus.observe.board import Board
from bus.observe.known import (
    Labels,
    known_to_enforcement,
    known_to_fund,
    known_to_housekeeping,
    known_to_probe,
    known_to_quarantine,
)
from bus.observe.meter import Known
from bus.observe.series import Series
from bus.observe.terms import show_terms
from bus.provision.topic_plan import topics_of
from tests.bench.invented_region import write_region
from tests.observe.budget import GROUPS_READ, series_max

AGENCIES, DATASETS, SERIES_MAX = 65, 300, 40_000
NOW = datetime(2026, 6, 1, tzinfo=UTC)
GIVEN = Consent(standing=Standing.GIVEN, on=date(2026, 1, 1))


def in_force(region: Region) -> Region:
    """Let every agreement grant, without a signature for each."""
    agreements = tuple(
        replace(one, provider_consent=GIVEN, consumer_consent=GIVEN) for one in region.agreements
    )
    return replace(region, agreements=agreements)


def known_of_positions(snapshot: Snapshot) -> Iterator[tuple[Series, Labels]]:
    """List what watches show of every partition, and enforcement of every provider's newest."""
    region = snapshot.region
    for name, spec in topics_of(region, replication_factor=1).items():
        if name.startswith(GROUPS_READ):
            for partition in range(spec.partitions):
                yield series.LAG_RECORDS, (name, str(partition))
                yield series.LAG_SECONDS, (name, str(partition))
    for dataset in region.contracts:
        for agency in region.providers_of(dataset):
            yield series.LAST_EVENT, (agency, dataset)


def counted(*known: Known, snapshot: Snapshot) -> int:
    """Count the samples of one page."""
    board = Board()
    for one in known:
        board.bear(one(snapshot))
    if known_to_housekeeping in known:
        show_terms(snapshot.region, NOW, board)
    return sum(len(metric.samples) for metric in board.registry.collect())


def test_a_region_of_65_agencies_and_300_datasets_has_fewer_series_than_a_scrape_bears(
    tmp_path: Path,
) -> None:
    root = write_region(tmp_path / "region", agencies=AGENCIES, datasets=DATASETS)
    region = in_force(parse_region(read_documents(root, None)))
    probed = replace(region, lock=complete_lock(region), probe=min(region.contracts))
    snapshot = build_snapshot(probed, 1)
    found = (
        counted(known_to_enforcement, known_of_positions, snapshot=snapshot)
        + counted(known_to_fund, known_to_housekeeping, snapshot=snapshot)
        + counted(known_to_quarantine, snapshot=snapshot)
        + counted(known_to_gateway, snapshot=snapshot)
        + counted(known_to_probe, snapshot=snapshot)
    )
    assert len(region.agencies) == AGENCIES
    assert len(region.contracts) == DATASETS
    assert found <= series_max(region)
    assert found < SERIES_MAX
    assert found > 0.9 * series_max(region), "the budget says too little"
