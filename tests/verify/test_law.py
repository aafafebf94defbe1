from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bus.verify.law import (
    AcceptedLaw,
    InboundLaw,
    InboundMarks,
    QuarantineLaw,
    ReleaseLaw,
    Verification,
    inbound_law,
)

BEGIN, COMMITTED = 10, 40
offsets = st.sets(st.integers(BEGIN, COMMITTED - 1))


def law(records: set[int], accepted: Sequence[int], quarantined: Sequence[int]) -> InboundLaw:
    marks = InboundMarks(begin=BEGIN, committed=COMMITTED)
    for offset in records:
        marks.record(offset)
    for offset in accepted:
        marks.accepted(offset)
    for offset in quarantined:
        marks.quarantined(offset)
    return inbound_law("in.a.b", 0, marks, committed=COMMITTED, end=COMMITTED + 3)


@given(offsets, offsets)
def test_the_law_holds_where_every_record_has_an_outcome(first: set[int], second: set[int]) -> None:
    found = law(first | second, sorted(first), sorted(second - first))
    assert found.holds
    assert found.accepted + found.quarantined == found.records == len(first | second)


@given(offsets.filter(bool), st.data())
def test_one_record_without_an_outcome_is_lost_and_named(
    records: set[int], data: st.DataObject
) -> None:
    lost = data.draw(st.sampled_from(sorted(records)))
    found = law(records, sorted(records - {lost}), [])
    assert (found.lost, found.first_lost, found.holds) == (1, lost, False)


@given(offsets, st.integers(BEGIN, COMMITTED - 1))
def test_an_outcome_without_a_record_is_invented(records: set[int], other: int) -> None:
    found = law(records - {other}, sorted(records | {other}), [])
    assert (found.invented, found.holds) == (1, False)


@given(offsets)
def test_repeated_outcomes_count_once(records: set[int]) -> None:
    twice = [*sorted(records), *sorted(records)]
    assert law(records, twice, []) == law(records, sorted(records), [])


def test_accepted_wins_over_quarantine() -> None:
    found = law({12}, [12], [12])
    assert (found.accepted, found.quarantined, found.holds) == (1, 0, True)


def test_what_lies_beyond_the_commit_or_before_the_log_is_left_out() -> None:
    assert law({5, 40, 41}, [5, 41], [40]) == law(set(), [], [])


def test_what_the_log_lost_before_it_was_judged_breaks_the_law() -> None:
    marks = InboundMarks(begin=12, committed=10)
    found = inbound_law("in.a.b", 0, marks, committed=10, end=15)
    assert (found.removed, found.lag, found.holds) == (2, 3, False)


def test_a_topic_cut_short_is_held_against_rows_and_counters_alone() -> None:
    assert accepted(records=3, is_whole=False).holds
    assert not accepted(records=9, is_whole=False).holds
    assert not accepted(records=3, history=3, is_whole=False).holds


def accepted(**changed: int) -> AcceptedLaw:
    sound: dict[str, Any] = {
        "partition": 0, "position": 9, "records": 8, "history": 4, "refused": 1, "held": 1,
        "repeats": 2, "kept_records": 8, "is_whole": True, "lag": 0,
    }  # fmt: skip
    return AcceptedLaw(topic="accepted.b", **{**sound, **changed})


def test_a_released_record_is_accepted_and_told_apart() -> None:
    marks = InboundMarks(begin=0, committed=3)
    for offset in range(3):
        marks.record(offset)
        marks.quarantined(offset)
    for offset in (1, 2):
        marks.accepted(offset)
    marks.released(2)
    found = inbound_law("in.a.b", 0, marks, committed=3, end=3)
    assert (found.accepted, found.released, found.quarantined) == (2, 1, 1)
    assert found.holds


def verification(
    *,
    accepted_law: AcceptedLaw | None = None,
    missing: int = 0,
    lost: int = 0,
    doubled: int = 0,
    lost_release: int = 0,
) -> Verification:
    release = ReleaseLaw(
        topic="release.a",
        partition=0,
        committed=2,
        releases=2,
        accepted=1,
        lost=lost_release,
        lag=0,
    )
    return Verification(
        inbound=(law({12}, [12], []),),
        releases=(release,),
        accepted=(accepted_law or accepted(),),
        quarantine=(QuarantineLaw(topic="quarantine.a", distinct=3, missing=missing, lag=0),),
        accepted_ids=8,
        lost_in_fund=lost,
        doubled_in_fund=doubled,
    )


def test_the_whole_holds_only_where_every_part_does() -> None:
    assert verification().holds
    for changed in ("records", "history", "refused", "held", "repeats", "kept_records"):
        assert not verification(accepted_law=accepted(**{changed: 5})).holds, changed
    assert not verification(missing=1).holds
    assert not verification(lost=1).holds
    assert not verification(lost_release=1).holds
    assert not verification(doubled=1).holds
