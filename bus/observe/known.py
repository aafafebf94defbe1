"""Which series exist before anything happens, so that the first happening is seen as a rise.

`increase()` of a counter that appears as 1 is 0; born at 0 it is 1. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bus.catalogue.agreement import Window
from bus.catalogue.snapshot import Snapshot, instant_ms
from bus.catalogue.views import topic_of, view_of
from bus.contracts.rules import Rule
from bus.merge import Outcome
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.record import Lane
from bus.model.verdict import FUND_REASONS, Reason, Stage
from bus.observe import series
from bus.observe.series import Duty, Leg, Series, Work
from bus.requests.state import RequestState

Labels: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One consumer of a topic, and when its agreements let it read."""

    consumer: AgencyCode
    dataset: DatasetCode
    windows: tuple[tuple[int, int], ...]
    """From, and until, excluded; milliseconds since 1970 UTC."""

    def may_read(self, now_ms: int) -> bool:
        """Tell whether an agreement of the consumer is in force, and grants the topic."""
        return any(opens_ms <= now_ms < closes_ms for opens_ms, closes_ms in self.windows)


Readers: TypeAlias = Mapping[str, tuple[Reader, ...]]
"""Topic → who reads it."""


def known_to_enforcement(snapshot: Snapshot) -> Iterator[tuple[Series, Labels]]:
    """List what enforcement may count under a catalogue: reasons by provider, rules by dataset."""
    for work in (Work.JUDGE, Work.PLAN, Work.DELIVER):
        yield series.BATCH_DURATION, (work,)
    region = snapshot.region
    for dataset, contract in region.contracts.items():
        yield series.ACCEPT_LATENCY, (dataset,)
        yield series.SOURCE_DELAY, (dataset,)
        for agency in region.providers_of(dataset):
            yield from _known_of_provided(agency, dataset)
        rules = {rule for version in contract.schema_versions for rule in _rules(version.rules)}
        for rule, severity in sorted(rules):
            yield series.VIOLATIONS, (dataset, rule, severity)
    for readers in readers_by_topic(snapshot).values():
        for reader in readers:
            yield series.DELIVERED, (reader.consumer, reader.dataset)


def _known_of_provided(agency: AgencyCode, dataset: DatasetCode) -> Iterator[tuple[Series, Labels]]:
    for counted in (series.IN_TIME, series.FIELDS_DUE, series.FIELDS_FILLED):
        yield counted, (agency, dataset)
    for lane in Lane:
        yield series.ACCEPTED, (agency, dataset, lane)
    for reason in Reason:
        if reason.stage is not Stage.FUND:
            yield series.QUARANTINED, (agency, dataset, reason)


def known_to_fund(snapshot: Snapshot) -> Iterator[tuple[Series, Labels]]:
    """List what a fund worker may count under a catalogue."""
    yield series.BATCH_DURATION, (Work.FUND,)
    yield series.HOUSEKEEPING_FAILURES, (Duty.SEND_STANDING,)
    for views in snapshot.standing.values():
        for view in views:
            for reader in readers_by_topic(snapshot).get(view.topic, ()):
                yield series.DELIVERED, (reader.consumer, reader.dataset)
    for dataset in snapshot.region.contracts:
        yield series.FUND_LATENCY, (dataset,)
        for outcome in Outcome:
            yield series.FUND_RECORDS, (dataset, outcome)


def known_to_housekeeping(snapshot: Snapshot) -> Iterator[tuple[Series, Labels]]:
    """List what the fund's housekeeping may count and measure under a catalogue."""
    for duty in Duty:
        yield series.HOUSEKEEPING_FAILURES, (duty,)
    for dataset in snapshot.region.contracts:
        yield series.HELD, (dataset,)
        for agency in snapshot.region.providers_of(dataset):
            for reason in sorted(FUND_REASONS):
                yield series.QUARANTINED, (agency, dataset, reason)
            yield series.REQUESTS_OPEN, (agency, dataset)
            yield series.REQUESTS_ESCALATED, (agency, dataset)
    for agreement in snapshot.region.agreements:
        dataset = agreement.dataset
        for agency in agreement.providers or snapshot.region.providers_of(dataset):
            for state in set(RequestState) - {RequestState.ASKED}:
                yield series.REQUESTS, (agency, agreement.consumer, dataset, state)


def known_to_quarantine(_: Snapshot) -> Iterator[tuple[Series, Labels]]:
    """List what a quarantine worker measures."""
    yield series.BATCH_DURATION, (Work.QUARANTINE,)


def known_to_probe(snapshot: Snapshot) -> Iterator[tuple[Series, Labels]]:
    """List what the probe counts; nothing where the region names no dataset to probe with."""
    if snapshot.region.probe is not None:
        for leg in Leg:
            yield series.PROBE_ROUNDTRIP, (leg,)
            yield series.PROBE_LOST, (leg,)


def readers_by_topic(snapshot: Snapshot) -> Readers:
    """Tell who reads what the bus writes, by the agreements of a catalogue."""
    region = snapshot.region
    found: dict[str, dict[tuple[AgencyCode, DatasetCode], list[Window]]] = {}
    for agreement in region.agreements:
        if not agreement.is_approved:
            continue
        view = view_of(agreement, region.contracts[agreement.dataset])
        of_topic = found.setdefault(topic_of(agreement.dataset, view), {})
        # Why together: two agreements on one topic give a consumer its records no second time.
        windows = of_topic.setdefault((agreement.consumer, agreement.dataset), [])
        windows.extend(agreement.windows)
    return {
        topic: tuple(
            Reader(consumer=consumer, dataset=dataset, windows=tuple(map(_in_ms, windows)))
            for (consumer, dataset), windows in of_topic.items()
        )
        for topic, of_topic in found.items()
    }


def _in_ms(window: Window) -> tuple[int, int]:
    return instant_ms(window.begins), instant_ms(window.ends)


def _rules(rules: Iterable[Rule]) -> Iterator[tuple[str, str]]:
    for rule in rules:
        yield rule.id, rule.severity
