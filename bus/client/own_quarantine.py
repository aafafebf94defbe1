"""A provider's own records in quarantine, told from its own topics: no database is asked.

`quarantine.<agency>` says what enforcement set aside, `receipts.<agency>` what the fund refused
and what became of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bus.client.faults import translated
from bus.errors import DocumentError
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, read_whole, topic_partitions
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.verdict import Reason, Severity
from bus.quarantine.entry import QuarantineEntry, QuarantineState
from bus.quarantine.reading import parse_entry
from bus.quarantine.receipt import Receipt, parse_receipt
from bus.texts import message
from bus.wire import topics

UNDECIDED: Final = QuarantineState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEntry:
    """One of the provider's records that was set aside, and what became of it."""

    quarantine_id: str
    dataset: DatasetCode
    reason: Reason
    path: str
    rules: tuple[str, ...]
    record_id: RecordId | None
    attempt: int
    state: QuarantineState
    because: str | None
    """Of a release or discard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCause:
    """Own records in one state for one cause."""

    dataset: DatasetCode
    reason: Reason
    path: str
    rules: tuple[str, ...]
    state: QuarantineState
    because: str | None
    count: int
    example: str
    """Quarantine id of the newest."""


class OwnQuarantine:
    """Takes in records of both topics in any order; what it tells depends on neither."""

    def __init__(self) -> None:
        self._set_aside: dict[str, OwnEntry] = {}
        self._receipts: dict[str, Receipt] = {}

    def set_aside(self, entry: QuarantineEntry) -> None:
        """Take in a record of the quarantine topic."""
        known = self._set_aside.get(entry.id)
        if known is None or entry.attempt > known.attempt:
            self._set_aside[entry.id] = OwnEntry(
                quarantine_id=entry.id,
                dataset=entry.dataset,
                reason=entry.reason,
                path=entry.path,
                rules=tuple(
                    one.rule for one in entry.violations if one.severity is Severity.QUARANTINE
                ),
                record_id=entry.record_id,
                attempt=entry.attempt,
                state=UNDECIDED,
                because=None,
            )

    def received(self, receipt: Receipt) -> None:
        """Take in a receipt; those of one entry in the order of the topic."""
        self._receipts[receipt.quarantine_id] = receipt

    def entries(self) -> list[OwnEntry]:
        """Tell every entry, by quarantine id."""
        told = {name: _told(receipt) for name, receipt in self._receipts.items()}
        for name, entry in self._set_aside.items():
            if name not in told or _is_newer(entry, told[name]):
                told[name] = entry
        return [told[name] for name in sorted(told)]


def _is_newer(entry: OwnEntry, told: OwnEntry) -> bool:
    """Tell whether a finding of enforcement is later than a receipt: a release that failed."""
    if told.state is QuarantineState.RELEASED:
        return entry.attempt >= told.attempt
    return entry.attempt > told.attempt


def _told(receipt: Receipt) -> OwnEntry:
    return OwnEntry(
        quarantine_id=receipt.quarantine_id,
        dataset=receipt.dataset,
        reason=receipt.reason,
        path=receipt.path,
        rules=receipt.rules,
        record_id=receipt.record_id,
        attempt=receipt.attempt,
        state=receipt.state,
        because=receipt.because,
    )


def by_cause(entries: Iterable[OwnEntry]) -> list[OwnCause]:
    """Group entries that one mending may cure, the most frequent first."""
    counts: Counter[tuple[object, ...]] = Counter()
    newest: dict[tuple[object, ...], OwnEntry] = {}
    for entry in entries:
        cause = (
            entry.dataset,
            entry.reason,
            entry.path,
            entry.rules,
            entry.state,
            entry.because,
        )
        counts[cause] += 1
        newest[cause] = entry
    return [
        OwnCause(
            dataset=newest[cause].dataset,
            reason=newest[cause].reason,
            path=newest[cause].path,
            rules=newest[cause].rules,
            state=newest[cause].state,
            because=newest[cause].because,
            count=count,
            example=newest[cause].quarantine_id,
        )
        for cause, count in counts.most_common()
    ]


async def read_own_quarantine(cluster: Cluster, system: SystemCode) -> list[OwnEntry]:
    """Read both topics of a system's agency whole, with the system's own credentials.

    Raises:
        DocumentError: The system belongs to no agency that provides anything.
        Unavailable: Kafka does not answer.
    """
    agency = await _agency_of(cluster, system)
    found = OwnQuarantine()
    wanted = {topics.quarantine(agency), topics.receipts(agency)}
    with translated(message("doing.client.quarantine", agency=agency, system=system)):
        partitions = [
            place
            for place in await topic_partitions(cluster, sorted(wanted))
            if place.topic in wanted
        ]
        ends = {place: end for place, (_, end) in (await offsets(cluster, partitions)).items()}
        async for raw in read_whole(cluster, ends):
            if raw.topic == topics.quarantine(agency):
                found.set_aside(parse_entry(raw))
            else:
                found.received(parse_receipt(raw))
    return found.entries()


async def _agency_of(cluster: Cluster, system: SystemCode) -> AgencyCode:
    with translated(message("doing.client.catalogue", system=system)):
        async with CatalogueReader(cluster) as reader:
            await reader.read_to_end()
            snapshot = reader.snapshot()
    agencies = {} if snapshot is None else snapshot.region.agencies
    for agency in agencies.values():
        if agency.provides and any(one.code == system for one in agency.systems):
            return agency.code
    raise DocumentError(message("error.client.provides_nothing", system=system))
