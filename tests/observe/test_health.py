from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.observe.ages import Ages
from bus.observe.health import Ailment, StallWatch, Sustained

PLACE = ("in.agency.dataset", 2)
OTHER = ("in.agency.dataset", 3)
LIMIT_S = 30.0


def looks(*steps: tuple[float, int, bool]) -> list[bool]:
    """Whether the watch found a stall at each (time, position, behind)."""
    watch = StallWatch(LIMIT_S)
    return [
        bool(watch.look(now_s, {PLACE: position}, frozenset([PLACE] if behind else [])))
        for now_s, position, behind in steps
    ]


def test_a_position_that_stands_still_while_records_wait_is_a_problem_after_the_limit() -> None:
    assert looks((0, 7, True), (29, 7, True), (30, 7, True), (31, 7, True)) == [
        False,
        False,
        True,
        True,
    ]


def test_an_idle_partition_is_well_for_ever_and_its_rest_does_not_count_when_records_come() -> None:
    assert looks((0, 7, False), (900, 7, False), (901, 7, True), (930, 7, True)) == [False] * 4


def test_a_backlog_that_is_worked_off_slowly_is_well() -> None:
    assert looks(*[(20.0 * step, step, True) for step in range(50)]) == [False] * 50


def test_a_partition_that_was_given_away_and_came_back_begins_anew() -> None:
    watch = StallWatch(LIMIT_S)
    watch.look(0, {PLACE: 7}, frozenset([PLACE]))
    watch.look(20, {}, frozenset())
    assert watch.look(35, {PLACE: 7}, frozenset([PLACE])) == ()


def test_the_problem_names_the_partition_and_for_how_long() -> None:
    watch = StallWatch(LIMIT_S)
    watch.look(100, {PLACE: 7, OTHER: 1}, frozenset([PLACE, OTHER]))
    (problem,) = watch.look(140, {PLACE: 7, OTHER: 2}, frozenset([PLACE, OTHER]))
    assert problem.ailment is Ailment.POSITION_STALLED
    assert problem.where == "in.agency.dataset/2"
    assert problem.since_s == 40


def test_a_condition_that_is_interrupted_is_no_problem() -> None:
    silence = Sustained(Ailment.KAFKA_SILENT, LIMIT_S)
    assert silence.look(0, holds=True) == ()
    assert silence.look(29, holds=False) == ()
    assert silence.look(31, holds=True) == ()
    assert silence.look(61, holds=True) != ()


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 2), st.sampled_from([None, 5])), max_size=12
    )
)
def test_an_age_is_asked_for_once_a_position_and_an_answer_never_outlives_it(
    steps: list[tuple[int, int, int | None]],
) -> None:
    """Drive a partition through (position, waiting, in hand) and answer what is asked."""
    ages = Ages()
    answered: int | None = None
    for position, waiting, handed in sorted(steps, key=lambda step: step[0]):
        spans = {PLACE: (position, position + waiting)} if waiting else {}
        ages.keep(spans, {PLACE: handed})
        asked = ages.unknown()
        if handed is not None or not waiting or answered == position:
            assert asked == {}
        else:
            assert asked == {PLACE: position}
            ages.learn({PLACE: 1_000 + position})
        answered = position if waiting else None
        if waiting:
            assert ages.of_waiting()[PLACE] in {handed, 1_000 + position, 5}
        else:
            assert ages.of_waiting() == {}


def test_transaction_markers_alone_are_no_lag_until_something_follows_them() -> None:
    ages = Ages()
    ages.keep({PLACE: (7, 8)}, {})
    ages.learn({PLACE: None})
    assert ages.of_waiting() == {}
    ages.keep({PLACE: (7, 8)}, {})
    assert ages.unknown() == {}
    ages.keep({PLACE: (7, 9)}, {})
    assert ages.unknown() == {PLACE: 7}
    assert ages.of_waiting() == {PLACE: None}
