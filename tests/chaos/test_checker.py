from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos import planted_course, planted_invented, planted_presence
from tests.chaos.checker import Name
from tests.chaos.fake_bus import clean_run
from tests.chaos.ground import Ground, NowhereToPlantError
from tests.chaos.history import Fate, Outcome
from tests.chaos.sequence import taken_back

Plant: TypeAlias = Callable[[Ground], None]
PLANTED = planted_presence.PLANTED + planted_invented.PLANTED + planted_course.PLANTED
ADDED: Final = (
    (Name.RESURRECTED, planted_invented.failed_and_refused),
    (Name.INVENTED, planted_invented.accepted_from_nowhere),
    (Name.DUPLICATE, planted_presence.two_open_rows_for_one_place),
    (Name.STALE, planted_course.current_is_there_twice),
    (Name.SKIPPED, planted_course.offset_without_an_outcome),
    (Name.TORN, planted_course.first_members_taken_again_alone),
    (Name.LEAKED, planted_course.row_delivered),
    (Name.REASONLESS, planted_course.refused_for_an_unknown_reason),
    (Name.UNSIGNED, planted_course.accepted_without_proof),
)
"""Those that take nothing away, and so can't undo another."""
every_planting = pytest.mark.parametrize(
    ("name", "plant"), PLANTED, ids=[f"{name}-{plant.__name__}" for name, plant in PLANTED]
)
seeds = st.integers(0, 2**32)


def planted(plant: Plant, seed: int) -> Ground:
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
def test_a_planted_fault_is_named_and_nothing_else_is(name: Name, plant: Plant) -> None:
    for seed in range(5):
        ground = planted(plant, seed * 1_000)
        assert ground.run.names() == {name}, ground.run.check()


@pytest.mark.parametrize(
    ("plant", "why"),
    [
        (planted_course.member_held_alone, "a part of it is in the fund"),
        (planted_course.member_not_accepted, "a part of it is in the accepted topic"),
        (planted_course.member_not_in_the_view, "a part of its share is in view.schools-of-two"),
        (planted_course.member_not_delivered, "archive got a part of its share"),
        (planted_course.group_accepted_as_records_that_stand_alone, "says that 1 belong together"),
        (planted_course.share_in_the_view_in_a_larger_group, "belong together, and it is"),
        (planted_course.member_taken_twice_within_its_group, "took a part of group"),
        (planted_course.members_taken_in_another_order, "took a part of group"),
        (planted_course.last_members_taken_again_alone, "took a part of group"),
        (planted_course.accepted_before_a_lower_version, "after a higher version, in a topic"),
        (planted_course.in_a_view_before_a_lower_version, "after a higher version, in a topic"),
        (planted_course.delivered_before_a_lower_version, "after a higher version, at a consumer"),
        (planted_course.accepted_before_what_came_in_earlier, "after what came in behind it"),
        (planted_course.current_has_the_values_of_an_older_one, "or not as it stands"),
        (planted_course.current_is_there_twice, "two current rows"),
        (planted_presence.superseded_by_nothing, "is superseded by nothing in history"),
        (planted_presence.held_behind_what_is_there, "held, though what it follows is in history"),
        (planted_presence.broken_open_and_accepted, "had to be set aside, and is in"),
        (planted_presence.refused_twice, "is refused several times"),
        (planted_presence.held_twice, "held 2 times"),
        (planted_presence.two_open_rows_for_one_place, "2 open rows in quarantine"),
        (planted_invented.in_the_fund_with_other_bytes, "but not as at accepted."),
        (planted_invented.in_the_fund_from_the_place_of_another, "but another is at accepted."),
        (planted_invented.in_the_fund_and_not_accepted, "in the fund, but not at accepted."),
        (planted_invented.delivered_with_another_value_of_a_field, "fields ['number']"),
    ],
)
def test_a_planted_fault_is_told_by_what_it_is(plant: Plant, why: str) -> None:
    """Several findings share a name, and one of them would hide that another sees nothing."""
    for seed in range(3):
        told = [anomaly.why for anomaly in planted(plant, seed * 1_000).run.check()]
        assert any(why in one for one in told), told


def test_a_refused_record_in_the_history_is_misjudged_whatever_else_it_is() -> None:
    for seed in range(3):
        ground = planted(planted_presence.refused_by_the_fund_and_in_its_history, seed * 1_000)
        assert ground.run.names() == {Name.MISJUDGED, Name.DUPLICATE}, ground.run.check()


@settings(max_examples=200, deadline=None)
@given(seeds, st.sampled_from(PLANTED), st.sampled_from(ADDED))
def test_of_two_planted_faults_neither_hides_the_other(
    seed: int, first: tuple[Name, Plant], second: tuple[Name, Plant]
) -> None:
    def plant_both(ground: Ground) -> None:
        first[1](ground)
        second[1](Ground(ground.run, random.Random(seed)))

    assert planted(plant_both, seed).run.names() >= {first[0], second[0]}


@pytest.mark.parametrize(
    "plant",
    [
        planted_invented.accepted_from_nowhere,
        planted_presence.version_under_two_ids_accepted,
        planted_invented.failed_and_accepted,
        planted_invented.twice_in_the_fund_from_nowhere,
    ],
)
def test_what_shows_several_times_is_named_once(plant: Plant) -> None:
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
    seed: int, planting: tuple[Name, Plant]
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
