"""How many series the pages of a catalogue may have, one page of each role: by its size alone."""

from __future__ import annotations

from bus.catalogue.region import Region
from bus.merge import Outcome
from bus.model.record import Lane
from bus.model.verdict import FUND_REASONS, Reason
from bus.observe import series
from bus.observe.terms import Score
from bus.provision.topic_plan import topics_of
from bus.requests.state import RequestState

GROUPS_READ = ("in.", "release.", "accepted.", "quarantine.")
OF_THE_BUS = 400
"""Whatever the catalogue: processes, stages of work, duties, requests to the gateway."""
_OPEN = 2
"""Records in quarantine and the age of the oldest, by agency, dataset and reason."""
_LAG = 2
"""Records and seconds, by topic and partition."""


def series_max(region: Region, *, causes: int = 0) -> int:
    """Tell the most series that the pages of all roles have together, one page each.

    Args:
        region: Of the catalogue in force.
        causes: Agencies, datasets and reasons of which records wait in quarantine.
    """
    pairs = sum(len(region.providers_of(dataset)) for dataset in region.contracts)
    asked = sum(
        len(agreement.providers or region.providers_of(agreement.dataset))
        for agreement in region.agreements
    )
    rules = sum(
        len(version.rules)
        for contract in region.contracts.values()
        for version in contract.schema_versions
    )
    partitions = sum(
        spec.partitions
        for name, spec in topics_of(region, replication_factor=1).items()
        if name.startswith(GROUPS_READ)
    )
    return (
        # Records by lane and reason, three promises, the newest, the interval, two of requests.
        pairs * (len(Lane) + len(Reason) + len(FUND_REASONS) + 7)
        # Records held, and the age of the oldest.
        + len(region.contracts) * (_histograms() + len(Outcome) + len(Score) + 2)
        # Delivered by enforcement and by the fund, and the end.
        + len(region.agreements) * 3
        + asked * len(RequestState)
        # The end of its keys; what the gateway refuses for want of a right.
        + len(region.agencies) * (1 + 8)
        + rules
        + partitions * _LAG
        + causes * _OPEN
        + OF_THE_BUS
    )


def _histograms() -> int:
    """Count the samples of a dataset's histograms: buckets, one more, count and sum."""
    return sum(
        len(one.buckets_s) + 3 for one in series.ALL if one.buckets_s and one.labels == ("dataset",)
    )
