from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos import planted_course, planted_invented, planted_presence
from tests.chaos.checker import Name
from tests.chaos.fake_bus import clean_run
from tests.chaos.ground import Ground, NowhereToPlantError
from tests.chaos.history import Fate, Outcome
from tests.chaos.sequence import taken_back

PLANTED = planted_presence.PLANTED + planted_invented.PLANTED + planted_course.PLANTED
every_planting = pytest.mark.parametrize(
    ("name", "plant"), PLANTED, ids=[f"{name}-{plant.__name__}" for name, plant in PLANTED]
)
seeds = st.integers(0, 2**32)


def planted(plant: Callable[[Ground], None], seed: int) -> Ground:
    """Spoil the first run from `seed` on that has a place for the fault."""
    for tried in range(seed, seed + 200):
        ground = Ground(clean_run(tried), random.Random(tried))
        try:
            plant(ground)
        except NowhereToPlantError:
            continue
        return ground
    raise AssertionError("none of two hundred runs has a place for the fault")


def test_a_clean_run_has_no_anomaly_and_everything_that_a_clean_run_may_have() -> None:
    run = clean_run(1)
    assert run.check() == []
    ground = Ground(run, random.Random(1))
    assert set(ground.outcomes.values()) == {Outcome.OK, Outcome.FAIL, Outcome.INFO}
    assert {sent.fate for sent in ground.sent.values()} == set(Fate)
    assert {row.state for row in run.quarantine} == {"open", "released", "superseded"}
    assert {None} < {sent.group for sent in ground.sent.values()}
    assert len({row.record_id for row in run.accepted}) < len(run.accepted)
    assert len({(row.consumer, row.place) for row in run.delivered}) < len(run.delivered)
    assert run.held
    assert run.refused
    assert any(not row.is_standing for row in run.history)


@every_planting
def test_a_planted_fault_is_named_and_nothing_else_is(
    name: Name, plant: Callable[[Ground], None]
) -> None:
    for seed in range(5):
        ground = planted(plant, seed * 1_000)
        assert ground.run.names() == {name}, ground.run.check()


@pytest.mark.parametrize(
    "plant",
    [
        planted_invented.accepted_from_nowhere,
        planted_presence.version_under_two_ids_accepted,
        planted_invented.failed_and_accepted,
        planted_invented.twice_in_the_fund_from_nowhere,
    ],
)
def test_what_shows_several_times_is_named_once(plant: Callable[[Ground], None]) -> None:
    ground = planted(plant, 0)
    ground.run.accepted.append(ground.run.accepted[-1])
    assert len(ground.run.check()) == 1


def test_every_name_is_planted() -> None:
    assert {name for name, _ in PLANTED} == set(Name)


@settings(deadline=None)
@given(seeds, st.integers(12, 200), st.integers(4, 40))
def test_whatever_a_clean_run_does_it_has_no_anomaly(seed: int, steps: int, keys: int) -> None:
    assert clean_run(seed, steps=steps, keys=keys).check() == []


@settings(max_examples=200, deadline=None)
@given(seeds, st.sampled_from(PLANTED))
def test_whatever_the_run_a_planted_fault_alone_is_named(
    seed: int, planting: tuple[Name, Callable[[Ground], None]]
) -> None:
    name, plant = planting
    ground = planted(plant, seed)
    assert ground.run.names() == {name}, ground.run.check()


def test_an_annulment_that_is_annulled_takes_nothing_back() -> None:
    chain = [(2, "annul 1", "create"), (3, "annul 2", "annul 1"), (4, "annul 3", "annul 2")]
    assert taken_back([]) == frozenset()
    assert taken_back(chain[:1]) == {"create"}
    assert taken_back(chain[:2]) == {"annul 1"}
    assert taken_back(reversed(chain)) == {"annul 2", "create"}


def test_fifty_thousand_records_without_a_fault_have_no_anomaly() -> None:
    run = clean_run(7, steps=40_000, keys=2_000)
    assert len(run.accepted) >= 50_000
    assert run.check() == []
