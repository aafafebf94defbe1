"""Letters replaced: what counts as one, counted once. Pure.

- A data request answered from the fund: one letter and its answer that nobody wrote.
- A data request answered by its provider: the same, on the bus.
- A live record that a standing subscription delivered, where the passport of an approved process
  of the receiving agency says that each record of the dataset was asked for by letter before
  (`replaces_letter`): once for the agency and the record id, however many of its systems,
  agreements and processes get it, and only while the agreement was in force. History that is
  loaded counts for none: nobody would have written for it.

A request that was refused or expired replaced nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bus.catalogue.region import Region
from bus.catalogue.snapshot import instant_ms
from bus.catalogue.views import topic_of, view_of
from bus.contracts.passport import ProcessState
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.requests.request import RequestCount
from bus.requests.state import RequestState

Between: TypeAlias = tuple[AgencyCode, AgencyCode, DatasetCode]
"""Provider, consumer, dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A subscription whose records stand for letters, in one time in which it is granted."""

    consumer: AgencyCode
    dataset: DatasetCode
    topic: str
    opens_ms: int
    """Included; by the topic's append time, milliseconds since 1970 UTC."""
    closes_ms: int
    """Excluded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LettersReplaced:
    """Letters that one provider and one consumer did not write about one dataset."""

    agency: AgencyCode
    consumer: AgencyCode
    dataset: DatasetCode
    answered_auto: int
    answered: int
    delivered: int
    """By standing subscriptions."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.answered_auto + self.answered + self.delivered


def standing_for_letters(region: Region) -> tuple[Standing, ...]:
    """Tell which subscriptions replace letters, by the region's passports and agreements.

    Returns: One for each time in which an agreement grants.
    """
    replaced = {
        (passport.agency, dataset)
        for passport in region.passports.values()
        if passport.state is ProcessState.APPROVED
        for dataset in passport.replaces_letter
    }
    found = set()
    for agreement in region.agreements:
        if (agreement.consumer, agreement.dataset) not in replaced:
            continue
        view = view_of(agreement, region.contracts[agreement.dataset])
        topic = topic_of(agreement.dataset, view)
        for window in agreement.windows:
            opens_ms, closes_ms = instant_ms(window.begins), instant_ms(window.ends)
            found.add((agreement.consumer, agreement.dataset, topic, opens_ms, closes_ms))
    return tuple(
        Standing(
            consumer=consumer, dataset=dataset, topic=topic, opens_ms=opens_ms, closes_ms=closes_ms
        )
        for consumer, dataset, topic, opens_ms, closes_ms in sorted(found)
    )


def letters_replaced(
    requests: Iterable[RequestCount], delivered: Mapping[Between, int]
) -> tuple[LettersReplaced, ...]:
    """Put both kinds together, by provider, consumer and dataset, ascending."""
    counts: Counter[tuple[Between, RequestState]] = Counter()
    for one in requests:
        counts[(one.agency, one.consumer, one.dataset), one.state] += one.requests
    answers = (RequestState.ANSWERED_AUTO, RequestState.ANSWERED)
    between = {name for name, state in counts if state in answers} | set(delivered)
    return tuple(
        LettersReplaced(
            agency=name[0],
            consumer=name[1],
            dataset=name[2],
            answered_auto=counts[name, RequestState.ANSWERED_AUTO],
            answered=counts[name, RequestState.ANSWERED],
            delivered=delivered.get(name, 0),
        )
        for name in sorted(between)
    )
