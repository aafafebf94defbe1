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
Appearance: TypeAlias = tuple[Hashable, int, Sent]
"""A line that has an order, the number that a record has in it, the record."""
Annulment: TypeAlias = tuple[int, str, str | None]
"""Its version, its record id, and that of the version that it takes back."""
Highest: TypeAlias = tuple[int, tuple[tuple[str, str | None], ...]]
"""A version, and record id and stamp of each row that has it: one, unless it is a duplicate."""


def reordered(case: Case) -> Iterator[Anomaly]:
    """Find what comes for the first time after what had to follow it."""
    for why, appearances in (
        ("after a higher version, in a topic", _in_topics(case)),
        ("after a higher version, at a consumer", _at_consumers(case)),
        ("after what came in behind it, in its accepted partition", _by_inbound(case)),
    ):
        for sent in _late(appearances):
            yield found(Name.REORDERED, sent.mark, why)


def _keeps_order(case: Case, sent: Sent) -> bool:
    """Tell whether order was promised; what is there for no good reason has another name.

    A record that was set aside and released comes later than its neighbours.
    """
    is_good = sent.fate is not Fate.QUARANTINED and not case.failed(sent)
    return is_good and sent.mark not in case.quarantined


def _in_topics(case: Case) -> Iterator[Appearance]:
    for rows, senders in (
        (case.evidence.accepted, case.accepted),
        (case.evidence.views, case.views),
    ):
        for row, sent in zip(rows, senders, strict=True):
            if sent is not None and _keeps_order(case, sent):
                topic, partition, _ = row.place
                yield (topic, partition, sent.agency, sent.key), sent.version, sent


def _at_consumers(case: Case) -> Iterator[Appearance]:
    for row, sent in zip(case.evidence.delivered, case.delivered, strict=True):
        if sent is not None and _keeps_order(case, sent):
            topic, partition, _ = row.place
            yield (row.consumer, topic, partition, sent.agency, sent.key), sent.version, sent


def _by_inbound(case: Case) -> Iterator[Appearance]:
    """Give accepted records by where they came in.

    A worker that reads again goes back, but the last one wrote all that it had come to. Not so with
    what only one of their catalogues accepts: where the other's refusal was not durable, nothing
    of it is in quarantine.
    """
    for row, sent in zip(case.evidence.accepted, case.accepted, strict=True):
        if sent is None or row.inbound is None or sent.fate is not Fate.ACCEPTED:
            continue
        if _keeps_order(case, sent):
            topic, partition, offset = row.inbound
            yield (row.place.topic, row.place.partition, topic, partition), offset, sent


def _late(appearances: Iterable[Appearance]) -> Iterator[Sent]:
    """Pick what appears for the first time in its line behind a higher number."""
    lines: dict[Hashable, list[int]] = {}
    for line, number, sent in appearances:
        numbers = lines.get(line)
        if numbers is None:
            lines[line] = [number]
        elif number > numbers[-1]:
            numbers.append(number)
        else:
            place = bisect_left(numbers, number)
            if numbers[place] != number:
                numbers.insert(place, number)
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
            why = (
                f"current is version {shown.version} ({shown.stamp}), "
                "which is not the highest that stands, or not as it stands"
            )
            yield found(Name.STALE, "/".join(entry), why)
        current.add(entry)
    for entry in highest.keys() - current:
        yield found(Name.STALE, "/".join(entry), f"no current row; {highest[entry][0]} stands")


def taken_back(annulments: Iterable[Annulment]) -> frozenset[str]:
    """Name the records that annulments take back; one that is taken back itself has no effect.

    The rule of `bus.merge.standing`, in words of its own: an annulment has a higher version than
    what it annuls, so that from the highest down none is met before what speaks against it.
    """
    annulled: set[str] = set()
    for _, own, annuls in sorted(annulments, key=lambda one: one[0], reverse=True):
        if own not in annulled and annuls is not None:
            annulled.add(annuls)
    return frozenset(annulled)


def _highest_standing(rows: Iterable[FundRow]) -> dict[Entry, Highest]:
    highest: dict[Entry, Highest] = {}
    for row in rows:
        if not row.is_standing:
            continue
        entry = (row.agency, row.dataset, row.key)
        version, contents = highest.get(entry, (0, ()))
        content = (row.record_id, row.stamp)
        if row.version > version:
            highest[entry] = (row.version, (content,))
        elif row.version == version:
            highest[entry] = (version, (*contents, content))
    return highest


def _is(highest: Highest | None, row: CurrentRow) -> bool:
    if highest is None or highest[0] != row.version:
        return False
    return (row.record_id, row.stamp) in highest[1]
