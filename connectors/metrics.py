"""What a runner tells Prometheus; every series of connectors is declared here."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from bus.client import DeliveredBatch, PublishReport
from bus.errors import Unavailable
from connectors.sink import SinkDown, Taken
from connectors.source import Json, SourceDown

OUTCOMES: Final = ("sent", "repeated", "unreadable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One series; the label `connector` names the connector."""

    name: str
    """As it is scraped, without the suffixes of a histogram."""
    meaning: str
    labels: tuple[str, ...] = ("connector",)
    buckets_s: tuple[float, ...] = ()
    """Upper limits of a histogram's buckets."""

    @property
    def kind(self) -> str:
        """Prometheus' kind, as the name says it."""
        if self.buckets_s:
            return "histogram"
        return "counter" if self.name.endswith("_total") else "gauge"


ROWS: Final = Declared(
    name="bus_connector_rows_total",
    meaning=f"Rows of the source, by what became of them: {', '.join(OUTCOMES)}.",
    labels=("connector", "outcome"),
)
FAILED: Final = Declared(
    name="bus_connector_attempts_failed_total",
    meaning="Attempts that source, target or bus have failed.",
)
SOURCE_UP: Final = Declared(
    name="bus_connector_source_up",
    meaning="1 while the source answers, else 0; no series before it was asked.",
)
LAST_STRETCH: Final = Declared(
    name="bus_connector_last_stretch_timestamp_seconds",
    meaning="When rows, or that there are none, were last taken from the source.",
)
POSITION_KEPT: Final = Declared(
    name="bus_connector_position_kept_timestamp_seconds",
    meaning="When this run last kept a position that had moved.",
)
POLL_DURATION: Final = Declared(
    name="bus_connector_poll_duration_seconds",
    meaning="How long one reading of the source took, from the kept position to its end, sending "
    "included; change capture goes on without an end.",
    buckets_s=(0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0),
)
SLOT_RETAINED: Final = Declared(
    name="bus_connector_slot_retained_bytes",
    meaning="Log that the source keeps for change capture, looked at each minute.",
)
RECORDS: Final = Declared(
    name="bus_connector_records_total",
    meaning="Records from the bus, by what became of them in the target: taken, refused.",
    labels=("connector", "outcome"),
)
SINK_UP: Final = Declared(
    name="bus_connector_sink_up",
    meaning="1 while the target answers, else 0; no series before it was told anything.",
)
LAST_BATCH: Final = Declared(
    name="bus_connector_last_batch_timestamp_seconds",
    meaning="When the target last took records.",
)
OF_SOURCES: Final = (
    ROWS,
    FAILED,
    SOURCE_UP,
    LAST_STRETCH,
    POSITION_KEPT,
    POLL_DURATION,
    SLOT_RETAINED,
)
OF_SINKS: Final = (RECORDS, FAILED, SINK_UP, LAST_BATCH)
ALL: Final = tuple(dict.fromkeys((*OF_SOURCES, *OF_SINKS)))


class ConnectorMetrics:
    """The series of one connector; tells the terminal nothing.

    What is counted is there from the first scrape on; a gauge from when there is something to tell.
    """

    def __init__(self, registry: CollectorRegistry, connector: str) -> None:
        """Declare them."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._connector = connector
        self._gauges = _gauges(OF_SOURCES, registry)
        rows = Counter(ROWS.name, ROWS.meaning, ROWS.labels, registry=registry)
        self._rows = {outcome: rows.labels(connector, outcome) for outcome in OUTCOMES}
        failed = Counter(FAILED.name, FAILED.meaning, FAILED.labels, registry=registry)
        self._failed = failed.labels(connector)
        self._polled = Histogram(
            POLL_DURATION.name,
            POLL_DURATION.meaning,
            POLL_DURATION.labels,
            registry=registry,
            buckets=POLL_DURATION.buckets_s,
        ).labels(connector)

    def stretch(self, report: PublishReport, position: Json) -> None:  # noqa: ARG002 - see Told
        """Count rows that are durable."""
        self._rows["sent"].inc(report.sent - report.unreadable)
        self._rows["repeated"].inc(report.repeats)
        self._rows["unreadable"].inc(report.unreadable)
        self._set(SOURCE_UP, 1)
        self._set(LAST_STRETCH, time.time())

    def kept(self) -> None:
        """Note when."""
        self._set(POSITION_KEPT, time.time())

    def ended(self, took_s: float) -> None:
        """Measure how long it took."""
        self._polled.observe(took_s)

    def held(self, log_bytes: int) -> None:
        """Show how much."""
        self._set(SLOT_RETAINED, log_bytes)

    def down(self, problem: Unavailable, pause: float) -> None:  # noqa: ARG002 - see Told
        """Count an attempt that failed."""
        self._failed.inc()
        if isinstance(problem, SourceDown):
            self._set(SOURCE_UP, 0)

    def _set(self, one: Declared, value: float) -> None:
        self._gauges[one].labels(self._connector).set(value)


class SinkMetrics:
    """The series of one connector that receives; see `ConnectorMetrics`."""

    def __init__(self, registry: CollectorRegistry, connector: str) -> None:
        """Declare them."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._connector = connector
        self._gauges = _gauges(OF_SINKS, registry)
        records = Counter(RECORDS.name, RECORDS.meaning, RECORDS.labels, registry=registry)
        self._taken = records.labels(connector, "taken")
        self._refused = records.labels(connector, "refused")
        failed = Counter(FAILED.name, FAILED.meaning, FAILED.labels, registry=registry)
        self._failed = failed.labels(connector)

    def taken(self, batch: DeliveredBatch, taken: Taken) -> None:  # noqa: ARG002 - see Told
        """Count what the target has."""
        self._taken.inc(taken.records)
        self._refused.inc(taken.refused)
        self._set(SINK_UP, 1)
        self._set(LAST_BATCH, time.time())

    def down(self, problem: Unavailable, pause: float) -> None:  # noqa: ARG002 - see Told
        """Count an attempt that failed."""
        self._failed.inc()
        if isinstance(problem, SinkDown):
            self._set(SINK_UP, 0)

    def _set(self, one: Declared, value: float) -> None:
        self._gauges[one].labels(self._connector).set(value)


def _gauges(series: Iterable[Declared], registry: CollectorRegistry) -> dict[Declared, Gauge]:
    return {
        one: Gauge(one.name, one.meaning, one.labels, registry=registry)
        for one in series
        if one.kind == "gauge"
    }
