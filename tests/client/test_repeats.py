from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.client.repeats import RecentIds
from bus.model.identifiers import RecordId
from tests.factories import Raw, one_signed


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


def test_a_record_without_an_id_is_passed_over() -> None:
    RecentIds().remember(Raw())
    RecentIds().remember(Raw(headers=[("ce_id", b"\xff")]))
