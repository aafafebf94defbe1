"""Buses that break one promise each: the simulation must tell each from the whole one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum, unique

from bus.fund.batch import Arrival
from bus.fund.change import Change, Standing, entry_key
from bus.fund.stored import EntryKey, StoredEntry
from bus.merge import Outcome
from bus.model.record import Operation


@unique
class Broken(StrEnum):
    """What is broken."""

    NO_FENCE = "no-fence"
    """The fund moves its positions whoever moved them before."""
    EARLY_COMMIT = "early-commit"
    """Enforcement settles a batch before its outputs are acknowledged."""
    PAST_A_GAP = "past-a-gap"
    """Enforcement settles a batch whose outputs are acknowledged before the batches below it."""
    RANDOM_IDS = "random-ids"
    """A publisher that sends a record again gives it another id."""
    ARRIVAL_ORDER = "arrival-order"
    """The fund lets stand what came last."""


def merged_by_arrival(
    change: Change, arrivals: Sequence[Arrival], stored: Mapping[EntryKey, StoredEntry]
) -> Change:
    """Change who stands: of each entry the last arrival that is in the history."""
    last: dict[EntryKey, Arrival] = {}
    for arrival, outcome in zip(arrivals, change.outcomes, strict=True):
        joined = outcome in {Outcome.INSERTED, Outcome.REPEAT}
        if joined and arrival.record.operation is not Operation.ANNUL:
            last[entry_key(arrival)] = arrival
    kept = [standing for standing in change.standings if standing.entry not in last]
    known = {row.record.record_id for row in change.history}
    changed = [
        Standing(
            entry=key,
            before=stored[key].current if key in stored else None,
            after=arrival.record.version,
            ceased_by=None,
            arrival=arrival,
        )
        for key, arrival in last.items()
        if arrival.record.record_id in known
        or (key in stored and arrival.record.version in stored[key].versions)
    ]
    return replace(change, standings=[*kept, *changed])
