from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.history import (
    Event,
    Fate,
    History,
    HistoryWriter,
    Outcome,
    Sent,
    history_of,
    read_events,
    read_history,
)

FIRST = Sent(
    mark="first",
    process="roads.publisher",
    agency="roads",
    dataset="bridges",
    key="63-0001",
    version=1,
    record_id="first",
    stamp="Мост № 1",
    fate=Fate.QUARANTINED,
    group="g",
    group_size=2,
)
SECOND = replace(FIRST, mark="second", record_id=None, fate=Fate.ACCEPTED, supersedes="first")


def outcome_of(*ends: Outcome | None) -> Outcome:
    """What becomes of a mark whose attempts ended so, one after the other."""
    events: list[Event] = []
    for end in ends:
        events.append(Event(at_ms=0, outcome=Outcome.INVOKE, sent=FIRST))
        if end is not None:
            events.append(Event(at_ms=1, outcome=end, marks=(FIRST.mark,)))
    return history_of(events).outcomes[FIRST.mark]


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        ((None,), Outcome.INFO),
        ((Outcome.INFO,), Outcome.INFO),
        ((Outcome.OK,), Outcome.OK),
        ((Outcome.FAIL,), Outcome.FAIL),
        ((Outcome.FAIL, Outcome.FAIL, Outcome.FAIL), Outcome.FAIL),
        ((Outcome.FAIL, None), Outcome.INFO),
        ((None, Outcome.FAIL), Outcome.INFO),
        ((Outcome.INFO, Outcome.FAIL), Outcome.INFO),
        ((Outcome.OK, Outcome.FAIL), Outcome.OK),
        ((Outcome.FAIL, Outcome.OK), Outcome.OK),
        ((Outcome.OK, None), Outcome.OK),
        ((Outcome.FAIL, Outcome.INFO, Outcome.FAIL), Outcome.INFO),
    ],
)
def test_any_success_counts_and_only_failures_alone_are_a_failure(
    ends: tuple[Outcome | None, ...], outcome: Outcome
) -> None:
    assert outcome_of(*ends) is outcome


@given(st.lists(st.sampled_from([None, Outcome.OK, Outcome.FAIL, Outcome.INFO]), min_size=1))
def test_the_order_of_attempts_does_not_decide(ends: list[Outcome | None]) -> None:
    assert outcome_of(*ends) is outcome_of(*reversed(ends))


def test_a_failure_told_twice_takes_nothing_from_the_attempt_behind_it() -> None:
    invoke = Event(at_ms=0, outcome=Outcome.INVOKE, sent=FIRST)
    fail = Event(at_ms=0, outcome=Outcome.FAIL, marks=(FIRST.mark,))
    assert history_of([invoke, fail, fail, invoke]).outcomes == {FIRST.mark: Outcome.INFO}


def test_what_ends_without_a_beginning_is_refused() -> None:
    with pytest.raises(ValueError, match="no line before begins it"):
        history_of([Event(at_ms=0, outcome=Outcome.OK, marks=("stranger",))])


def test_other_content_under_a_mark_is_kept_beside_the_first() -> None:
    altered = replace(FIRST, stamp="Мост № 2")
    tried = [FIRST, FIRST, altered]
    history = history_of(Event(at_ms=0, outcome=Outcome.INVOKE, sent=sent) for sent in tried)
    assert history.sent == {FIRST.mark: FIRST}
    assert history.altered == (altered,)


def write(path: Path, sent: Iterable[Sent], *ends: tuple[Outcome, list[str]]) -> None:
    with HistoryWriter(path) as writer:
        writer.invoke(sent, at_ms=5)
        for outcome, marks in ends:
            writer.end(outcome, marks, at_ms=7)


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "one"
    write(path, [FIRST, SECOND], (Outcome.OK, ["first", "second"]), (Outcome.INFO, ["first"]))
    assert list(read_events(path)) == [
        Event(at_ms=5, outcome=Outcome.INVOKE, sent=FIRST),
        Event(at_ms=5, outcome=Outcome.INVOKE, sent=SECOND),
        Event(at_ms=7, outcome=Outcome.OK, marks=("first", "second")),
        Event(at_ms=7, outcome=Outcome.INFO, marks=("first",)),
    ]


def test_what_is_written_is_there_before_the_writer_is_closed(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path / "one")
    writer.invoke([FIRST], at_ms=0)
    assert len(list(read_events(tmp_path / "one"))) == 1
    writer.close()


def test_several_producers_are_one_history(tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    write(paths[0], [FIRST, SECOND], (Outcome.FAIL, ["first"]))
    write(paths[1], [FIRST], (Outcome.FAIL, ["first"]))
    expected = History(
        sent={"first": FIRST, "second": SECOND},
        outcomes={"first": Outcome.FAIL, "second": Outcome.INFO},
    )
    assert read_history(paths) == expected
    assert read_history(reversed(paths)) == expected


def test_a_file_cut_at_any_byte_reads_as_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "one"
    write(path, [FIRST, SECOND], (Outcome.OK, ["first", "second"]))
    content = path.read_bytes()
    events = list(read_events(path))
    for size in range(len(content)):
        path.write_bytes(content[:size])
        assert list(read_events(path)) == events[: content[:size].count(b"\n")]


def test_a_producer_goes_on_behind_a_file_cut_at_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "one"
    write(path, [FIRST], (Outcome.OK, ["first"]))
    content = path.read_bytes()
    events = list(read_events(path))
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        write(path, [SECOND])
        assert list(read_events(path)) == [
            *events[: content[:size].count(b"\n")],
            Event(at_ms=5, outcome=Outcome.INVOKE, sent=SECOND),
        ]


def test_damage_that_no_kill_explains_is_told(tmp_path: Path) -> None:
    path = tmp_path / "one"
    write(path, [FIRST, SECOND])
    path.write_bytes(path.read_bytes().replace(b'"sent"', b'"sen', 1))
    with pytest.raises(json.JSONDecodeError):
        list(read_events(path))
