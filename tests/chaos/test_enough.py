from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.chaos.enough import LONG_S, unrefused, unseen_places, unstopped, untried
from tests.chaos.evidence import Evidence, LawBalance
from tests.chaos.fake_bus import clean_run
from tests.chaos.fake_run import ENTITLED
from tests.chaos.schedule import Kind, schedule

PLANNED = schedule(1, LONG_S)
CONSUMERS = {one.consumer for one in ENTITLED}


def seen() -> Evidence:
    """What a run with something of everything shows."""
    weighed = [
        LawBalance(place=place, missing=0, surplus=0)
        for place in ("in.north.roads/0", "accepted.roads/0", "quarantine.north")
    ]
    return replace(clean_run(1).evidence(), law=weighed)


def test_a_planned_kind_that_met_nothing_is_named_and_one_that_was_not_planned_is_not() -> None:
    bit = Counter(one.kind for one in PLANNED)
    assert untried(PLANNED, bit) == []
    bit[Kind.CUT] = 0
    assert untried(PLANNED, bit) == ["cut met nothing"]
    assert untried([one for one in PLANNED if one.kind is not Kind.CUT], bit) == []


def test_frozen_workers_of_the_fund_have_to_be_kept_from_writing() -> None:
    assert unstopped(PLANNED, 0) == ["no frozen worker was kept from writing"]
    assert unstopped(PLANNED, 1) == []
    freezes = [one for one in PLANNED if one.kind is Kind.FREEZE_WORKER]
    assert unstopped([one for one in freezes if one.target == "enforce-0"], 0) == []


def test_a_run_that_saw_something_of_everything_lacks_nothing() -> None:
    assert unseen_places(seen(), CONSUMERS) == []


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("accepted", "nothing of accepted topics was seen"),
        ("views", "nothing of views was seen"),
        ("history", "nothing of the fund's history was seen"),
        ("current", "nothing of the fund's current rows was seen"),
        ("quarantine", "nothing of quarantine was seen"),
        ("entitled", "city has no agreement"),
        ("delivered", "city took nothing"),
    ],
)
def test_what_was_not_looked_at_is_named(part: str, says: str) -> None:
    assert says in unseen_places(replace(seen(), **{part: ()}), CONSUMERS)


@pytest.mark.parametrize("prefix", ["in.", "accepted.", "quarantine."])
def test_a_law_without_positions_is_no_law(prefix: str) -> None:
    evidence = seen()
    left = [one for one in evidence.law if not one.place.startswith(prefix)]
    left.append(LawBalance(place="the whole law", missing=0, surplus=0))
    says = f"the conservation law has no position of {prefix}*"
    assert unseen_places(replace(evidence, law=left), CONSUMERS) == [says]


def test_a_topic_that_was_never_refused_to_the_probe_is_named() -> None:
    forbidden = [("in.north.roads", 0), ("in.north.roads", 1), ("quarantine.north", 0)]
    assert unrefused(forbidden, {"in.north.roads", "quarantine.north"}) == []
    says = ["the probe was not refused quarantine.north"]
    assert unrefused(forbidden, {"in.north.roads"}) == says
    assert unrefused([], ()) == ["the probe had nothing to try"]
