from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bus.contracts.contract import ANSWER_WORKING_DAYS_MAX
from bus.provision.topic_plan import REQUESTS_KEPT_DAYS
from bus.requests.deadline import schedule
from bus.requests.state import Happening, RequestState, following

FIRST = {Happening.FOUND, Happening.NOT_COVERED, Happening.ROUTED}


@given(st.lists(st.sampled_from(Happening)))
def test_a_request_begins_once_and_what_is_final_stays(happenings: list[Happening]) -> None:
    state: RequestState | None = None
    settled = 0
    for happening in happenings:
        found = following(state, happening)
        if found is None:
            assert state is not RequestState.ASKED or happening in FIRST
            continue
        assert (state is None) == (happening in FIRST)
        assert state in {None, RequestState.ASKED}
        settled += found is not RequestState.ASKED
        state = found
    assert settled <= 1
    assert (settled == 1) == (state not in {None, RequestState.ASKED})


def test_every_state_can_be_reached_and_asked_alone_can_be_left() -> None:
    first = {following(None, happening) for happening in FIRST}
    last = {following(RequestState.ASKED, happening) for happening in Happening}
    assert (first | last) - {None} == set(RequestState)
    for state in set(RequestState) - {RequestState.ASKED}:
        assert not any(following(state, happening) for happening in Happening)


@given(
    asked_at=st.integers(1_767_225_600, 1_893_456_000).map(
        lambda seconds: datetime.fromtimestamp(seconds, UTC)
    ),
    days=st.integers(1, ANSWER_WORKING_DAYS_MAX),
)
def test_a_provider_has_whole_working_days_and_is_told_in_time(
    asked_at: datetime, days: int
) -> None:
    due = schedule(asked_at, days)
    assert asked_at < due.remind < due.escalate < due.deadline
    assert due.deadline.weekday() < 5
    passed = asked_at
    working = timedelta()
    while passed < due.deadline:
        midnight = (passed + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        until = min(midnight, due.deadline)
        working += (until - passed) if passed.weekday() < 5 else timedelta()
        passed = until
    assert working == timedelta(days=days)
    # What is told of a request is kept until long after it is settled.
    assert (due.deadline - asked_at).total_seconds() * 2 <= REQUESTS_KEPT_DAYS * 86_400


def test_a_weekend_gives_no_time() -> None:
    friday = datetime(2026, 6, 5, 15, tzinfo=UTC)
    assert schedule(friday, 1).deadline == datetime(2026, 6, 8, 15, tzinfo=UTC)
    saturday = friday + timedelta(days=1)
    assert schedule(saturday, 1).deadline == datetime(2026, 6, 9, tzinfo=UTC)
