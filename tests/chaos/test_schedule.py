from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tests.chaos.faults import HANDS, OF_LINKS
from tests.chaos.schedule import (
    OF_ENGINES,
    OF_PROCESSES,
    OUTAGES,
    WORKERS,
    Kind,
    schedule,
)


def test_a_seed_is_a_plan_and_another_seed_another() -> None:
    assert schedule(1, 600) == schedule(1, 600)
    assert schedule(1, 600) != schedule(2, 600)


@pytest.mark.parametrize("seed", range(5))
def test_ten_minutes_bring_two_hundred_faults_of_every_kind_about_equally_often(seed: int) -> None:
    counted = Counter(one.kind for one in schedule(seed, 600))
    assert sum(counted.values()) >= 220  # some meet nothing
    assert set(counted) == set(Kind)
    for recipes in (OF_PROCESSES, OF_ENGINES):
        times = [counted[kind] for kind in recipes]
        assert max(times) - min(times) <= 4, counted


@pytest.mark.parametrize("seconds", [90, 600])
def test_engines_suffer_one_fault_at_a_time_within_the_run(seconds: int) -> None:
    alone = [one for one in schedule(3, seconds) if one.kind not in OF_PROCESSES]
    for before, after in pairwise(alone):
        assert before.at_s + before.lasts_s <= after.at_s
    assert all(one.at_s + one.lasts_s <= seconds for one in alone)


@pytest.mark.parametrize("seed", range(5))
def test_a_frozen_worker_is_left_alone_till_it_thaws_and_each_kind_of_worker_is_frozen(
    seed: int,
) -> None:
    planned = schedule(seed, 600)
    freezes = [one for one in planned if one.kind is Kind.FREEZE_WORKER]
    assert {one.target for one in freezes} == set(WORKERS)
    outages = [one for one in planned if one.kind in OUTAGES]
    for freeze in freezes:
        end_s = freeze.at_s + freeze.lasts_s
        during = [one for one in planned if freeze.at_s < one.at_s <= end_s]
        assert freeze.target not in {one.target for one in during}
        assert not any(one.at_s < end_s and freeze.at_s < one.at_s + one.lasts_s for one in outages)


def test_every_kind_has_a_hand_that_does_it_and_none_has_two() -> None:
    assert set(HANDS) | set(OF_LINKS) == set(Kind)
    assert not set(HANDS) & set(OF_LINKS)


def test_an_outage_takes_a_tenth_of_a_run_and_a_minute_at_most() -> None:
    for seconds, lasts_s in ((90, 9.0), (600, 60.0), (3_600, 60.0)):
        outages = [one for one in schedule(1, seconds) if one.kind in OUTAGES]
        assert [one.lasts_s for one in outages] == [lasts_s, lasts_s]


def test_kinds_that_a_machine_lacks_move_no_other_fault() -> None:
    whole = schedule(1, 600)
    fewer = schedule(1, 600, missing={Kind.FILL_BROKER_DISK, Kind.JUMP_CLOCK})
    assert fewer == [
        one for one in whole if one.kind not in {Kind.FILL_BROKER_DISK, Kind.JUMP_CLOCK}
    ]
