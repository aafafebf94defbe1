"""Reading entries and deciding on them, apart from what other workers do to the same entries.

An entry's records lie in one partition, and a partition has one worker; but the members of a group
lie in the partition of the first one's key, so that one worker may hold a group back for want of a
version that another is just bringing, or add an old version that a group's annulment uncovers. Each
would commit without seeing the other. So who brings a group, or meets one that waits, locks the
dataset for itself; everybody else shares the lock. Source: ADR-0013.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from bus.errors import InvariantBroken
from bus.fund.batch import Arrival
from bus.fund.change import Change, decide
from bus.fund.entries import QUERIES, known_predecessors, read_entries
from bus.fund.layout import DatasetLayout
from bus.fund.stored import EntryKey, StoredEntry
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Reason
from bus.postgres.session import Session


class AloneNeeded(InvariantBroken):
    """A group waits in an entry that arrivals touch; do the transaction again, alone.

    Why not take the higher lock at once: two that share one would wait for each other.
    """

    def __init__(self, datasets: Collection[DatasetCode]) -> None:
        """Name the datasets to be locked."""
        named = ", ".join(sorted(datasets))
        super().__init__(f"{named}: a group waits in an entry; lock the dataset and try again")
        self.datasets = datasets


async def decided(
    session: Session, arrivals: Sequence[Arrival], layout: DatasetLayout, *, is_alone: bool
) -> Change:
    """Decide what arrivals of one dataset change, within the caller's transaction.

    Args:
        session: In a transaction; it holds the dataset's lock to its end.
        arrivals: Of the dataset.
        layout: Of the dataset.
        is_alone: Keep all others out, whatever arrives.

    Raises:
        AloneNeeded: And not asked for.
        InvariantBroken: as `bus.fund.change.decide`.
    """
    is_alone = is_alone or any(map(_has_group, arrivals))
    if is_alone:
        await take_alone(session, layout.dataset)
    else:
        await session.execute(QUERIES.get("lock_shared"), {"dataset": layout.dataset})
    stored = await read_entries(session, layout.dataset, arrivals)
    if not is_alone and _waits_in_a_group(stored):
        raise AloneNeeded({layout.dataset})
    return decide(arrivals, stored, layout)


async def take_alone(session: Session, dataset: DatasetCode) -> None:
    """Keep all others out of a dataset to the end of the caller's transaction."""
    await session.execute(QUERIES.get("lock_alone"), {"dataset": dataset})


async def refusals_of(
    session: Session, old: Sequence[Arrival]
) -> Mapping[Reason, Sequence[Arrival]]:
    """Tell why records that were held too long, or are too many to be held, are refused.

    A member of a group whose own predecessor is known waited for the others.
    """
    grouped = [arrival for arrival in old if _has_group(arrival)]
    known = await known_predecessors(session, [arrival.record for arrival in grouped])
    among = {arrival.record.record_id for arrival in grouped}
    refusals: dict[Reason, list[Arrival]] = defaultdict(list)
    for arrival in old:
        target = arrival.record.supersedes
        waits = target is not None and target not in known and target not in among
        refusals[Reason.UNKNOWN_PREDECESSOR if waits else Reason.GROUP_REFUSED].append(arrival)
    return refusals


def _waits_in_a_group(stored: Mapping[EntryKey, StoredEntry]) -> bool:
    waiting = (one for entry in stored.values() for one in entry.held.values())
    return any(one.group_offset is not None for one in waiting)


def _has_group(arrival: Arrival) -> bool:
    return arrival.record.group is not None
