"""What a runner tells Prometheus; every series of connectors is declared here."""

from __future__ import annotations

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from bus.client import DeliveredBatch, PublishReport
from bus.errors import Unavailable
from connectors.sink import SinkDown, Taken
from connectors.source import Json, SourceDown

OUTCOMES: Final = ("sent", "repeated", "unreadable")


class ConnectorMetrics:
    """The series of one connector; tells the terminal nothing."""

    def __init__(self, registry: CollectorRegistry, connector: str) -> None:
        """Declare them, so that each is there from the first scrape on."""
        labels = {"connector": connector}
        rows = Counter(
            "bus_connector_rows",
            "Rows of the source, by what became of them.",
            ["connector", "outcome"],
            registry=registry,
        )
        self._rows = {outcome: rows.labels(connector, outcome) for outcome in OUTCOMES}
        self._failed = Counter(
            "bus_connector_attempts_failed",
            "Sessions that source or bus have ended.",
            ["connector"],
            registry=registry,
        ).labels(**labels)
        self._is_up = Gauge(
            "bus_connector_source_up",
            "1 while the source answers.",
            ["connector"],
            registry=registry,
        ).labels(**labels)
        self._told_at = Gauge(
            "bus_connector_last_stretch_timestamp_seconds",
            "When rows, or that there are none, were last taken from the source.",
            ["connector"],
            registry=registry,
        ).labels(**labels)

    def stretch(self, report: PublishReport, position: Json) -> None:  # noqa: ARG002 - see Told
        """Count rows that are durable."""
        self._rows["sent"].inc(report.sent - report.unreadable)
        self._rows["repeated"].inc(report.repeats)
        self._rows["unreadable"].inc(report.unreadable)
        self._is_up.set(1)
        self._told_at.set(time.time())

    def down(self, problem: Unavailable, pause: float) -> None:  # noqa: ARG002 - see Told
        """Count an attempt that failed."""
        self._failed.inc()
        if isinstance(problem, SourceDown):
            self._is_up.set(0)


class SinkMetrics:
    """The series of one connector that receives."""

    def __init__(self, registry: CollectorRegistry, connector: str) -> None:
        """Declare them, so that each is there from the first scrape on."""
        records = Counter(
            "bus_connector_records",
            "Records from the bus, by what became of them in the target.",
            ["connector", "outcome"],
            registry=registry,
        )
        self._taken = records.labels(connector, "taken")
        self._refused = records.labels(connector, "refused")
        self._failed = Counter(
            "bus_connector_attempts_failed",
            "Sessions that target or bus have ended.",
            ["connector"],
            registry=registry,
        ).labels(connector)
        self._is_up = Gauge(
            "bus_connector_sink_up",
            "1 while the target answers.",
            ["connector"],
            registry=registry,
        ).labels(connector)
        self._told_at = Gauge(
            "bus_connector_last_batch_timestamp_seconds",
            "When the target last took a batch.",
            ["connector"],
            registry=registry,
        ).labels(connector)

    def taken(self, batch: DeliveredBatch, taken: Taken) -> None:  # noqa: ARG002 - see Told
        """Count what the target has."""
        self._taken.inc(taken.records)
        self._refused.inc(taken.refused)
        self._is_up.set(1)
        self._told_at.set(time.time())

    def down(self, problem: Unavailable, pause: float) -> None:  # noqa: ARG002 - see Told
        """Count an attempt that failed."""
        self._failed.inc()
        if isinstance(problem, SinkDown):
            self._is_up.set(0)
