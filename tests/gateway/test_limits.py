from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.gateway.problems import Problem
from bus.gateway.rates import Rates
from bus.gateway.replays import Replays
from bus.gateway.resume import parse_resume_token, resume_token
from bus.model.identifiers import DatasetCode, SystemCode

HASTY, PATIENT = SystemCode("hasty"), SystemCode("patient")
SCHOOLS, ROADS = DatasetCode("schools"), DatasetCode("roads")
POSITIONS = st.dictionaries(
    st.text("abcdefghij.-", min_size=1), st.lists(st.integers(0, 2**62), max_size=9).map(tuple)
)


def taken(rates: Rates, system: SystemCode, now_s: float) -> bool:
    try:
        rates.take(system, now_s)
    except Problem as problem:
        told: object = (problem.status, problem.code)
    else:
        told = None
    assert told in {None, (429, "too_many")}
    return told is None


def test_who_asks_too_often_waits_and_nobody_else_does() -> None:
    rates = Rates(per_s=2, at_once=3)
    assert [taken(rates, HASTY, 10.0) for _ in range(4)] == [True, True, True, False]
    assert taken(rates, PATIENT, 10.0)
    assert [taken(rates, HASTY, 10.5) for _ in range(2)] == [True, False]
    assert [taken(rates, HASTY, 99.0) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.floats(0, 2), max_size=60))
def test_in_no_time_more_is_taken_than_the_bucket_and_what_flows_in(pauses: list[float]) -> None:
    rates, now_s, count = Rates(per_s=5, at_once=3), 0.0, 0
    for pause_s in pauses:
        now_s += pause_s
        count += taken(rates, HASTY, now_s)
    assert count <= 3 + 5 * now_s + 1e-6


def test_a_signed_request_is_taken_once_while_it_is_fresh() -> None:
    replays = Replays()
    replays.take(b"first", 0.0)
    replays.take(b"second", 1.0)
    with pytest.raises(Problem) as caught:
        replays.take(b"first", 120.0)
    assert (caught.value.status, caught.value.code) == (401, "replayed")
    replays.take(b"first", 122.0)  # it is not fresh any more; the signature's time refuses it


@given(POSITIONS)
def test_a_token_says_its_positions_and_for_which_dataset(
    positions: dict[str, tuple[int, ...]],
) -> None:
    token = resume_token(SCHOOLS, positions)
    assert parse_resume_token(SCHOOLS, token) == positions
    assert parse_resume_token(ROADS, token) is None


@given(POSITIONS, st.data())
def test_a_token_that_was_changed_is_none(
    positions: dict[str, tuple[int, ...]], data: st.DataObject
) -> None:
    token = resume_token(SCHOOLS, positions)
    place = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("AZaz09-_é\0 ").filter(lambda sign: sign != token[place]))
    changed = token[:place] + other + token[place + 1 :]
    assert parse_resume_token(SCHOOLS, changed) is None
    assert parse_resume_token(SCHOOLS, token[:place]) is None


@given(st.text())
def test_nothing_made_up_is_a_token(text: str) -> None:
    assert parse_resume_token(SCHOOLS, text) is None
