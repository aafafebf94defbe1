from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.demo.careless import ROUND_RECORDS
from bus.demo.programme import RECORDS_MAX, RECORDS_MIN, Fate, Programme, plan_programme
from bus.demo.register_breaking import ALL_BREAKINGS
from bus.demo.registers import key_of
from bus.model.identifiers import DatasetCode
from bus.model.record import Operation
from tests.demo.sample_region import broken_rules
from tests.factories import snapshot

Key = tuple[str, DatasetCode, str]


@pytest.fixture(scope="module")
def programme() -> Programme:
    return plan_programme(records=4000, seed=1)


@settings(max_examples=15, deadline=None)
@given(records=st.integers(RECORDS_MIN, 6000), seed=st.integers(0, 100))
def test_fates_and_careless_records_are_as_many_as_were_asked_for(records: int, seed: int) -> None:
    programme = plan_programme(records=records, seed=seed)
    planned = sum(map(programme.count, Fate))
    assert planned + len(programme.careless) * ROUND_RECORDS == records
    assert all(programme.count(fate) > 0 for fate in Fate)


def test_the_largest_programme_has_numbers_enough() -> None:
    programme = plan_programme(records=RECORDS_MAX, seed=1)
    assert programme.count(Fate.ACCEPTED) > RECORDS_MAX * 0.8


def test_a_row_is_broken_exactly_where_its_fate_is_quarantine(programme: Programme) -> None:
    for act in (programme.first, programme.again, programme.paced, programme.loads):
        for publication in act:
            for row in publication.rows:
                found = broken_rules(publication.dataset, row.values)
                assert bool(found) == (row.fate in {Fate.QUARANTINED, Fate.RELEASED})
                assert row.rule is None or row.rule in found


def test_about_three_in_a_hundred_are_broken_and_most_ways_occur(programme: Programme) -> None:
    broken = [
        (publication.dataset, row.rule)
        for publication in programme.first
        for row in publication.rows
        if row.rule is not None
    ]
    assert 0.02 < len(broken) / 4000 < 0.05
    ways = sum(map(len, ALL_BREAKINGS.values()))
    assert len(set(broken)) > 0.75 * ways


def test_every_kind_of_rule_is_broken(programme: Programme) -> None:
    contracts = snapshot().region.contracts
    broken = {
        rule.kind
        for publication in programme.first
        for row in publication.rows
        for rule in contracts[publication.dataset].newest.rules
        if rule.id == row.rule
    }
    kinds = {rule.kind for one in contracts.values() for rule in one.newest.rules}
    assert broken == kinds
    assert len(kinds) == 10


def test_what_is_published_again_repeats_corrects_and_mends(programme: Programme) -> None:
    before: dict[Key, dict[str, object]] = {}
    refused: set[Key] = set()
    for publication in programme.first:
        for row in publication.rows:
            key = _key(publication.system, publication.dataset, row.values)
            assert key not in before, "each number stands once in a register"
            before[key] = dict(row.values)
            if row.fate in {Fate.QUARANTINED, Fate.RELEASED}:
                refused.add(key)
    kinds = set()
    for publication in programme.again:
        for row in publication.rows:
            key = _key(publication.system, publication.dataset, row.values)
            is_equal = before.get(key) == dict(row.values)
            assert is_equal == (row.fate is Fate.REPEAT)
            assert not (is_equal and key in refused)
            kinds.add((row.fate, key in refused))
    assert kinds == {(Fate.REPEAT, False), (Fate.ACCEPTED, False), (Fate.ACCEPTED, True)}


def test_only_entries_that_stand_come_to_an_end_and_nothing_else_happens_to_them(
    programme: Programme,
) -> None:
    first = {
        _key(publication.system, publication.dataset, row.values): row
        for publication in programme.first
        for row in publication.rows
    }
    again = {
        _key(publication.system, publication.dataset, row.values)
        for publication in programme.again
        for row in publication.rows
    }
    ended = [
        (_key(publication.system, publication.dataset, row.values), row)
        for publication in (*programme.endings, programme.renumbered)
        for row in publication.rows
        if row.ending is not None
    ]
    assert len({key for key, _ in ended}) == len(ended)
    assert again.isdisjoint(key for key, _ in ended)
    assert {row.ending for _, row in ended} == {Operation.ANNUL, Operation.CEASE}
    for key, row in ended:
        assert (first[key].fate, first[key].values) == (Fate.ACCEPTED, row.values)


def test_paced_and_careless_records_are_new_entries(programme: Programme) -> None:
    known = {
        _key(publication.system, publication.dataset, row.values)
        for publication in programme.first
        for row in publication.rows
    }
    paced = [
        _key(publication.system, publication.dataset, row.values)
        for publication in (*programme.paced, *programme.loads)
        for row in publication.rows
    ]
    careless = [
        _key("edu-registry", DatasetCode("educational-institutions"), values)
        for round_ in programme.careless
        for values in round_
    ]
    assert len(paced) == 700
    assert len({*paced, *careless}) == len(paced) + len(careless)
    assert known.isdisjoint({*paced, *careless})


def test_the_example_is_published_and_corrected(programme: Programme) -> None:
    named = [
        row.fate
        for act in (programme.first, programme.again)
        for publication in act
        for row in publication.rows
        if key_of(publication.dataset, row.values) == programme.example_key
    ]
    assert named == [Fate.ACCEPTED, Fate.ACCEPTED]


def _key(system: str, dataset: DatasetCode, values: object) -> Key:
    assert isinstance(values, dict)
    return (system, dataset, key_of(dataset, values))
