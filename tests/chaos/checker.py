"""Names every anomaly of a run, from what producers wrote down and what is there afterwards. Pure.

To be asked once everything is drained: nothing on its way, quarantine swept. What the names mean
stands in `tests.chaos.anomaly`; there is one function for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final

from bus.model.verdict import Reason
from tests.chaos.anomaly import Anomaly, Name, found
from tests.chaos.case import Case
from tests.chaos.entitlement import leaked, unseen
from tests.chaos.evidence import Evidence
from tests.chaos.groups import torn
from tests.chaos.history import History
from tests.chaos.presence import (
    duplicate,
    indeterminate_twice,
    invented,
    lost,
    misjudged,
    resurrected,
)
from tests.chaos.sequence import reordered, stale

__all__ = ["Anomaly", "Name", "check"]

_REASONS: Final = frozenset(reason.value for reason in Reason)


def check(history: History, evidence: Evidence) -> list[Anomaly]:
    """Name everything that is wrong after a run; nothing, if the bus kept its promises."""
    case = Case.of(history, evidence)
    return [anomaly for find in _FINDERS for anomaly in find(case)]


def _skipped(case: Case) -> Iterator[Anomaly]:
    for balance in case.evidence.law:
        if balance.missing or balance.surplus:
            why = f"{balance.missing} without an outcome, {balance.surplus} outcomes too many"
            yield found(Name.SKIPPED, balance.place, why)


def _reasonless(case: Case) -> Iterator[Anomaly]:
    for row in case.evidence.quarantine:
        if not row.reasons:
            yield found(Name.REASONLESS, str(row.inbound), "set aside without a reason")
        elif not _REASONS.issuperset(row.reasons):
            yield found(Name.REASONLESS, str(row.inbound), f"{row.reasons} are not all known")
    for refused in case.evidence.refused:
        if refused.reason not in _REASONS:
            why = f"refused, and reason {refused.reason!r} is not known"
            yield found(Name.REASONLESS, str(refused.inbound), why)


def _unsigned(case: Case) -> Iterator[Anomaly]:
    for record in chain(case.evidence.accepted, case.evidence.views):
        if not record.is_proved:
            yield found(Name.UNSIGNED, str(record.place), "its signature does not prove it")


_FINDERS: Final = (
    lost,
    misjudged,
    duplicate,
    resurrected,
    invented,
    indeterminate_twice,
    reordered,
    stale,
    _skipped,
    torn,
    leaked,
    _reasonless,
    _unsigned,
    unseen,
)
