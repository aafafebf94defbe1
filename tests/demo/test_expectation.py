from __future__ import annotations

from datetime import date

from bus.demo.expectation import expect
from bus.demo.programme import EDUCATION, TOLYATTI_SCHOOLS, Fate, plan_programme
from bus.model.identifiers import DatasetCode, SystemCode
from bus.model.verdict import Reason
from tests.factories import region

DAY = date(2026, 11, 24)
PROGRAMME = plan_programme(records=4000, seed=2)
EXPECTED = expect(PROGRAMME, region(), DAY)
PORTAL, HEALTH = SystemCode("region-portal"), SystemCode("health-analytics")
INSTITUTIONS = DatasetCode("educational-institutions")


def accepted(system: str, dataset: str, oktmo: str = "") -> int:
    return sum(
        row.fate in {Fate.ACCEPTED, Fate.RELEASED} and str(row.values["oktmo"]).startswith(oktmo)
        for publication in PROGRAMME.publications
        if (publication.system, publication.dataset) == (system, dataset)
        for row in publication.rows
    )


def test_attempts_are_accepted_repeated_or_quarantined() -> None:
    outcomes = EXPECTED.accepted + EXPECTED.repeats + sum(EXPECTED.quarantined.values())
    assert outcomes - EXPECTED.released == 4000
    assert sum(EXPECTED.operations.values()) == EXPECTED.accepted
    assert EXPECTED.released > 0
    assert EXPECTED.resolved > 0


def test_at_least_eight_reasons_are_expected() -> None:
    assert len(EXPECTED.quarantined) >= 20
    assert EXPECTED.quarantined[Reason.RULE_VIOLATED] == (
        PROGRAMME.count(Fate.QUARANTINED) + PROGRAMME.count(Fate.RELEASED)
    )


def test_a_full_agreement_delivers_every_accepted_record() -> None:
    delivered = EXPECTED.delivered[PORTAL, DatasetCode("organisations")]
    assert delivered == accepted("egrul-feed", "organisations")


def test_a_view_delivers_the_records_of_its_provider_and_rows() -> None:
    of_tolyatti = accepted(TOLYATTI_SCHOOLS, INSTITUTIONS)
    assert EXPECTED.delivered[PORTAL, INSTITUTIONS] == of_tolyatti > 0
    of_samara = accepted(EDUCATION, INSTITUTIONS, "36701")
    careless = sum(
        str(values["oktmo"]).startswith("36701")
        for one in PROGRAMME.careless
        for values in (one[-2], one[-2], one[-1])
    )
    assert EXPECTED.delivered[HEALTH, INSTITUTIONS] == of_samara + careless
    assert 0 < of_samara < accepted(EDUCATION, INSTITUTIONS)


def test_of_the_probe_nothing_is_expected() -> None:
    assert "bus-probe" not in {system for system, _ in EXPECTED.delivered}


def test_agreements_that_are_over_deliver_nothing() -> None:
    assert expect(PROGRAMME, region(), date(2035, 1, 1)).delivered == {}
