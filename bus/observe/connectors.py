"""Connectors of this host, found and read as Prometheus does: by the file and the page of each.

The bus knows no connectors: what it shows of one is what that one says of itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from http.client import HTTPException
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from bus.observe.report import CONNECTOR, announcements, fetched

KIND_LABEL: Final = "__connector_kind"
DIRECTION_LABEL: Final = "__connector_direction"
"""In the file of a page; Prometheus takes off again what begins so, and no series carries it."""

_REFUSED: Final = frozenset({"unreadable", "refused"})
_UP: Final = ("bus_connector_source_up", "bus_connector_sink_up")
_COUNTED: Final = ("bus_connector_rows_total", "bus_connector_records_total")
_LAST_STRETCH: Final = "bus_connector_last_stretch_timestamp_seconds"
_LAST_BATCH: Final = "bus_connector_last_batch_timestamp_seconds"
Samples: TypeAlias = Mapping[tuple[str, str], float]
"""Name and outcome, or "" → value, of one connector."""


@unique
class Direction(StrEnum):
    """Which way a connector carries."""

    SOURCE = "source"
    SINK = "sink"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorReport:
    """A connector now; what is counted is counted since it was started."""

    answers: bool | None
    """Whether its source or its target does; None: it was not asked yet."""
    last_success_at: datetime | None
    """When rows, or that there are none, were last taken from a source, or records by a target."""
    behind_s: float | None
    """What a source has changed since then may not be on the bus yet. None: it was not read yet, or
    it is a sink, whose target has all that there is as long as nothing new comes."""
    passed: int
    """Rows of a source that were sent or known already; records that a target took."""
    refused: int
    """Rows that can't be read, records that the target refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorStatus:
    """A connector of this host."""

    name: str
    kind: str | None
    """As `bus connector list` has it; None: it was started by a version that doesn't say so."""
    direction: Direction | None
    report: ConnectorReport | None
    """None: it was announced and does not answer."""

    @property
    def is_well(self) -> bool:
        """Whether it runs, and nothing keeps it from its work."""
        return self.report is not None and self.report.answers is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedConnector:
    """Where the page of a connector is, and what its file says."""

    name: str
    address: str
    kind: str | None
    direction: Direction | None


def announced_connectors(home: Path) -> tuple[AnnouncedConnector, ...]:
    """Find the connectors of this host that run, or that ended without saying so."""
    return tuple(
        AnnouncedConnector(
            name=one.name.removeprefix(f"{CONNECTOR}-"),
            address=one.address,
            kind=one.labels.get(KIND_LABEL),
            direction=_direction(one.labels.get(DIRECTION_LABEL)),
        )
        for one in announcements(home)
        if one.labels["role"] == CONNECTOR
    )


def connector_status(announced: AnnouncedConnector) -> ConnectorStatus:
    """Ask a connector; one that does not answer, or in whose place another does, has no report."""
    try:
        page = fetched(announced.address, "/metrics").decode()
        samples = _samples(page, announced.name)
    except (OSError, HTTPException, ValueError):
        samples = {}
    return ConnectorStatus(
        name=announced.name,
        kind=announced.kind,
        direction=announced.direction,
        report=report_of(samples, time.time()) if samples else None,
    )


def report_of(samples: Samples, now_s: float) -> ConnectorReport:
    """Read a connector's own series.

    Args:
        samples: Of its page.
        now_s: Since 1970.
    """
    stretch = samples.get((_LAST_STRETCH, ""))
    success = stretch if stretch is not None else samples.get((_LAST_BATCH, ""))
    counted = {outcome: value for (name, outcome), value in samples.items() if name in _COUNTED}
    return ConnectorReport(
        answers=next((bool(samples[name, ""]) for name in _UP if (name, "") in samples), None),
        last_success_at=None if success is None else datetime.fromtimestamp(success, UTC),
        behind_s=None if stretch is None else round(max(0.0, now_s - stretch), 1),
        passed=int(sum(value for outcome, value in counted.items() if outcome not in _REFUSED)),
        refused=int(sum(value for outcome, value in counted.items() if outcome in _REFUSED)),
    )


def _samples(page: str, connector: str) -> Samples:
    return {
        (sample.name, sample.labels.get("outcome", "")): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.labels.get("connector") == connector and "le" not in sample.labels
    }


def _direction(told: str | None) -> Direction | None:
    return next((one for one in Direction if one == told), None)
