from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bus.client.assignment import Reading
from bus.client.repeats import RecentIds
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.record import Lane, Operation, RegistryRecord
from tests.factories import Raw, one_signed

RECORD = RegistryRecord(
    agency=AgencyCode("education-samara"),
    dataset=DatasetCode("schools"),
    key="k",
    version=1,
    operation=Operation.CREATE,
    record_id=RecordId("0" * 32),
    supersedes=None,
    schema_id=1,
    value=b"",
    event_time="2026-03-31T20:00:00Z",
    lane=Lane.LIVE,
    system=SystemCode("edu-registry"),
    bus_in="in.education-samara.schools/0/1",
    catalogue=1,
    appended_ms=0,
)


def identifier(number: int) -> RecordId:
    return RecordId(f"{number:032x}")


@given(st.lists(st.integers(0, 12)), st.integers(1, 6))
def test_a_repeat_within_the_window_is_recognised_and_nothing_else(
    numbers: list[int], size: int
) -> None:
    recent = RecentIds(size)
    for place, number in enumerate(numbers):
        between: set[int] = set()
        met = False
        for earlier in reversed(numbers[:place]):
            if earlier == number:
                met = len(between) < size
                break
            between.add(earlier)
        assert recent.is_repeat(identifier(number)) == met


def test_a_record_that_is_not_delivered_is_remembered_by_its_id() -> None:
    raw = one_signed()
    recent = RecentIds()
    recent.remember(raw)
    assert recent.is_repeat(RecordId(dict(raw.headers)["ce_id"].decode()))


def test_a_group_is_known_only_when_every_member_was_delivered_before() -> None:
    first, second, third = (replace(RECORD, record_id=identifier(number)) for number in range(3))
    recent = RecentIds()
    assert not recent.are_known([first], ())
    assert not recent.are_known([first, second], ())
    assert recent.are_known([second, first], ())
    assert not recent.are_known([first, third], {second.record_id})
    assert recent.are_known([replace(third, record_id=identifier(9))], {identifier(9)})


def test_a_group_that_a_fetch_cut_is_kept_until_its_other_members_come() -> None:
    group = [
        replace(
            one_signed(), offset=number, headers=[("bus_group", f"{'0' * 16}/{index}/3".encode())]
        )
        for index, number in enumerate(range(5, 8))
    ]
    alone = replace(one_signed(), offset=4)
    reading = Reading()
    assert reading.whole([alone, *group[:2]]) == [alone]
    assert reading.whole([]) == []
    assert reading.whole(group[2:]) == group
    assert reading.whole(group[1:]) == group[1:]  # the log begins inside


def test_a_record_without_an_id_is_passed_over() -> None:
    RecentIds().remember(Raw())
    RecentIds().remember(Raw(headers=[("ce_id", b"\xff")]))
