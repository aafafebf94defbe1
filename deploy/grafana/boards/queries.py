"""Queries that several boards ask, each in its own choice."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Query

OF_CHOSEN: Final = 'agency=~"$agency",dataset=~"$dataset"'
_REFUSED_SHARE: Final = (
    "sum{by}(rate(bus_records_quarantined_total{of}[$__rate_interval])) / "
    "(sum{by}(rate(bus_records_quarantined_total{of}[$__rate_interval])) + "
    "sum{by}(rate(bus_records_accepted_total{of}[$__rate_interval])))"
)


def refused_share(by: str = "", of: str = "") -> str:
    """Share of what was judged that went to quarantine, for each of labels `by`."""
    grouped = f" by ({by}) " if by else ""
    return _REFUSED_SHARE.replace("{by}", grouped).replace("{of}", f"{{{of}}}" if of else "")


def quantile(share: float, histogram: str, by: str = "", of: str = "") -> str:
    """Value that `share` (0 to 1) of a histogram's observations stay below."""
    labels = f"le, {by}" if by else "le"
    chosen = f"{{{of}}}" if of else ""
    rate = f"sum by ({labels}) (rate({histogram}_bucket{chosen}[$__rate_interval]))"
    return f"histogram_quantile({share}, {rate})"


def median_and_worst(histogram: str, of: str = "", *, exemplars: bool = False) -> tuple[Query, ...]:
    """Half of a histogram's observations stay below the one line, 99 of 100 below the other."""
    return (
        Query(expr=quantile(0.5, histogram, of=of), legend="p50"),
        Query(expr=quantile(0.99, histogram, of=of), legend="p99", shows_exemplars=exemplars),
    )


def score(window: str, by: str, of: str = "") -> str:
    """Share of what was due that was kept, by score and what else."""
    chosen = f"{{{of}}}" if of else ""
    missed, due = (
        f"sum by ({by}) (sum_over_time(agency_dataset_score:bus_promise_{what}:increase5m"
        f"{chosen}[{window}]))"
        for what in ("missed", "due")
    )
    return f"1 - {missed} / {due}"
