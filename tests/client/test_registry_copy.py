from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.client import DeliveredRecord, RegistryCopy
from bus.errors import DocumentError
from bus.merge import EMPTY_ENTRY, Outcome, Version, merge
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.model.record import Group, Lane, Operation, Presence
from bus.wire.record_id import record_id
from bus.wire.topics import Position

AGENCY = AgencyCode("education-samara")
DATASET = DatasetCode("educational-institutions")


def delivered(
    version: int,
    operation: Operation = Operation.CREATE,
    supersedes: RecordId | None = None,
    key: str = "k",
    **fields: object,
) -> DeliveredRecord:
    return DeliveredRecord(
        agency=AGENCY,
        dataset=DATASET,
        key=key,
        version=version,
        operation=operation,
        record_id=record_id(AGENCY, DATASET, key, version, operation),
        supersedes=supersedes,
        event_time="2026-03-31T20:00:00Z",
        lane=Lane.LIVE,
        fields=fields or {"places": version},
        position=Position(topic="accepted.x", partition=0, offset=version),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[DeliveredRecord]:
    """Versions of two entries, each after a create superseding any one, known or not."""
    records: list[DeliveredRecord] = []
    for key in ("k", "other"):
        ids: list[RecordId] = []
        for version in range(1, draw(st.integers(1, 7)) + 1):
            operation = draw(st.sampled_from(Operation)) if ids else Operation.CREATE
            predecessor = None if operation is Operation.CREATE else draw(st.sampled_from(ids))
            record = delivered(version, operation, predecessor, key)
            ids.append(record.record_id)
            records.append(record)
    return [record for record in records if draw(st.integers(0, 9)) > 0]


def fund_says(records: Sequence[DeliveredRecord], key: str) -> tuple[int | None, int | None]:
    """Merge by the fund's rule, all at once and in order."""
    versions = [
        Version(
            version=record.version,
            record_id=record.record_id,
            operation=Operation(record.operation),
            supersedes=record.supersedes,
            content=b"",
        )
        for record in records
        if record.key == key
    ]
    entry = merge(EMPTY_ENTRY, versions).entry
    return entry.current, entry.ceased_by


@given(histories(), st.randoms(use_true_random=False))
def test_a_copy_says_what_the_fund_says_in_whatever_order_and_number_records_come(
    records: list[DeliveredRecord], chance: random.Random
) -> None:
    copy = RegistryCopy(DATASET)
    again = [chance.choice(records) for _ in records]
    for record in chance.sample([*records, *again], len(records) + len(again)):
        copy.apply(record)
    for key in ("k", "other"):
        entry = copy.entry(AGENCY, key)
        current, ceased_by = fund_says(records, key)
        found = (None, None) if entry is None else (entry.current, entry.ceased_by)
        assert tuple(one and one.version for one in found) == (current, ceased_by)


def test_a_copy_tells_history_and_what_is_held_apart() -> None:
    first, third = delivered(1), delivered(3, Operation.CORRECT, RecordId("0" * 32))
    annul = delivered(2, Operation.ANNUL, first.record_id)
    copy = RegistryCopy(DATASET)
    outcomes = [copy.apply(record) for record in (first, third, annul, first)]
    assert outcomes == [Outcome.INSERTED, Outcome.HELD, Outcome.INSERTED, Outcome.REPEAT]
    entry = copy.entry(AGENCY, "k")
    assert entry is not None
    assert (entry.current, entry.history, entry.held) == (None, (first, annul), (third,))
    assert list(copy.current()) == []
    assert copy.has(third)
    assert not copy.has(delivered(4))


def test_another_value_under_the_same_version_is_a_conflict_and_changes_nothing() -> None:
    copy = RegistryCopy(DATASET)
    copy.apply(delivered(1, places=1))
    assert copy.apply(delivered(1, places=2)) is Outcome.CONFLICT
    (standing,) = copy.current()
    assert standing.fields == {"places": 1}


def test_a_record_of_another_dataset_is_refused() -> None:
    with pytest.raises(DocumentError, match="make a copy for each dataset"):
        RegistryCopy(DatasetCode("organisations")).apply(delivered(1))


def test_a_group_joins_a_copy_whole_when_what_it_follows_has_come() -> None:
    first = delivered(1, key="wrong")
    members = [delivered(2, Operation.ANNUL, first.record_id, "wrong"), delivered(1, key="right")]
    group = [
        replace(one, group=Group(id="0" * 16, index=index, size=2))
        for index, one in enumerate(members)
    ]
    copy = RegistryCopy(DATASET)
    assert copy.apply_together(group) == (Outcome.HELD, Outcome.HELD)
    follower = delivered(2, Operation.CORRECT, members[1].record_id, "right")
    assert copy.apply(follower) is Outcome.HELD
    assert list(copy.current()) == []
    assert copy.apply_together(group) == (Outcome.REPEAT, Outcome.REPEAT)
    assert copy.apply(first) is Outcome.INSERTED
    assert [(one.key, one.version) for one in copy.current()] == [("right", 2)]
    rival = [replace(group[0], version=5), replace(group[1], fields={"places": 9})]
    outcomes = copy.apply_together(rival)
    assert outcomes == (Outcome.GROUP_REFUSED, Outcome.CONFLICT)


def row(number: int, presence: Presence, view: str = "view.one", key: str = "k") -> DeliveredRecord:
    return replace(
        delivered(number, key=key),
        operation=presence,
        record_id=RecordId(f"{view}/{key}/{number}/{presence}"),
        fields={"places": number} if presence is Presence.STANDS else {},
        position=Position(topic=view, partition=0, offset=number),
    )


@given(st.lists(st.sampled_from(Presence), min_size=1, max_size=6), st.randoms())
def test_of_a_standing_view_the_highest_number_says_all_in_whatever_order_records_come(
    presences: list[Presence], chance: random.Random
) -> None:
    records = [row(number, one) for number, one in enumerate(presences, start=1)]
    sent = records + chance.choices(records, k=3)
    chance.shuffle(sent)
    copy = RegistryCopy(DATASET)
    for record in sent:
        copy.apply(record)
    stands = records[-1:] if presences[-1] is Presence.STANDS else []
    assert list(copy.current()) == stands
    assert list(copy) == [(AGENCY, "k") for _ in stands]
    assert len(copy) == len(stands)
    found = copy.entry(AGENCY, "k")
    assert (found and found.current) == (stands[0] if stands else None)


def test_a_row_that_left_does_not_come_back_with_a_repeat() -> None:
    copy = RegistryCopy(DATASET)
    first, left = row(1, Presence.STANDS), row(2, Presence.LEFT)
    outcomes = [copy.apply(one) for one in (first, left, first, left)]
    assert outcomes == [Outcome.INSERTED, Outcome.INSERTED, Outcome.REPEAT, Outcome.REPEAT]
    assert copy.entry(AGENCY, "k") is None


def test_two_standing_views_number_an_entry_each_for_itself() -> None:
    copy = RegistryCopy(DATASET)
    copy.apply(row(1, Presence.STANDS))
    copy.apply(row(2, Presence.LEFT))
    copy.apply(row(1, Presence.STANDS, "view.two"))
    (stands,) = copy.current()
    assert stands.position.topic == "view.two"


def test_a_standing_view_and_versions_of_one_entry_lie_side_by_side() -> None:
    copy = RegistryCopy(DATASET)
    copy.apply(delivered(7))
    copy.apply(row(1, Presence.STANDS))
    copy.apply(row(2, Presence.LEFT))
    assert [one.version for one in copy.current()] == [7]
    assert len(copy) == 1
