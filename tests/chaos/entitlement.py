"""Whether consumers got what their agreements give them: that, all of it, and no more. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import chain

from tests.chaos.anomaly import Anomaly, Name, found
from tests.chaos.case import Case
from tests.chaos.evidence import Delivered, Entitled, LogRecord
from tests.chaos.groups import group_name
from tests.chaos.history import Sent


def leaked(case: Case) -> Iterator[Anomaly]:
    """Find what stands in a view, or came to a consumer, beyond an agreement."""
    of_topic: dict[str, list[Entitled]] = defaultdict(list)
    for entitled in case.evidence.entitled:
        of_topic[entitled.topic].append(entitled)
    for record, sent in zip(case.evidence.views, case.views, strict=True):
        for entitled in of_topic.get(record.place.topic, ()):
            why = _beyond(entitled, sent, record.fields)
            if why is not None:
                yield found(Name.LEAKED, str(record.place), f"{why} for {entitled.consumer}")
    for row, sent in zip(case.evidence.delivered, case.delivered, strict=True):
        granted = [one for one in of_topic.get(row.place.topic, ()) if one.consumer == row.consumer]
        reasons = [_beyond(one, sent, row.fields) for one in granted]
        if all(reasons):
            why = reasons[0] if reasons else "a topic without an agreement"
            yield found(Name.LEAKED, str(row.place), f"{why} for {row.consumer}")


def _beyond(entitled: Entitled, sent: Sent | None, fields: frozenset[str]) -> str | None:
    """Say what an agreement does not give of a record; None where it gives all of it."""
    if not fields <= entitled.fields:
        return f"fields {sorted(fields - entitled.fields)}"
    # Why nothing about a stranger: nobody sent it, which has a name of its own.
    return None if sent is None or entitled.may_see(sent) else "a row"


def unseen(case: Case) -> Iterator[Anomaly]:
    """Find what stands in the fund and did not come to a consumer that is entitled to it."""
    yield from _cut_short(case)
    standing = {sent.mark: sent for sent in case.history if sent is not None}
    for entitled in case.evidence.entitled:
        took = case.taken.get((entitled.consumer, entitled.topic), frozenset())
        missing = [
            sent
            for mark, sent in standing.items()
            if mark not in took and entitled.may_see(sent) and not case.failed(sent)
        ]
        begun = _begun(case, took) if any(sent.group for sent in missing) else frozenset()
        for sent in missing:
            if sent.group is None or group_name(sent) not in begun:
                why = f"in the fund, and {entitled.consumer} did not get it of {entitled.topic}"
                yield found(Name.UNSEEN, sent.mark, why)


def _cut_short(case: Case) -> Iterator[Anomaly]:
    """Find what came with less than an agreement gives of it, or can't be read at all."""
    shapes: dict[str, set[frozenset[str]]] = defaultdict(set)
    for entitled in case.evidence.entitled:
        shapes[entitled.topic] |= entitled.shapes or {entitled.fields}
    whole = {topic: frozenset().union(*some) for topic, some in shapes.items()}
    shown: Iterator[tuple[LogRecord | Delivered, Sent | None]] = chain(
        zip(case.evidence.views, case.views, strict=True),
        zip(case.evidence.delivered, case.delivered, strict=True),
    )
    for row, sent in shown:
        topic = row.place.topic
        if sent is None or case.failed(sent) or topic not in shapes:
            continue  # of nobody, failed, or leaked
        if row.fields not in shapes[topic] and row.fields <= whole[topic]:
            why = f"{row.place} has of it only {sorted(row.fields)}"
            yield found(Name.UNSEEN, sent.mark, why)


def _begun(case: Case, took: Collection[str]) -> Collection[str]:
    """Name the groups of which a consumer got a part: they are torn."""
    everything = case.told.sent
    return {group_name(everything[mark]) for mark in took if everything[mark].group is not None}
