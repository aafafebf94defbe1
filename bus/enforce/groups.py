"""Records that are taken together or not at all: what one member's fate does to the others.

A group's members lie side by side in one topic-partition, in the order of their indexes, because
their sender wrote them as one Kafka batch. Where the run is not whole, or one member is refused,
no member goes on. Source: ADR-0013.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, TypeVar

from bus.model.record import Group, RawRecord
from bus.model.verdict import Accepted, Quarantined, Reason, Verdict
from bus.wire.headers import group_of, headers_bytes

GROUP_BYTES_MAX: Final = 384 * 1024
"""Keys, values and headers of all members together."""
T = TypeVar("T")


def judge_groups(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Let the members of each group stand or fall together.

    Args:
        verdicts: On the records of one topic-partition, in offset order, each judged for itself.

    Returns: The same, but that accepted members of a group that is not whole, is too large or has
        a refused member are set aside with that reason. A record that was refused keeps its own.
    """
    groups = [_group(verdict) for verdict in verdicts]
    if not any(groups):
        return list(verdicts)
    judged: list[Verdict] = []
    for unit in units(verdicts, groups):
        refusal = None if groups[len(judged)] is None else _refusal(unit, groups[len(judged)])
        judged += unit if refusal is None else [_set_aside(one, refusal) for one in unit]
    return judged


def units(items: Sequence[T], groups: Sequence[Group | None]) -> Iterator[Sequence[T]]:
    """Cut items into what belongs together: the run of a group, or one item that has none.

    Args:
        items: In offset order.
        groups: Of each item. A run ends where the next item is not the following member.
    """
    start = 0
    for place in range(1, len(items) + 1):
        if place == len(items) or not _follows(groups[place - 1], groups[place]):
            yield items[start:place]
            start = place


def incomplete_tail(records: Sequence[RawRecord]) -> int:
    """Count the records at the end that begin a group whose other members are still to come."""
    if not records:
        return 0
    last = group_of(records[-1].headers)
    if last is None or last.index == last.size - 1 or last.index >= len(records):
        return 0
    run = [group_of(record.headers) for record in records[-last.index - 1 :]]
    is_begun = run[0] is not None and run[0].index == 0
    is_run = all(_follows(one, following) for one, following in pairwise(run))
    return len(run) if is_begun and is_run else 0


def _follows(group: Group | None, following: Group | None) -> bool:
    return group is not None and following == replace(group, index=group.index + 1)


def _group(verdict: Verdict) -> Group | None:
    if isinstance(verdict, Accepted):
        return verdict.envelope.group
    return group_of(verdict.raw.headers)


def _refusal(unit: Sequence[Verdict], first: Group | None) -> Reason | None:
    if first is None or first.index != 0 or len(unit) != first.size:
        return Reason.GROUP_INCOMPLETE
    if sum(map(_size_bytes, unit)) > GROUP_BYTES_MAX:
        return Reason.GROUP_TOO_LARGE
    if any(isinstance(one, Quarantined) for one in unit):
        return Reason.GROUP_REFUSED
    return None


def _size_bytes(verdict: Verdict) -> int:
    raw = verdict.raw
    return len(raw.key or b"") + len(raw.value or b"") + headers_bytes(raw.headers)


def _set_aside(verdict: Verdict, reason: Reason) -> Verdict:
    if isinstance(verdict, Quarantined):
        return verdict
    return Quarantined(
        raw=verdict.raw,
        agency=verdict.envelope.agency,
        dataset=verdict.dataset,
        reason=reason,
        path="bus_group",
    )
