"""Runs of records that belong together: where a group begins and ends in its topic-partition.

A group's members lie side by side in one topic-partition, in the order of their indexes, because
their sender wrote them as one Kafka batch. Source: ADR-0013.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, TypeVar

from bus.model.record import Group, RawRecord
from bus.wire.headers import group_of

GROUP_BYTES_MAX: Final = 384 * 1024
"""Keys, values and headers of all members together."""
T = TypeVar("T")


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
