from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.contracts.check_digits import Algorithm, is_valid
from bus.demo import registers
from bus.demo.breaking import BREAKINGS, INSTITUTIONS, MUNICIPALITIES, ORGANISATIONS, Breaking
from bus.demo.places import PLACES, SAMARA, SYZRAN, TOLYATTI, Place
from bus.demo.records import RecordMaker, Values
from bus.demo.register_breaking import ALL_BREAKINGS
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Severity
from tests.demo.sample_region import broken_rules, observed_rules
from tests.factories import snapshot

MAKERS: dict[DatasetCode, Callable[[RecordMaker], Values]] = {
    INSTITUTIONS: lambda maker: maker.institution("63-", maker.place_outside_tolyatti()),
    ORGANISATIONS: lambda maker: maker.organisation(),
    MUNICIPALITIES: lambda maker: maker.municipality(TOLYATTI),
    registers.BIRTHS: registers.birth,
    registers.DEATHS: registers.death,
    registers.REGISTRATIONS: registers.registration,
    registers.CENTRES: lambda maker: registers.centre(maker, SAMARA),
    registers.SERVICES: lambda maker: registers.service(maker, SYZRAN),
    registers.PLOTS: lambda maker: registers.plot(maker, SAMARA),
    registers.DOCUMENTS: registers.document,
    registers.ACTIVITIES: registers.activity,
}
EVERY_BREAKING = [
    pytest.param(dataset, kind, id=f"{dataset}-{kind.rule}")
    for dataset, kinds in ALL_BREAKINGS.items()
    for kind in kinds
]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("dataset", MAKERS)
def test_every_record_that_is_not_broken_keeps_all_rules(dataset: DatasetCode, seed: int) -> None:
    maker = RecordMaker(seed)
    for _ in range(5):
        record = MAKERS[dataset](maker)
        assert broken_rules(dataset, record) == frozenset()
        assert observed_rules(dataset, record) == frozenset()
        other = registers.OTHERS.get(dataset, maker.other)(record)
        assert broken_rules(dataset, other) == frozenset()
        assert other != record


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.oktmo)
def test_every_municipality_keeps_all_rules(place: Place) -> None:
    assert broken_rules(MUNICIPALITIES, RecordMaker(1).municipality(place)) == frozenset()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize(("dataset", "kind"), EVERY_BREAKING)
def test_every_fault_is_found_by_the_rule_that_it_names(
    dataset: DatasetCode, kind: Breaking, seed: int
) -> None:
    sound = MAKERS[dataset](RecordMaker(seed))
    assert kind.rule in broken_rules(dataset, kind.breaks(sound))


@pytest.mark.parametrize("dataset", BREAKINGS)
def test_every_rule_that_sets_records_aside_has_a_fault(dataset: DatasetCode) -> None:
    contract = snapshot().region.contracts[dataset]
    demanded = {rule.id for rule in contract.newest.rules if rule.severity is Severity.QUARANTINE}
    assert {kind.rule for kind in BREAKINGS[dataset]} == demanded


def test_the_same_seed_makes_the_same_records() -> None:
    first, second = RecordMaker(7), RecordMaker(7)
    for make in MAKERS.values():
        assert make(first) == make(second)
    assert RecordMaker(8).organisation() != RecordMaker(7).organisation()


def test_address_code_and_founder_of_an_institution_name_one_place() -> None:
    record = RecordMaker(3).institution("63-", SAMARA)
    assert record["oktmo"] == SAMARA.oktmo
    assert "г Самара" in str(record["address"])
    assert str(record["address"]).startswith("443")
    assert str(record["full_name"]).endswith(("городского округа Самара", "Самарской области"))


def test_places_have_codes_of_the_region_each_once() -> None:
    assert len({place.oktmo for place in PLACES}) == len(PLACES) == 37
    assert all(is_valid(Algorithm.OKTMO, place.oktmo) for place in PLACES)
    assert all(place.oktmo.startswith("36") for place in PLACES)
    assert all(is_valid(Algorithm.OKATO, place.okato) for place in PLACES)


def test_numbers_of_organisations_are_of_an_office_that_gives_none() -> None:
    maker = RecordMaker(5)
    records = [maker.organisation() for _ in range(50)]
    assert len({record["inn"] for record in records}) == 50
    assert all(str(record["inn"]).startswith("6399") for record in records)
    assert all(str(record["ogrn"])[5:7] == "99" for record in records)
