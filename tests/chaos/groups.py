"""Whether the members of a group went the same way, and were taken together. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from tests.chaos.anomaly import Anomaly, Name, found
from tests.chaos.case import Case
from tests.chaos.evidence import Delivered, Entitled, LogRecord
from tests.chaos.history import Sent


def torn(case: Case) -> Iterator[Anomaly]:
    """Find groups of which a part went on, or was taken."""
    views = _grouped_marks(case)
    accepted = {sent.mark for sent in case.accepted if sent is not None and sent.group is not None}
    by_topic = {one.topic: one for one in case.evidence.entitled}
    groups = _groups(case)
    for name, members in groups.items():
        for where, present in (("fund", case.in_history), ("accepted topic", accepted)):
            if _is_part(members, present):
                yield found(Name.TORN, name, f"a part of it is in the {where}")
        for topic, entitled in by_topic.items():
            if _is_part(_share(members, entitled), views.get(topic, ())):
                yield found(Name.TORN, name, f"a part of its share is in {topic}")
        for entitled in case.evidence.entitled:
            took = case.taken.get((entitled.consumer, entitled.topic), frozenset())
            if _is_part(_share(members, entitled), took):
                yield found(Name.TORN, name, f"{entitled.consumer} got a part of its share")
    yield from _single(case, groups, by_topic)
    yield from _taken_in_parts(case.evidence.delivered)


def _single(
    case: Case, groups: Mapping[str, Sequence[Sent]], by_topic: Mapping[str, Entitled]
) -> Iterator[Anomaly]:
    """Find members that are shown as records that stand alone, or in a group of another size.

    What was sent decides, not the header: a consumer goes by that one.
    """
    sizes: dict[tuple[str, str], int] = {}
    told: set[tuple[str, str]] = set()
    for row, sent in _shown(case):
        if sent is None or sent.group is None:
            continue
        name, topic = group_name(sent), row.place.topic
        size = sizes.get((topic, name))
        if size is None:
            entitled = by_topic.get(topic)
            members = groups[name] if entitled is None else _share(groups[name], entitled)
            size = sizes[topic, name] = len(members)
        says = 1 if row.group is None else row.group.size
        if says != size > 1 and (topic, name) not in told:
            told.add((topic, name))
            why = f"{row.place} says that {says} belong together, and it is {size}"
            yield found(Name.TORN, name, why)


def _shown(case: Case) -> Iterator[tuple[LogRecord | Delivered, Sent | None]]:
    """Give whatever has a place in a topic, with what was sent."""
    yield from zip(case.evidence.accepted, case.accepted, strict=True)
    yield from zip(case.evidence.views, case.views, strict=True)
    yield from zip(case.evidence.delivered, case.delivered, strict=True)


def _groups(case: Case) -> Mapping[str, Sequence[Sent]]:
    groups: dict[str, list[Sent]] = defaultdict(list)
    for sent in case.told.sent.values():
        if sent.group is not None:
            groups[group_name(sent)].append(sent)
    return groups


def group_name(sent: Sent) -> str:
    """Name the group of a record across agencies."""
    return f"{sent.agency}/{sent.dataset}/{sent.group}"


def _grouped_marks(case: Case) -> Mapping[str, AbstractSet[str]]:
    """Tell which members of groups each view has."""
    topics: dict[str, set[str]] = defaultdict(set)
    for row, sent in zip(case.evidence.views, case.views, strict=True):
        if sent is not None and sent.group is not None:
            topics[row.place.topic].add(sent.mark)
    return topics


def _share(members: Sequence[Sent], entitled: Entitled) -> Sequence[Sent]:
    return [sent for sent in members if entitled.may_see(sent)]


def _is_part(members: Sequence[Sent], present: Collection[str]) -> bool:
    return 0 < sum(sent.mark in present for sent in members) < len(members)


def _taken_in_parts(deliveries: Sequence[Delivered]) -> Iterator[Anomaly]:
    """Find groups that a consumer took otherwise than from the first member to the last."""
    under_way: dict[str, Delivered] = {}
    for row in deliveries:
        before = under_way.pop(row.consumer, None)
        if before is not None and not _goes_on(before, row):
            yield _cut(before)
            before = None
        if row.group is None:
            continue
        if before is None and row.group.index > 0:
            yield _cut(row)
        elif row.group.index < row.group.size - 1:
            under_way[row.consumer] = row
    for last in under_way.values():
        yield _cut(last)


def _goes_on(before: Delivered, row: Delivered) -> bool:
    if before.group is None or row.group is None:
        return False
    return (row.group.id, row.group.index) == (before.group.id, before.group.index + 1)


def _cut(row: Delivered) -> Anomaly:
    return found(Name.TORN, str(row.place), f"{row.consumer} took a part of group {row.group}")
