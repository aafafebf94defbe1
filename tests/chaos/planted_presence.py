"""Faults to plant: records that are not there, too often there, or of nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bus.wire.record_id import record_id
from tests.chaos.checker import Name
from tests.chaos.evidence import FundRow, LogRecord, Place, QuarantineRow, RefusedRow
from tests.chaos.fake_fund import current_of
from tests.chaos.fake_run import ENTITLED
from tests.chaos.ground import Ground, NowhereToPlantError
from tests.chaos.history import Fate, Outcome, Sent

ARCHIVE, MINISTRY, CITY = ENTITLED[:3]
NOBODYS: Final = "f" * 32
"""A record id that nobody sent."""


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


# misjudged


def sound_and_set_aside(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.history.remove(row)
    ground.take_away({row.record_id})
    ground.run.quarantine.append(_set_aside(row.record_id))


def sound_and_closed_without_being_accepted(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.history.remove(row)
    ground.take_away({row.record_id})
    aside = _set_aside(row.record_id)
    ground.run.quarantine.append(replace(aside, state="discarded", is_resolved=True))


def sound_and_refused_by_the_fund(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.history.remove(row)
    ground.run.refused.append(_refused(row.record_id))


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


def version_twice_in_the_fund(ground: Ground) -> None:
    """One that no consumer may see, which would be unseen; either may be the current one."""
    current = [row.record_id for row in ground.run.current]
    row = ground.pick(
        row
        for row in ground.run.history
        if row.record_id in current
        and not any(one.may_see(ground.sent[row.record_id]) for one in ENTITLED)
    )
    again = replace(ground.fund_row(_under_another_id(ground, row)), is_standing=True)
    ground.run.history.append(again)
    ground.run.current[current.index(row.record_id)] = current_of(ground.pick([row, again]))


def version_under_two_ids_accepted(ground: Ground) -> None:
    """The fund refuses the second one."""
    row = ground.plain_row(Outcome.OK)
    again = _under_another_id(ground, row)
    if any(one.record_id == again.record_id for one in ground.run.refused):
        raise NowhereToPlantError
    record = ground.log_record(again, row.accepted.topic, row.accepted.partition)
    ground.run.accepted.append(record)
    ground.run.refused.append(_refused(str(again.record_id)))


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
    ground.run.quarantine.append(_set_aside(row.record_id))


def _set_aside(mark: str | None) -> QuarantineRow:
    return QuarantineRow(
        inbound=Place("in.north.roads", 0, 10**6),
        mark=mark,
        reasons=("rule_violated",),
        state="open",
        is_resolved=False,
    )


# resurrected


def failed_and_accepted(ground: Ground) -> None:
    sent = ground.failed()
    ground.run.accepted.append(ground.log_record(sent, f"accepted.{sent.dataset}"))


def failed_and_in_a_view(ground: Ground) -> None:
    sent = ground.failed(seen_by=MINISTRY)
    ground.run.views.append(ground.log_record(sent, MINISTRY.topic))


def failed_and_in_the_fund(ground: Ground) -> None:
    ground.run.history.append(ground.fund_row(ground.failed()))


def failed_and_held(ground: Ground) -> None:
    """Though what it supersedes is in the history."""
    there = {row.record_id for row in ground.run.history}
    sent = ground.pick(sent for sent in ground.all_failed() if sent.supersedes in there)
    ground.run.held.append(ground.held_row(sent))


def failed_and_refused(ground: Ground) -> None:
    ground.run.refused.append(_refused(str(ground.failed().record_id)))


def _refused(own: str, reason: str = "conflicting_version") -> RefusedRow:
    return RefusedRow(inbound=Place("in.north.roads", 0, 10**6), record_id=own, reason=reason)


def failed_and_in_quarantine(ground: Ground) -> None:
    ground.run.quarantine.append(_set_aside(ground.failed().mark))


def failed_and_delivered(ground: Ground) -> None:
    ground.run.delivered.append(ground.delivered(ground.failed(seen_by=CITY), CITY))


# invented


def accepted_from_nowhere(ground: Ground) -> None:
    record = ground.pick(ground.run.accepted)
    ground.run.accepted.append(replace(record, record_id=NOBODYS, stamp="of nobody"))


def in_a_view_from_nowhere(ground: Ground) -> None:
    ground.run.views.append(replace(ground.pick(ground.run.views), record_id=NOBODYS))


def in_the_fund_from_nowhere(ground: Ground) -> None:
    row = ground.fund_row(ground.failed(), NOBODYS)
    ground.run.history.append(row)


def twice_in_the_fund_from_nowhere(ground: Ground) -> None:
    row = ground.fund_row(ground.failed(), NOBODYS)
    ground.run.history += [row, row]


def held_from_nowhere(ground: Ground) -> None:
    ground.run.held.append(replace(ground.held_row(ground.failed()), record_id=NOBODYS))


def refused_from_nowhere(ground: Ground) -> None:
    ground.run.refused.append(_refused(NOBODYS))


def delivered_from_nowhere(ground: Ground) -> None:
    ground.run.delivered.append(replace(ground.delivered(ground.failed(), CITY), record_id=NOBODYS))


def set_aside_from_nowhere(ground: Ground) -> None:
    ground.run.quarantine.append(_set_aside(None))


def set_aside_under_an_unknown_mark(ground: Ground) -> None:
    ground.run.quarantine.append(_set_aside("of nobody"))


def accepted_with_other_content(ground: Ground) -> None:
    _alter(ground, ground.run.accepted, stamp="of nobody")


def accepted_under_another_key(ground: Ground) -> None:
    _alter(ground, ground.run.accepted, key="77")


def in_a_view_as_another_version(ground: Ground) -> None:
    _alter(ground, ground.run.views, version=77)


def _alter(ground: Ground, log: list[LogRecord], **changed: str | int) -> None:
    index = ground.pick(range(len(log)))
    log[index] = replace(log[index], **changed)  # type: ignore[arg-type]


def in_the_fund_with_other_content(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.history[ground.run.history.index(row)] = replace(row, stamp="of nobody")


def in_the_fund_as_another_agencys(ground: Ground) -> None:
    row = ground.pick(row for row in ground.run.history if not row.is_standing)
    ground.run.history[ground.run.history.index(row)] = replace(row, agency="east")


PLANTED: Final = (
    (Name.LOST, acknowledged_and_not_in_the_fund),
    (Name.LOST, acknowledged_and_nowhere),
    (Name.LOST, unknown_seen_and_not_in_the_fund),
    (Name.LOST, acknowledged_and_only_its_conflict_is_refused),
    (Name.LOST, broken_and_not_in_quarantine),
    (Name.LOST, broken_and_accepted_instead),
    (Name.LOST, held_behind_what_is_there),
    (Name.LOST, group_held_though_nothing_is_missing),
    (Name.MISJUDGED, sound_and_set_aside),
    (Name.MISJUDGED, sound_and_closed_without_being_accepted),
    (Name.MISJUDGED, sound_and_refused_by_the_fund),
    (Name.DUPLICATE, twice_in_the_fund),
    (Name.DUPLICATE, version_twice_in_the_fund),
    (Name.DUPLICATE, version_under_two_ids_accepted),
    (Name.DUPLICATE, two_contents_of_an_acknowledged_id),
    (Name.DUPLICATE, two_open_rows_for_one_place),
    (Name.DUPLICATE, in_history_and_open_in_quarantine),
    (Name.INDETERMINATE_TWICE, unknown_twice_in_the_fund),
    (Name.INDETERMINATE_TWICE, two_contents_of_an_unknown_id),
    (Name.RESURRECTED, failed_and_accepted),
    (Name.RESURRECTED, failed_and_in_a_view),
    (Name.RESURRECTED, failed_and_in_the_fund),
    (Name.RESURRECTED, failed_and_held),
    (Name.RESURRECTED, failed_and_refused),
    (Name.RESURRECTED, failed_and_in_quarantine),
    (Name.RESURRECTED, failed_and_delivered),
    (Name.INVENTED, accepted_from_nowhere),
    (Name.INVENTED, in_a_view_from_nowhere),
    (Name.INVENTED, in_the_fund_from_nowhere),
    (Name.INVENTED, twice_in_the_fund_from_nowhere),
    (Name.INVENTED, held_from_nowhere),
    (Name.INVENTED, refused_from_nowhere),
    (Name.INVENTED, delivered_from_nowhere),
    (Name.INVENTED, set_aside_from_nowhere),
    (Name.INVENTED, set_aside_under_an_unknown_mark),
    (Name.INVENTED, accepted_with_other_content),
    (Name.INVENTED, accepted_under_another_key),
    (Name.INVENTED, in_a_view_as_another_version),
    (Name.INVENTED, in_the_fund_with_other_content),
    (Name.INVENTED, in_the_fund_as_another_agencys),
)
