"""Faults to plant: in order, in groups, in rights, in reasons and proofs."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.chaos.checker import Name
from tests.chaos.evidence import CurrentRow, Entitled, LawBalance
from tests.chaos.fake_fund import current_of
from tests.chaos.fake_run import ENTITLED, EVERYTHING
from tests.chaos.ground import Ground, Row
from tests.chaos.history import Fate, Sent

ARCHIVE, MINISTRY, CITY = ENTITLED[:3]


# reordered


def accepted_before_a_lower_version(ground: Ground) -> None:
    ground.swap_versions(ground.run.accepted, lambda _: None)


def in_a_view_before_a_lower_version(ground: Ground) -> None:
    ground.swap_versions(ground.run.views, lambda _: None)


def delivered_before_a_lower_version(ground: Ground) -> None:
    ground.swap_versions(ground.run.delivered, lambda row: row.consumer)


def accepted_before_what_came_in_earlier(ground: Ground) -> None:
    ground.swap_entries()


def accepted_before_a_lower_version_that_either_catalogue_may_judge(ground: Ground) -> None:
    ground.swap_versions(
        ground.run.accepted,
        lambda _: None,
        may_be_late=lambda sent: sent.fate is Fate.EITHER and sent.group is None,
    )


def accepted_before_the_group_of_a_lower_version(ground: Ground) -> None:
    ground.accept_before_its_group()


# stale


def _current_and_older(ground: Ground) -> tuple[int, CurrentRow, CurrentRow]:
    """Choose a current row, by its place, and what an older version that stands would be."""
    return ground.pick(
        (index, current, current_of(row))
        for index, current in enumerate(ground.run.current)
        for row in ground.run.history
        if (row.agency, row.dataset, row.key) == (current.agency, current.dataset, current.key)
        and row.is_standing
        and row.version < current.version
    )


def current_is_older(ground: Ground) -> None:
    index, _, older = _current_and_older(ground)
    ground.run.current[index] = older


def current_has_the_id_of_an_older_one(ground: Ground) -> None:
    index, current, older = _current_and_older(ground)
    ground.run.current[index] = replace(current, record_id=older.record_id)


def current_has_the_version_of_an_older_one(ground: Ground) -> None:
    index, current, older = _current_and_older(ground)
    ground.run.current[index] = replace(current, version=older.version)


def current_has_the_values_of_an_older_one(ground: Ground) -> None:
    """Its own id and version, and what stood before."""
    index, current, older = _current_and_older(ground)
    ground.run.current[index] = replace(current, stamp=older.stamp)


def current_has_no_value(ground: Ground) -> None:
    index = ground.pick(range(len(ground.run.current)))
    ground.run.current[index] = replace(ground.run.current[index], stamp=None)


def current_is_missing(ground: Ground) -> None:
    ground.run.current.remove(ground.pick(ground.run.current))


def current_is_annulled(ground: Ground) -> None:
    entries = {(row.agency, row.dataset, row.key) for row in ground.run.current}
    ground.run.current.append(
        current_of(
            ground.pick(
                row
                for row in ground.run.history
                if (row.agency, row.dataset, row.key) not in entries
            )
        )
    )


def current_is_there_twice(ground: Ground) -> None:
    ground.run.current.append(ground.pick(ground.run.current))


# skipped


def offset_without_an_outcome(ground: Ground) -> None:
    ground.run.law.append(LawBalance(place="in.north.roads/0", missing=1, surplus=0))


def outcome_without_an_offset(ground: Ground) -> None:
    ground.run.law.append(LawBalance(place="quarantine.north", missing=0, surplus=1))


# torn


def member_held_alone(ground: Ground) -> None:
    sent = ground.member()
    ground.run.history[:] = [row for row in ground.run.history if row.record_id != sent.record_id]
    ground.run.held.append(ground.held_row(sent))
    ground.current_again()


def member_not_accepted(ground: Ground) -> None:
    rows, sent = ground.run.accepted, ground.member()
    rows[:] = [row for row in rows if row.record_id != sent.record_id]


def member_not_in_the_view(ground: Ground) -> None:
    rows, sent = ground.run.views, ground.member(visible_to=MINISTRY)
    rows[:] = [row for row in rows if row.record_id != sent.record_id]


def member_not_delivered(ground: Ground) -> None:
    """And the consumer takes the others for records that stand alone."""
    sent = ground.member(visible_to=ARCHIVE)
    _not_delivered(ground, ARCHIVE, {sent.mark})
    members = {one.record_id for one in ground.sent.values() if one.group == sent.group}
    ground.run.delivered[:] = [
        replace(row, group=None) if row.record_id in members else row
        for row in ground.run.delivered
    ]


def first_members_taken_again_alone(ground: Ground) -> None:
    rows = ground.run.delivered
    rows.append(ground.pick(row for row in rows if row.group and row.group.index == 0))


def first_members_taken_again_before_another_record(ground: Ground) -> None:
    rows = ground.run.delivered
    index, alone = ground.pick((index, row) for index, row in enumerate(rows) if row.group is None)
    first = (row for row in rows[:index] if row.group and row.group.index == 0)
    rows.insert(index, ground.pick(row for row in first if row.consumer == alone.consumer))


def last_members_taken_again_alone(ground: Ground) -> None:
    rows = ground.run.delivered
    rows.append(
        ground.pick(row for row in rows if row.group and row.group.index == row.group.size - 1)
    )


def member_taken_twice_within_its_group(ground: Ground) -> None:
    rows = ground.run.delivered
    index = ground.pick(
        index
        for index, row in enumerate(rows)
        if row.group and row.group.index < row.group.size - 1
    )
    rows.insert(index, rows[index])


def members_taken_in_another_order(ground: Ground) -> None:
    """The first and the last one are where they belong."""
    rows = ground.run.delivered
    index = ground.pick(
        index
        for index, row in enumerate(rows)
        if row.group and 0 < row.group.index < row.group.size - 2
    )
    rows[index], rows[index + 1] = rows[index + 1], rows[index]


def group_taken_with_another_record_between(ground: Ground) -> None:
    rows = ground.run.delivered
    index = ground.pick(
        index for index, row in enumerate(rows) if row.group is not None and row.group.index > 0
    )
    consumer = rows[index].consumer
    alone = (row for row in rows[:index] if row.consumer == consumer and row.group is None)
    rows.insert(index, ground.pick(alone))


def _alone(ground: Ground, rows: list[Row], topic: str, sent: Sent) -> None:
    """Let the members of a group look like records that stand for themselves."""
    members = {one.record_id for one in ground.sent.values() if one.group == sent.group}
    for index, row in enumerate(rows):
        if row.place.topic == topic and row.record_id in members:
            rows[index] = replace(row, group=None)


def group_accepted_as_records_that_stand_alone(ground: Ground) -> None:
    sent = ground.member()
    _alone(ground, ground.run.accepted, f"accepted.{sent.dataset}", sent)


def share_in_the_view_as_records_that_stand_alone(ground: Ground) -> None:
    _alone(ground, ground.run.views, MINISTRY.topic, ground.member(visible_to=MINISTRY))


def group_delivered_as_records_that_stand_alone(ground: Ground) -> None:
    _alone(ground, ground.run.delivered, ARCHIVE.topic, ground.member(visible_to=ARCHIVE))


def share_in_the_view_in_a_larger_group(ground: Ground) -> None:
    """Its consumer waits for a member that never comes."""
    rows, sent = ground.run.views, ground.member(visible_to=MINISTRY)
    for index, row in enumerate(rows):
        if row.record_id == sent.record_id and row.group is not None:
            rows[index] = replace(row, group=replace(row.group, size=row.group.size + 1))


# leaked


def _hidden_from(ground: Ground, entitled: Entitled, dataset: str) -> Sent:
    return ground.sent[
        ground.pick(
            row.record_id
            for row in ground.run.history
            if row.dataset == dataset
            and row.record_id in ground.sent
            and ground.is_plain(ground.sent[row.record_id])
            and not entitled.may_see(ground.sent[row.record_id])
        )
    ]


def row_in_a_view(ground: Ground) -> None:
    sent = _hidden_from(ground, CITY, "roads")
    ground.run.views.append(replace(ground.log_record(sent, CITY.topic), fields=CITY.fields))


def field_in_a_view(ground: Ground) -> None:
    index = ground.pick(range(len(ground.run.views)))
    ground.run.views[index] = replace(ground.run.views[index], fields=EVERYTHING)


def row_delivered(ground: Ground) -> None:
    sent = _hidden_from(ground, MINISTRY, "schools")
    ground.run.delivered.append(ground.delivered(sent, MINISTRY))


def field_delivered(ground: Ground) -> None:
    rows = ground.run.delivered
    index = ground.pick(
        index for index, row in enumerate(rows) if row.place.topic.startswith("view.")
    )
    rows[index] = replace(rows[index], fields=EVERYTHING)


def topic_without_an_agreement(ground: Ground) -> None:
    sent = _hidden_from(ground, MINISTRY, "roads")
    delivered = ground.delivered(sent, ARCHIVE)
    ground.run.delivered.append(replace(delivered, consumer=MINISTRY.consumer))


# reasonless


def set_aside_without_a_reason(ground: Ground) -> None:
    index = ground.pick(range(len(ground.run.quarantine)))
    ground.run.quarantine[index] = replace(ground.run.quarantine[index], reasons=())


def set_aside_for_an_unknown_reason(ground: Ground) -> None:
    index = ground.pick(range(len(ground.run.quarantine)))
    reasons = ("rule_violated", "because")
    ground.run.quarantine[index] = replace(ground.run.quarantine[index], reasons=reasons)


def refused_for_an_unknown_reason(ground: Ground) -> None:
    index = ground.pick(range(len(ground.run.refused)))
    ground.run.refused[index] = replace(ground.run.refused[index], reason="because")


# unsigned


def accepted_without_proof(ground: Ground) -> None:
    index = ground.pick(range(len(ground.run.accepted)))
    ground.run.accepted[index] = replace(ground.run.accepted[index], is_proved=False)


def in_a_view_without_proof(ground: Ground) -> None:
    index = ground.pick(range(len(ground.run.views)))
    ground.run.views[index] = replace(ground.run.views[index], is_proved=False)


# unseen


def not_delivered(ground: Ground) -> None:
    entitled = ground.pick(ENTITLED)
    sent = ground.pick(
        ground.sent[row.record_id]
        for row in ground.run.history
        if ground.is_plain(ground.sent[row.record_id])
        and entitled.may_see(ground.sent[row.record_id])
    )
    _not_delivered(ground, entitled, {sent.mark})


def group_not_delivered(ground: Ground) -> None:
    sent = ground.member(visible_to=MINISTRY)
    members = {mark for mark, one in ground.sent.items() if one.group == sent.group}
    _not_delivered(ground, MINISTRY, members)


def _not_delivered(ground: Ground, entitled: Entitled, marks: set[str]) -> None:
    ground.run.delivered[:] = [
        row
        for row in ground.run.delivered
        if row.record_id not in marks
        or (row.consumer, row.place.topic) != (entitled.consumer, entitled.topic)
    ]


def in_a_view_and_can_not_be_read(ground: Ground) -> None:
    index = ground.pick(range(len(ground.run.views)))
    ground.run.views[index] = replace(ground.run.views[index], fields=frozenset())


def delivered_without_any_field(ground: Ground) -> None:
    index = ground.pick(range(len(ground.run.delivered)))
    ground.run.delivered[index] = replace(ground.run.delivered[index], fields=frozenset())


def delivered_without_a_field(ground: Ground) -> None:
    rows = ground.run.delivered
    index = ground.pick(index for index, row in enumerate(rows) if len(row.fields) > 1)
    fields = rows[index].fields - {ground.pick(sorted(rows[index].fields))}
    rows[index] = replace(rows[index], fields=fields)


def delivered_with_fields_of_two_schema_versions(ground: Ground) -> None:
    """All of them agreed, and more of them than either version has."""
    versions = (frozenset({"number", "stamp"}), frozenset({"stamp", "size"}))
    entitled = ground.run.entitled
    entitled[:] = [
        replace(one, shapes=frozenset(versions)) if one.topic == ARCHIVE.topic else one
        for one in entitled
    ]
    rows = ground.run.delivered
    places = [index for index, row in enumerate(rows) if row.place.topic == ARCHIVE.topic]
    for index in places:
        rows[index] = replace(rows[index], fields=ground.pick(versions))
    index = ground.pick(places)
    rows[index] = replace(rows[index], fields=ARCHIVE.fields)


PLANTED: Final = (
    (Name.REORDERED, accepted_before_a_lower_version),
    (Name.REORDERED, in_a_view_before_a_lower_version),
    (Name.REORDERED, delivered_before_a_lower_version),
    (Name.REORDERED, accepted_before_what_came_in_earlier),
    (Name.REORDERED, accepted_before_a_lower_version_that_either_catalogue_may_judge),
    (Name.REORDERED, accepted_before_the_group_of_a_lower_version),
    (Name.STALE, current_is_older),
    (Name.STALE, current_has_the_id_of_an_older_one),
    (Name.STALE, current_has_the_version_of_an_older_one),
    (Name.STALE, current_has_the_values_of_an_older_one),
    (Name.STALE, current_has_no_value),
    (Name.STALE, current_is_missing),
    (Name.STALE, current_is_annulled),
    (Name.STALE, current_is_there_twice),
    (Name.SKIPPED, offset_without_an_outcome),
    (Name.SKIPPED, outcome_without_an_offset),
    (Name.TORN, member_held_alone),
    (Name.TORN, member_not_accepted),
    (Name.TORN, member_not_in_the_view),
    (Name.TORN, member_not_delivered),
    (Name.TORN, first_members_taken_again_alone),
    (Name.TORN, first_members_taken_again_before_another_record),
    (Name.TORN, last_members_taken_again_alone),
    (Name.TORN, member_taken_twice_within_its_group),
    (Name.TORN, members_taken_in_another_order),
    (Name.TORN, group_taken_with_another_record_between),
    (Name.TORN, group_accepted_as_records_that_stand_alone),
    (Name.TORN, share_in_the_view_as_records_that_stand_alone),
    (Name.TORN, group_delivered_as_records_that_stand_alone),
    (Name.TORN, share_in_the_view_in_a_larger_group),
    (Name.LEAKED, row_in_a_view),
    (Name.LEAKED, field_in_a_view),
    (Name.LEAKED, row_delivered),
    (Name.LEAKED, field_delivered),
    (Name.LEAKED, topic_without_an_agreement),
    (Name.REASONLESS, set_aside_without_a_reason),
    (Name.REASONLESS, set_aside_for_an_unknown_reason),
    (Name.REASONLESS, refused_for_an_unknown_reason),
    (Name.UNSIGNED, accepted_without_proof),
    (Name.UNSIGNED, in_a_view_without_proof),
    (Name.UNSEEN, not_delivered),
    (Name.UNSEEN, group_not_delivered),
    (Name.UNSEEN, in_a_view_and_can_not_be_read),
    (Name.UNSEEN, delivered_without_any_field),
    (Name.UNSEEN, delivered_without_a_field),
    (Name.UNSEEN, delivered_with_fields_of_two_schema_versions),
)
