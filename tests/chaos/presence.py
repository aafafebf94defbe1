"""Whether each record is there, as often as it must be, and nothing else is. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from tests.chaos.anomaly import Anomaly, Name, found
from tests.chaos.case import Case, Senders, Shown, marks
from tests.chaos.evidence import Delivered, FundRow, HeldRow, LogRecord
from tests.chaos.groups import group_name
from tests.chaos.history import Fate, Outcome, Sent


def lost(case: Case) -> Iterator[Anomaly]:
    """Find what happened and is not where it has to be."""
    known = case.in_history | marks(case.held) | marks(case.refused) | case.quarantined
    appeared = marks(case.accepted)
    for mark, sent in case.told.sent.items():
        outcome = case.told.outcomes[mark]
        if outcome is Outcome.FAIL or (outcome is Outcome.INFO and mark not in appeared):
            continue
        if mark not in (case.quarantined if sent.fate is Fate.QUARANTINED else known):
            why = f"{outcome}, had to be {sent.fate}, and is neither that nor in quarantine"
            yield found(Name.LOST, mark, why)
    yield from _closed_for_nothing(case)
    yield from _stuck(case)


def _closed_for_nothing(case: Case) -> Iterator[Anomaly]:
    """Find what quarantine let go because the fund has it, which it has not."""
    for row in case.evidence.quarantine:
        sent = case.told.sent.get(row.mark or "")
        if row.state != "superseded" or sent is None or case.failed(sent):
            continue
        if sent.mark not in case.in_history:
            yield found(Name.LOST, sent.mark, f"{row.inbound} is superseded by nothing in history")


def _stuck(case: Case) -> Iterator[Anomaly]:
    """Find what is held though nothing is missing: records alone, and groups whole."""
    units: dict[tuple[str, str, str], list[Sent]] = defaultdict(list)
    for sent in case.held:
        if sent is not None and not case.failed(sent):
            units[sent.dataset, sent.agency, sent.group or sent.mark].append(sent)
    if not units:
        return
    there = {row.record_id: row.version for row in case.evidence.history}
    for members in units.values():
        known = there | {str(one.record_id): one.version for one in members}
        is_whole = len(members) == members[0].group_size  # else it is torn
        if is_whole and all(_may_join(one, known) for one in members):
            yield found(Name.LOST, members[0].mark, "held, though what it follows is in history")


def _may_join(sent: Sent, known: Mapping[str, int]) -> bool:
    if sent.supersedes is None:
        return True
    return known.get(sent.supersedes, sent.version) < sent.version


def misjudged(case: Case) -> Iterator[Anomaly]:
    """Find sound records that were set aside, and are not in the fund by another way."""
    aside = (case.quarantined | marks(case.refused)) - case.in_history - marks(case.held)
    taken = {(row.dataset, row.agency, row.key, row.version) for row in case.evidence.history}
    for mark in aside:
        sent = case.told.sent[mark]
        version = (sent.dataset, sent.agency, sent.key, sent.version)
        # Where another record has its version it is a conflict, which the fund has to refuse.
        if sent.fate is Fate.ACCEPTED and not case.failed(sent) and version not in taken:
            yield found(Name.MISJUDGED, mark, "sound, and set aside")
    yield from _let_through(case)


def _let_through(case: Case) -> Iterator[Anomaly]:
    """Find what had to be set aside, was, and went on all the same.

    What the fund had to refuse was accepted before, and shown; in its history it can't be.
    """
    by_fund = marks(case.refused)
    told: set[str] = set()
    for where, rows, senders in case.shown():
        is_history = rows is case.evidence.history
        for sent in senders:
            if sent is None or sent.fate is not Fate.QUARANTINED or sent.mark in told:
                continue
            if case.failed(sent) or sent.mark not in case.quarantined:
                continue  # it has another name: resurrected, lost
            if is_history or sent.mark not in by_fund:
                told.add(sent.mark)
                yield found(Name.MISJUDGED, sent.mark, f"had to be set aside, and is in {where}")


def duplicate(case: Case) -> Iterator[Anomaly]:
    """Find what counts twice."""
    for sent, why in chain(_twice_in_history(case), _with_two_contents(case)):
        if case.told.outcomes[sent.mark] is Outcome.OK:
            yield found(Name.DUPLICATE, sent.mark, why)
    yield from _versions_taken_twice(case)
    opened = [row for row in case.evidence.quarantine if not row.is_resolved]
    for place, count in Counter(row.inbound for row in opened).items():
        if count > 1:
            yield found(Name.DUPLICATE, str(place), f"{count} open rows in quarantine")
    held = marks(case.held)
    for row in opened:
        for where, present in (("in history", case.in_history), ("held", held)):
            if row.mark in present:
                yield found(Name.DUPLICATE, str(row.mark), f"{where}, and open as {row.inbound}")
    yield from _held_twice(case)
    yield from _refused_besides(case)


def _held_twice(case: Case) -> Iterator[Anomaly]:
    """Find what is held under one record id twice."""
    counts = Counter(row.record_id for row in case.evidence.held)
    told: set[str] = set()
    for row, sent in zip(case.evidence.held, case.held, strict=True):
        if sent is None or case.failed(sent) or sent.mark in told:
            continue
        told.add(sent.mark)
        if counts[row.record_id] > 1:
            yield found(Name.DUPLICATE, sent.mark, f"held {counts[row.record_id]} times")


def _refused_besides(case: Case) -> Iterator[Anomaly]:
    """Find what the fund refused twice, or refused and took; a release may have come between."""
    released = {row.inbound for row in case.evidence.quarantine if row.state == "released"}
    held = marks(case.held)
    told: set[str] = set()
    counts = Counter((row.inbound, row.record_id) for row in case.evidence.refused)
    for row, sent in zip(case.evidence.refused, case.refused, strict=True):
        if sent is None or case.failed(sent) or sent.mark in told or row.inbound in released:
            continue
        told.add(sent.mark)
        if counts[row.inbound, row.record_id] > 1:
            yield found(Name.DUPLICATE, sent.mark, f"{row.inbound} is refused several times")
        for where, present in (("in history", case.in_history), ("held", held)):
            if sent.mark in present:
                yield found(Name.DUPLICATE, sent.mark, f"{where}, and refused by the fund")


def _twice_in_history(case: Case) -> Iterator[tuple[Sent, str]]:
    """Find what has several rows in the fund's history under one record id."""
    counts = Counter(row.record_id for row in case.evidence.history)
    if len(counts) == len(case.evidence.history):
        return
    for row, sent in zip(case.evidence.history, case.history, strict=True):
        count = counts[row.record_id]
        if count > 1 and sent is not None:
            counts[row.record_id] = 1
            yield sent, f"{count} rows in the fund's history"


def _with_two_contents(case: Case) -> Iterator[tuple[Sent, str]]:
    """Find ids of which several contents took effect, each of which was sent."""
    if not case.contents:
        return
    seen: dict[str | None, dict[str | None, Sent]] = defaultdict(dict)
    for _, rows, senders in case.shown():
        for row, sent in zip(rows, senders, strict=True):
            if sent is not None and row.stamp in case.contents.get(row.record_id, ()):
                seen[row.record_id].setdefault(row.stamp, sent)
    for contents in seen.values():
        if len(contents) > 1:
            yield next(iter(contents.values())), f"{len(contents)} contents under one record id"


def _versions_taken_twice(case: Case) -> Iterator[Anomaly]:
    """Find versions that two record ids claim."""
    told: set[str | None] = set()
    places: Sequence[tuple[str, Sequence[Shown], Senders, Callable[[Sent], bool]]] = (
        ("the fund's history", case.evidence.history, case.history, lambda _: True),
        (
            "an accepted topic",
            case.evidence.accepted,
            case.accepted,
            lambda sent: sent.fate is not Fate.QUARANTINED,
        ),
    )
    for where, rows, senders, may_be in places:
        owners: dict[tuple[str, str, str, int], str | None] = {}
        for row, sent in zip(rows, senders, strict=True):
            if sent is None or not may_be(sent):
                continue
            version = (sent.dataset, sent.agency, sent.key, sent.version)
            owner = owners.setdefault(version, row.record_id)
            if owner != row.record_id and row.record_id not in told:
                told.add(row.record_id)
                why = f"its version is in {where} under record id {owner} as well"
                yield found(Name.DUPLICATE, sent.mark, why)


def indeterminate_twice(case: Case) -> Iterator[Anomaly]:
    """Find what may have happened once, and did twice."""
    for sent, why in chain(_twice_in_history(case), _with_two_contents(case)):
        if case.told.outcomes[sent.mark] is Outcome.INFO:
            yield found(Name.INDETERMINATE_TWICE, sent.mark, why)


def resurrected(case: Case) -> Iterator[Anomaly]:
    """Find what certainly failed, and is there."""
    failed = {mark for mark, end in case.told.outcomes.items() if end is Outcome.FAIL}
    if not failed:
        return
    places = {where: marks(senders) for where, _, senders in case.shown()}
    places |= {"quarantine": case.quarantined, "the fund's refusals": marks(case.refused)}
    for mark in failed:
        where = [place for place, present in places.items() if mark in present]
        if where:
            yield found(Name.RESURRECTED, mark, f"failed for certain, yet in {where[0]}")


def invented(case: Case) -> Iterator[Anomaly]:
    """Find what nobody sent, or not so."""
    told: set[tuple[str, str | None]] = set()
    for where, rows, senders in case.shown():
        for row, sent in zip(rows, senders, strict=True):
            if sent is not None and not _says_otherwise(row, sent):
                continue
            if (where, row.record_id) not in told:
                told.add((where, row.record_id))
                why = f"in {where}, but not as anybody sent it: {row.key} v{row.version}"
                if isinstance(row, LogRecord | Delivered) and row.differing:
                    why += f", fields {sorted(row.differing)}"
                yield found(Name.INVENTED, str(row.record_id), why)
    for refused, sent in zip(case.evidence.refused, case.refused, strict=True):
        if sent is None:
            yield found(Name.INVENTED, refused.record_id, "refused, but nobody sent it")
    for row_set_aside in case.evidence.quarantine:
        if row_set_aside.mark not in case.told.sent:
            why = "in quarantine, but nobody sent it"
            yield found(Name.INVENTED, str(row_set_aside.inbound), why)
    yield from _without_origin(case)


def _without_origin(case: Case) -> Iterator[Anomaly]:
    """Find rows of the fund's history that are not what lies where they say that they lay.

    Data topics keep everything, so that each place can be asked.
    """
    at = {record.place: record for record in case.evidence.accepted}
    begun = {group_name(sent) for sent in case.accepted if sent is not None and sent.group}
    for row, sent in zip(case.evidence.history, case.history, strict=True):
        if sent is None or case.failed(sent) or _says_otherwise(row, sent):
            continue  # it has a name already
        origin = at.get(row.accepted)
        if origin is None:
            # Why not a member of a group that others of are there: that group is torn.
            if sent.group is None or group_name(sent) not in begun:
                yield found(Name.INVENTED, sent.mark, f"in the fund, but not at {row.accepted}")
        elif origin.record_id != row.record_id:
            yield found(Name.INVENTED, sent.mark, f"in the fund, but another is at {row.accepted}")
        elif None not in (origin.digest, row.digest) and origin.digest != row.digest:
            yield found(Name.INVENTED, sent.mark, f"in the fund, but not as at {row.accepted}")


def _says_otherwise(row: Shown, sent: Sent) -> bool:
    """Tell whether a row contradicts what was sent."""
    if isinstance(row, LogRecord | Delivered) and row.differing:
        return True
    is_whole = isinstance(row, FundRow | HeldRow)
    # Why None agrees elsewhere: a view may leave the field out, and a signature proves the topics.
    if row.stamp != sent.stamp and (row.stamp is not None or is_whole):
        return True
    if sent.record_id is None:
        return False  # nothing in its bytes can be held against it
    if row.key not in (None, sent.key) or row.version not in (None, sent.version):
        return True
    own = (sent.agency, sent.dataset)
    return isinstance(row, FundRow | HeldRow) and (row.agency, row.dataset) != own
