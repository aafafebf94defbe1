"""The metrics of one process: what the code counts, and what Prometheus reads.

Counting is safe from any thread. A histogram here takes many equal measurements at once: records
of one Kafka batch share their append time, and a call for each would slow enforcement.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from bus.model.identifiers import RecordId
from bus.observe import series
from bus.observe.known import Labels
from bus.observe.series import Kind, Series


class Board:
    """Every series of `bus.observe.series`, on a registry of its own."""

    def __init__(self) -> None:
        # Why: a `_created` series beside each counter nearly doubles a scrape, and nobody reads it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry: Final = CollectorRegistry()
        self._simple: dict[Series, Counter | Gauge] = {}
        self._untold: dict[Series, Gauge] = {}
        """Gauges without labels of which this process has said nothing yet."""
        self._histograms: dict[Series, _Histogram] = {}
        self._reached: dict[tuple[Series, Labels], float] = {}
        for one in series.ALL:
            self._add(one)
        ProcessCollector(namespace="bus", registry=self.registry)

    def _add(self, one: Series) -> None:
        match one.kind:
            case Kind.COUNTER:
                self._simple[one] = Counter(
                    one.name, one.meaning, one.labels, registry=self.registry
                )
            case Kind.GAUGE if one.labels:
                self._simple[one] = Gauge(one.name, one.meaning, one.labels, registry=self.registry)
            case Kind.GAUGE:
                # Why not registered: it would stand at 0, which reads as ill, or as 1970.
                self._simple[one] = self._untold[one] = Gauge(one.name, one.meaning, registry=None)
            case Kind.HISTOGRAM:
                self._histograms[one] = _Histogram(one)
                self.registry.register(self._histograms[one])

    def add(self, one: Series, labels: Labels, count: float = 1) -> None:
        """Count `count` happenings."""
        self._child(one, labels).inc(count)

    def reach(self, one: Series, labels: Labels, total: float) -> None:
        """Say what a counter stands at whose happenings are counted elsewhere."""
        counted = self._reached.get((one, labels), 0.0)
        self._reached[one, labels] = max(counted, total)
        self.add(one, labels, max(0.0, total - counted))

    def set(self, one: Series, labels: Labels, value: float) -> None:
        """Say what a gauge stands at; from then on it exists."""
        gauge = self._child(one, labels)
        assert isinstance(gauge, Gauge), one.name
        gauge.set(value)
        first_told = self._untold.pop(one, None)
        if first_told is not None:
            self.registry.register(first_told)

    def ask(self, one: Series, value: Callable[[], float]) -> None:
        """Let a gauge without labels be asked for whenever the page is read, by its thread."""
        self.set(one, (), value())
        gauge = self._simple[one]
        assert isinstance(gauge, Gauge), one.name
        gauge.set_function(value)

    def rise(self, one: Series, labels: Labels, value: float) -> None:
        """Say that a gauge stands at no less than `value`."""
        highest = self._reached.get((one, labels))
        if highest is None or value > highest:
            self._reached[one, labels] = value
            self.set(one, labels, value)

    def observe(
        self,
        one: Series,
        labels: Labels,
        seconds: float,
        times: int = 1,
        *,
        exemplar: RecordId | None = None,
    ) -> None:
        """Take `times` measurements of the same length.

        Args:
            one: The histogram.
            labels: Its labels.
            seconds: What was measured.
            times: How often.
            exemplar: One of the records, whose trace has its id; shown in OpenMetrics alone.
        """
        self._histograms[one].observe(labels, seconds, times, exemplar)

    def observe_each(self, one: Series, labels: Labels, seconds: Sequence[float]) -> None:
        """Take measurements of different lengths."""
        self._histograms[one].observe_each(labels, seconds)

    def bear(self, known: Iterable[tuple[Series, Labels]]) -> None:
        """Let series exist, at zero where nothing has happened yet; each has labels."""
        for one, labels in known:
            if one.kind is Kind.HISTOGRAM:
                self._histograms[one].observe(labels, 0.0, 0, None)
            else:
                self._child(one, labels)

    def replace(self, one: Series, values: Mapping[Labels, float], *, gone: float | None) -> None:
        """Say what a gauge stands at for all labels that there are now.

        Args:
            one: The gauge.
            values: By labels.
            gone: Value for labels that it had before and has no more; None: they cease to exist.
        """
        gauge = self._simple[one]
        for labels in self._labels(one):
            if labels not in values:
                if gone is None:
                    gauge.remove(*labels)
                else:
                    self.set(one, labels, gone)
        for labels, value in values.items():
            self.set(one, labels, value)

    def _labels(self, one: Series) -> list[Labels]:
        return [
            tuple(sample.labels[name] for name in one.labels)
            for metric in self._simple[one].collect()
            for sample in metric.samples
        ]

    def _child(self, one: Series, labels: Labels) -> Counter | Gauge:
        metric = self._simple[one]
        return metric.labels(*labels) if one.labels else metric


class _Histogram(Collector):
    """Measurements in buckets, many at once."""

    def __init__(self, one: Series) -> None:
        self._series = one
        self._limits = one.buckets_s
        self._names = [str(limit) for limit in self._limits] + ["+Inf"]
        self._lock = Lock()
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        self._exemplars: dict[tuple[Labels, int], Exemplar] = {}
        """The latest of each bucket."""

    def observe(
        self, labels: Labels, seconds: float, times: int, exemplar: RecordId | None
    ) -> None:
        place = bisect_left(self._limits, seconds)
        with self._lock:
            counts = self._counts.setdefault(labels, [0] * (len(self._limits) + 1))
            counts[place] += times
            self._sums[labels] = self._sums.get(labels, 0.0) + seconds * times
            if exemplar is not None:
                named: dict[str, str] = {"trace_id": exemplar}
                self._exemplars[labels, place] = Exemplar(named, seconds, time.time())

    def observe_each(self, labels: Labels, seconds: Sequence[float]) -> None:
        with self._lock:
            counts = self._counts.setdefault(labels, [0] * (len(self._limits) + 1))
            for place, times in Counts([bisect_left(self._limits, one) for one in seconds]).items():
                counts[place] += times
            self._sums[labels] = self._sums.get(labels, 0.0) + sum(seconds)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        one = self._series
        family = HistogramMetricFamily(one.name, one.meaning, labels=one.labels)
        with self._lock:
            for labels, counts in self._counts.items():
                total, buckets = 0, list[tuple[str, float] | tuple[str, float, Exemplar]]()
                for place, (name, count) in enumerate(zip(self._names, counts, strict=True)):
                    total += count
                    exemplar = self._exemplars.get((labels, place))
                    bucket = (name, float(total))
                    buckets.append(bucket if exemplar is None else (*bucket, exemplar))
                family.add_metric(labels, buckets, self._sums[labels])
        yield family
