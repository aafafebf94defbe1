"""Whether versions come in their order, and the highest one stands. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator
from typing import TypeAlias

from tests.chaos.anomaly import Anomaly, Name, found
from tests.chaos.case import Case
from tests.chaos.evidence import CurrentRow, FundRow
from tests.chaos.history import Fate, Sent

Entry: TypeAlias = tuple[str, str, str]
"""Agency, dataset, key."""
Highest: TypeAlias = tuple[int, tuple[str, ...]]
"""A version and its record ids: one, unless it is a duplicate."""


def reordered(case: Case) -> Iterator[Anomaly]:
    """Find versions that come for the first time after a higher one."""
    for where, appearances in (
        ("in a topic", _in_topics(case)),
        ("at a consumer", _at_consumers(case)),
    ):
        for sent in _late(appearances):
            yield found(Name.REORDERED, sent.mark, f"after a higher version, {where}")


def _keeps_order(case: Case, sent: Sent) -> bool:
    """Tell whether order was promised; what is there for no good reason has another name.

    A record that was set aside and released comes later than its neighbours.
    """
    is_good = sent.fate is not Fate.QUARANTINED and not case.failed(sent)
    return is_good and sent.mark not in case.quarantined


def _in_topics(case: Case) -> Iterator[tuple[Hashable, Sent]]:
    for rows, senders in (
        (case.evidence.accepted, case.accepted),
        (case.evidence.views, case.views),
    ):
        for row, sent in zip(rows, senders, strict=True):
            if sent is not None and _keeps_order(case, sent):
                topic, partition, _ = row.place
                yield (topic, partition, sent.agency, sent.key), sent


def _at_consumers(case: Case) -> Iterator[tuple[Hashable, Sent]]:
    for row, sent in zip(case.evidence.delivered, case.delivered, strict=True):
        if sent is not None and _keeps_order(case, sent):
            topic, partition, _ = row.place
            yield (row.consumer, topic, partition, sent.agency, sent.key), sent


def _late(appearances: Iterable[tuple[Hashable, Sent]]) -> Iterator[Sent]:
    """Pick what appears for the first time in its line behind a higher version."""
    lines: dict[Hashable, list[int]] = {}
    for line, sent in appearances:
        versions = lines.get(line)
        if versions is None:
            lines[line] = [sent.version]
        elif sent.version > versions[-1]:
            versions.append(sent.version)
        else:
            place = bisect_left(versions, sent.version)
            if versions[place] != sent.version:
                versions.insert(place, sent.version)
                yield sent


def stale(case: Case) -> Iterator[Anomaly]:
    """Find entries whose current row is not the highest version that stands."""
    highest = _highest_standing(case.evidence.history)
    current: set[Entry] = set()
    for shown in case.evidence.current:
        entry = (shown.agency, shown.dataset, shown.key)
        if entry in current:
            yield found(Name.STALE, "/".join(entry), "two current rows")
        elif not _is(highest.get(entry), shown):
            why = f"current is version {shown.version}, which is not the highest that stands"
            yield found(Name.STALE, "/".join(entry), why)
        current.add(entry)
    for entry in highest.keys() - current:
        yield found(Name.STALE, "/".join(entry), f"no current row; {highest[entry][0]} stands")


def _highest_standing(rows: Iterable[FundRow]) -> dict[Entry, Highest]:
    highest: dict[Entry, Highest] = {}
    for row in rows:
        if not row.is_standing:
            continue
        entry = (row.agency, row.dataset, row.key)
        version, ids = highest.get(entry, (0, ()))
        if row.version > version:
            highest[entry] = (row.version, (row.record_id,))
        elif row.version == version:
            highest[entry] = (version, (*ids, row.record_id))
    return highest


def _is(highest: Highest | None, row: CurrentRow) -> bool:
    return highest is not None and highest[0] == row.version and row.record_id in highest[1]
