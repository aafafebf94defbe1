"""Faults to plant: records that are not there, went the wrong way, or are too often there."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bus.wire.record_id import record_id
from tests.chaos.checker import Name
from tests.chaos.evidence import (
    Entitled,
    FundRow,
    HeldRow,
)
from tests.chaos.fake_fund import current_of
from tests.chaos.fake_run import ENTITLED
from tests.chaos.ground import NOBODYS, Ground, NowhereToPlantError, refused, set_aside
from tests.chaos.history import Fate, Outcome, Sent

ARCHIVE, MINISTRY, CITY = ENTITLED[:3]


# lost


def acknowledged_and_not_in_the_fund(ground: Ground) -> None:
    ground.run.history.remove(ground.plain_row(Outcome.OK))


def acknowledged_and_nowhere(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.history.remove(row)
    ground.take_away({row.record_id})


def unknown_seen_and_not_in_the_fund(ground: Ground) -> None:
    ground.run.history.remove(ground.plain_row(Outcome.INFO))


def acknowledged_and_only_its_conflict_is_refused(ground: Ground) -> None:
    refused = ground.pick(row for row in ground.run.refused if row.record_id in ground.shared)
    rows = ground.run.history
    rows[:] = [row for row in rows if row.record_id != refused.record_id]
    ground.current_again()


def broken_and_not_in_quarantine(ground: Ground) -> None:
    rows = ground.run.quarantine
    broken = ground.pick(
        row for row in rows if ground.sent[str(row.mark)].fate is not Fate.ACCEPTED
    )
    rows.remove(broken)


def broken_and_accepted_instead(ground: Ground) -> None:
    """Its bytes told nothing that could be trusted."""
    broken = ground.pick(sent for sent in ground.sent.values() if sent.record_id is None)
    rows = ground.run.quarantine
    rows[:] = [row for row in rows if row.mark != broken.mark]
    record = ground.log_record(broken, f"accepted.{broken.dataset}")
    ground.run.accepted.append(replace(record, record_id=NOBODYS, key="77", version=77))


def held_behind_what_is_there(ground: Ground) -> None:
    """Once again, the predecessor is any that has a lower version: its key decides nothing."""
    held = ground.pick(row for row in ground.run.held if ground.sent[row.record_id].group is None)
    there = ground.pick(row for row in ground.run.history if row.version < held.version)
    for index, event in enumerate(ground.run.events):
        if event.sent is not None and event.sent.mark == held.record_id:
            follows = replace(event.sent, supersedes=there.record_id)
            ground.run.events[index] = replace(event, sent=follows)


def group_held_though_nothing_is_missing(ground: Ground) -> None:
    """None of its members follows anything."""
    held = {row.record_id for row in ground.run.held}
    group = ground.pick(
        sent for sent in ground.sent.values() if sent.group is not None and sent.mark in held
    ).group
    for index, event in enumerate(ground.run.events):
        if event.sent is not None and event.sent.group == group:
            begins = replace(event.sent, supersedes=None)
            ground.run.events[index] = replace(event, sent=begins)


def superseded_by_nothing(ground: Ground) -> None:
    rows = ground.run.quarantine
    row = ground.pick(
        row
        for row in rows
        if not row.is_resolved and ground.sent[str(row.mark)].fate is not Fate.ACCEPTED
    )
    rows[rows.index(row)] = replace(row, state="superseded", is_resolved=True)


# misjudged


def sound_and_set_aside(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.history.remove(row)
    ground.take_away({row.record_id})
    ground.run.quarantine.append(set_aside(row.record_id))


def sound_and_closed_without_being_accepted(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.history.remove(row)
    ground.take_away({row.record_id})
    aside = set_aside(row.record_id)
    ground.run.quarantine.append(replace(aside, state="discarded", is_resolved=True))


def sound_group_set_aside_whole(ground: Ground) -> None:
    group = ground.member().group
    members = {mark for mark, sent in ground.sent.items() if sent.group == group}
    ground.take_away(members)
    rows = ground.run.history
    rows[:] = [row for row in rows if row.record_id not in members]
    ground.current_again()
    for offset, mark in enumerate(sorted(members)):
        ground.run.quarantine.append(set_aside(mark, offset))


def sound_and_refused_by_the_fund(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.history.remove(row)
    ground.run.refused.append(refused(row.record_id))


def _broken(ground: Ground, entitled: Entitled) -> Sent:
    return ground.pick(sent for sent in ground.broken() if entitled.may_see(sent))


def broken_open_and_shown(ground: Ground) -> None:
    """Set aside, and sent on to those who read a view."""
    sent = _broken(ground, MINISTRY)
    ground.run.views.append(ground.log_record(sent, MINISTRY.topic))
    ground.run.delivered.append(ground.delivered(sent, MINISTRY))


def broken_open_and_accepted(ground: Ground) -> None:
    sent = _broken(ground, ARCHIVE)
    ground.run.accepted.append(ground.log_record(sent, ARCHIVE.topic))


def broken_and_in_the_fund_where_quarantine_is_closed_for_it(ground: Ground) -> None:
    """Of those that no consumer may see, which would be unseen."""
    sent = ground.pick(
        sent for sent in ground.broken() if not any(one.may_see(sent) for one in ENTITLED)
    )
    ground.keep(sent)
    rows = ground.run.quarantine
    rows[:] = [
        replace(row, state="superseded", is_resolved=True) if row.mark == sent.mark else row
        for row in rows
    ]


# duplicate, indeterminate-twice


def twice_in_the_fund(ground: Ground) -> None:
    ground.run.history.append(ground.plain_row(Outcome.OK))


def unknown_twice_in_the_fund(ground: Ground) -> None:
    ground.run.history.append(ground.plain_row(Outcome.INFO))


def _under_another_id(ground: Ground, row: FundRow) -> Sent:
    """Send a version once more, under the record id of another operation."""
    sent = ground.sent[row.record_id]
    own = record_id(sent.agency, sent.dataset, sent.key, sent.version, "cease")
    again = replace(sent, mark=own, record_id=own, stamp=f"{sent.stamp}, again", group=None)
    ground.send(again, Outcome.OK)
    return again


def _is_below_another(ground: Ground, row: FundRow) -> bool:
    entry = (row.agency, row.dataset, row.key)
    return any(
        (one.agency, one.dataset, one.key) == entry and one.version > row.version
        for one in ground.sent.values()
    )


def version_twice_in_the_fund(ground: Ground) -> None:
    """One that no consumer may see, which would be unseen; either may be the current one.

    Nor one below another that was sent: were that accepted, it would be reordered.
    """
    current = [row.record_id for row in ground.run.current]
    row = ground.pick(
        row
        for row in ground.run.history
        if row.record_id in current
        and not any(one.may_see(ground.sent[row.record_id]) for one in ENTITLED)
        and not _is_below_another(ground, row)
    )
    again = replace(ground.keep(_under_another_id(ground, row)), is_standing=True)
    ground.run.history[-1] = again
    ground.run.current[current.index(row.record_id)] = current_of(ground.pick([row, again]))


def version_under_two_ids_accepted(ground: Ground) -> None:
    """The fund refuses the second one."""
    row = ground.plain_row(Outcome.OK)
    again = _under_another_id(ground, row)
    if any(one.record_id == again.record_id for one in ground.run.refused):
        raise NowhereToPlantError
    record = ground.log_record(again, row.accepted.topic, row.accepted.partition)
    ground.run.accepted.append(record)
    ground.run.refused.append(refused(str(again.record_id)))


def _two_contents(ground: Ground, outcome: Outcome, *more: Outcome) -> None:
    row = ground.plain_row(outcome)
    again = ground.other_content(ground.sent[row.record_id])
    ground.send(again, *more)
    record = ground.log_record(again, row.accepted.topic, row.accepted.partition)
    ground.run.accepted.append(record)


def two_contents_of_an_acknowledged_id(ground: Ground) -> None:
    _two_contents(ground, Outcome.OK, Outcome.OK)


def two_contents_of_an_unknown_id(ground: Ground) -> None:
    _two_contents(ground, Outcome.INFO)


def two_open_rows_for_one_place(ground: Ground) -> None:
    rows = ground.run.quarantine
    rows.append(ground.pick(row for row in rows if not row.is_resolved))


def in_history_and_open_in_quarantine(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.quarantine.append(set_aside(row.record_id))


def held_and_open_in_quarantine(ground: Ground) -> None:
    row = _held_alone(ground)
    ground.run.quarantine.append(set_aside(row.record_id))


def held_and_refused_by_the_fund(ground: Ground) -> None:
    row = _held_alone(ground)
    ground.run.refused.append(refused(row.record_id))


def held_twice(ground: Ground) -> None:
    ground.run.held.append(_held_alone(ground))


def _held_alone(ground: Ground) -> HeldRow:
    return ground.pick(row for row in ground.run.held if ground.sent[row.record_id].group is None)


def in_history_and_refused_by_the_fund(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.refused.append(refused(row.record_id))


def refused_twice(ground: Ground) -> None:
    ground.run.refused.append(ground.pick(ground.run.refused))


def refused_by_the_fund_and_in_its_history(ground: Ground) -> None:
    """What it had to refuse, it took as well; that is a duplicate, too."""
    row = ground.pick(row for row in ground.run.refused if row.record_id not in ground.shared)
    sent = ground.sent_as(row.record_id)
    place = next(one.place for one in ground.run.accepted if one.record_id == row.record_id)
    ground.run.history.append(replace(ground.fund_row(sent), accepted=place))


PLANTED: Final = (
    (Name.LOST, acknowledged_and_not_in_the_fund),
    (Name.LOST, acknowledged_and_nowhere),
    (Name.LOST, unknown_seen_and_not_in_the_fund),
    (Name.LOST, acknowledged_and_only_its_conflict_is_refused),
    (Name.LOST, broken_and_not_in_quarantine),
    (Name.LOST, broken_and_accepted_instead),
    (Name.LOST, held_behind_what_is_there),
    (Name.LOST, group_held_though_nothing_is_missing),
    (Name.LOST, superseded_by_nothing),
    (Name.MISJUDGED, sound_and_set_aside),
    (Name.MISJUDGED, sound_and_closed_without_being_accepted),
    (Name.MISJUDGED, sound_group_set_aside_whole),
    (Name.MISJUDGED, sound_and_refused_by_the_fund),
    (Name.MISJUDGED, broken_open_and_shown),
    (Name.MISJUDGED, broken_open_and_accepted),
    (Name.MISJUDGED, broken_and_in_the_fund_where_quarantine_is_closed_for_it),
    (Name.DUPLICATE, twice_in_the_fund),
    (Name.DUPLICATE, version_twice_in_the_fund),
    (Name.DUPLICATE, version_under_two_ids_accepted),
    (Name.DUPLICATE, two_contents_of_an_acknowledged_id),
    (Name.DUPLICATE, two_open_rows_for_one_place),
    (Name.DUPLICATE, in_history_and_open_in_quarantine),
    (Name.DUPLICATE, held_and_open_in_quarantine),
    (Name.DUPLICATE, held_and_refused_by_the_fund),
    (Name.DUPLICATE, held_twice),
    (Name.DUPLICATE, in_history_and_refused_by_the_fund),
    (Name.DUPLICATE, refused_twice),
    (Name.INDETERMINATE_TWICE, unknown_twice_in_the_fund),
    (Name.INDETERMINATE_TWICE, two_contents_of_an_unknown_id),
)
