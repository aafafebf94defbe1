from __future__ import annotations

from dataclasses import replace
from datetime import date

from hypothesis import given

from bus.catalogue.agreement import Agreement
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.observe.board import Board
from bus.observe.letters import letter_of
from bus.observe.requests import show_requests
from bus.requests.letters import LettersReplaced, letters_replaced, standing_for_letters
from bus.requests.request import RequestCount
from bus.requests.state import RequestState
from tests.catalogue.drawn import agreements_like, moments_around
from tests.factories import noon, one_signed
from tests.requests.ground import REGION

CIVIL, MIGRATION, HEALTH = map(AgencyCode, ("civil-samara", "migration-samara", "health-samara"))
DEATHS = DatasetCode("deaths")


def count(state: RequestState, requests: int, escalated: int = 0) -> RequestCount:
    return RequestCount(
        agency=CIVIL,
        consumer=HEALTH,
        dataset=DEATHS,
        state=state,
        requests=requests,
        escalated=escalated,
    )


def test_a_letter_counts_once_it_is_answered_and_a_delivery_where_a_passport_says_so() -> None:
    requests = [count(state, 2**place) for place, state in enumerate(RequestState)]
    found = letters_replaced(requests, {(CIVIL, MIGRATION, DEATHS): 40})
    assert found == (
        LettersReplaced(
            agency=CIVIL,
            consumer=HEALTH,
            dataset=DEATHS,
            answered_auto=1,
            answered=4,
            delivered=0,
        ),
        LettersReplaced(
            agency=CIVIL,
            consumer=MIGRATION,
            dataset=DEATHS,
            answered_auto=0,
            answered=0,
            delivered=40,
        ),
    )
    assert [one.total for one in found] == [5, 40]
    assert letters_replaced([count(RequestState.REFUSED, 9)], {}) == ()


def test_only_subscriptions_of_the_passports_agency_stand_for_letters() -> None:
    (standing,) = standing_for_letters(REGION)
    assert (standing.consumer, standing.dataset) == (MIGRATION, DEATHS)
    assert standing.topic.startswith("view.")
    assert standing.opens_ms == noon(date(2026, 1, 1)).timestamp() * 1000 - 12 * 3_600_000
    unnamed = {
        name: replace(passport, replaces_letter=()) for name, passport in REGION.passports.items()
    }
    assert standing_for_letters(replace(REGION, passports=unnamed)) == ()


DELIVERING = next(
    one for one in REGION.agreements if (one.consumer, one.dataset) == (MIGRATION, DEATHS)
)


@given(agreements_like(DELIVERING))
def test_a_subscription_stands_for_letters_while_its_agreement_is_in_force_and_at_no_other_time(
    one: Agreement,
) -> None:
    standing = standing_for_letters(replace(REGION, agreements=(one,)))
    for moment in moments_around(one):
        ms = moment.timestamp() * 1000
        assert any(s.opens_ms <= ms < s.closes_ms for s in standing) == one.is_in_force(moment)


def test_history_that_was_loaded_was_never_a_letter() -> None:
    (standing,) = standing_for_letters(REGION)
    live = one_signed()
    letter = letter_of(live, standing)
    assert letter is not None
    assert letter[0] == ("education-samara", MIGRATION, DEATHS)
    backfill = [
        (name, b"backfill" if name == "bus_lane" else value) for name, value in live.headers
    ]
    assert letter_of(replace(live, headers=backfill), standing) is None
    left = [(name, b"left" if name == "bus_op" else value) for name, value in live.headers]
    assert letter_of(replace(live, headers=left), standing) is None


def test_outcomes_are_counters_that_never_fall_and_what_waits_is_a_gauge() -> None:
    board = Board()

    def told(name: str, **labels: str) -> float | None:
        return board.registry.get_sample_value(name, {"agency": CIVIL, "dataset": DEATHS, **labels})

    show_requests([count(RequestState.REFUSED, 3), count(RequestState.ASKED, 2, 1)], board)
    show_requests([count(RequestState.REFUSED, 5)], board)
    show_requests([], board)
    assert told("bus_requests_total", consumer=HEALTH, outcome="refused") == 5
    assert told("bus_requests_total", consumer=HEALTH, outcome="asked") is None
    assert told("bus_requests_open") == 0
    assert told("bus_requests_escalated") == 0
    show_requests([count(RequestState.ASKED, 2, 1)], board)
    assert (told("bus_requests_open"), told("bus_requests_escalated")) == (2, 1)
