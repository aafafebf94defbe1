"""Leaves of enforcement taken together: every offset told of, repeats alike."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bus.audit.leaf import BatchLeaf
from bus.audit.spans import Hole, spans_of

TOPIC = "in.town.roads"
SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 12)).map(lambda one: (one[0], one[0] + one[1])),
    min_size=1,
    max_size=20,
)


def leaf(start: int, end: int, **changed: object) -> BatchLeaf:
    made = BatchLeaf(
        writer="bus.enforce.host.0",
        topic=TOPIC,
        partition=0,
        start=start,
        end=end,
        accepted=end - start,
        refused=0,
        catalogue=1,
        root=f"{start}-{end}",
    )
    return replace(made, **changed)  # type: ignore[arg-type]


@given(SPANS)
def test_holes_are_what_no_leaf_covers_between_the_first_and_the_last(
    given_spans: list[tuple[int, int]],
) -> None:
    spans = spans_of(leaf(*span) for span in given_spans)
    covered = {offset for start, end in given_spans for offset in range(start, end)}
    missing = set(range(min(covered), max(covered) + 1)) - covered
    assert {offset for one in spans.holes() for offset in range(one.start, one.end)} == missing
    assert spans.reached() == {(TOPIC, 0): max(covered) + 1}
    assert spans.batches == len(given_spans)


@given(SPANS)
def test_repeats_are_leaves_of_which_a_part_was_told_before(
    given_spans: list[tuple[int, int]],
) -> None:
    seen: set[int] = set()
    repeats = 0
    for start, end in given_spans:
        repeats += not seen.isdisjoint(range(start, end))
        seen |= set(range(start, end))
    assert spans_of(leaf(*span) for span in given_spans).repeats == repeats


def test_partitions_have_nothing_to_do_with_one_another() -> None:
    spans = spans_of([leaf(0, 5), leaf(7, 9, partition=1), leaf(5, 7), leaf(9, 10, partition=1)])
    assert not list(spans.holes())
    spans.add(leaf(12, 13, partition=1))
    assert list(spans.holes()) == [Hole(topic=TOPIC, partition=1, start=10, end=12)]


def test_a_batch_that_is_judged_again_contradicts_nothing() -> None:
    again = [leaf(0, 5), leaf(5, 9), leaf(0, 5), leaf(5, 7), leaf(7, 9), leaf(5, 9, catalogue=2)]
    spans = spans_of(again)
    assert (spans.repeats, spans.contradictions) == (4, [])


def test_one_span_under_one_catalogue_with_two_outcomes_is_a_contradiction() -> None:
    for other in ({"root": "x"}, {"accepted": 4, "refused": 1}):
        spans = spans_of([leaf(0, 5), leaf(0, 5, **other)])
        assert [(one.start, one.end) for one in spans.contradictions] == [(0, 5)]
