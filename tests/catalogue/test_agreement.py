from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from bus.catalogue.agreement import (
    Agreement,
    AgreementState,
    Condition,
    ConditionOperator,
    Consent,
    Standing,
    matches,
)
from bus.catalogue.granted import next_turn
from tests.access.regions import agreement, region
from tests.catalogue.drawn import MOMENTS, START, agreements_like, moments_around


def condition(field: str, op: ConditionOperator, *values: str) -> Condition:
    return Condition(field=field, op=op, values=values)


IN_SAMARA = condition("oktmo", ConditionOperator.PREFIX, "36701")
SCHOOLS = condition("kind", ConditionOperator.ONE_OF, "school", "preschool")


def test_without_conditions_every_row_matches() -> None:
    assert matches((), {})


def test_prefix_holds_for_codes_below_it() -> None:
    assert matches([IN_SAMARA], {"oktmo": "36701330"})
    assert matches([IN_SAMARA], {"oktmo": "36701"})
    assert not matches([IN_SAMARA], {"oktmo": "36740000"})


def test_any_of_several_prefixes_is_enough() -> None:
    either = condition("oktmo", ConditionOperator.PREFIX, "36701", "36740")
    assert matches([either], {"oktmo": "36740000"})


def test_all_conditions_must_hold() -> None:
    row = {"oktmo": "36701000", "kind": "school"}
    assert matches([IN_SAMARA, SCHOOLS], row)
    assert not matches([IN_SAMARA, SCHOOLS], row | {"kind": "higher"})
    assert not matches([IN_SAMARA, SCHOOLS], row | {"oktmo": "36740000"})


def test_null_and_absent_fields_meet_no_condition() -> None:
    assert not matches([IN_SAMARA], {"oktmo": None})
    assert not matches([IN_SAMARA], {})


def test_numbers_and_booleans_are_compared_as_texts() -> None:
    assert matches([condition("a", ConditionOperator.EQUALS, "17")], {"a": 17})
    assert not matches([condition("a", ConditionOperator.EQUALS, "1")], {"a": True})
    assert matches([condition("a", ConditionOperator.EQUALS, "true")], {"a": True})
    assert matches([condition("a", ConditionOperator.EQUALS, "false")], {"a": False})


def test_values_of_other_types_meet_no_condition() -> None:
    assert not matches([condition("a", ConditionOperator.EQUALS, "1.5")], {"a": 1.5})
    assert not matches([condition("a", ConditionOperator.PREFIX, "")], {"a": b"x"})


ROWS = st.dictionaries(st.sampled_from("ab"), st.none() | st.text("12", max_size=2))
CONDITIONS = st.lists(
    st.builds(
        condition,
        st.sampled_from("ab"),
        st.sampled_from(list(ConditionOperator)),
        st.text("12", max_size=2),
        st.text("12", max_size=2),
    )
)


@given(CONDITIONS, CONDITIONS, ROWS)
def test_more_conditions_never_let_more_through(
    some: list[Condition], more: list[Condition], row: dict[str, object]
) -> None:
    assert matches([*some, *more], row) == (matches(some, row) and matches(more, row))


AGREEMENTS = agreements_like(agreement("health", ["maps"], "shelters"))


def is_given(consent: Consent, moment: datetime) -> bool:
    day = consent.on
    return consent.standing is Standing.GIVEN and day is not None and day <= moment.date()


@given(AGREEMENTS, MOMENTS)
def test_an_agreement_grants_between_its_days_but_for_approvals_rests_and_an_end(
    one: Agreement, drawn: datetime
) -> None:
    for moment in (drawn, *moments_around(one)):
        grants_as_told(one, moment)


def grants_as_told(one: Agreement, moment: datetime) -> None:
    rests = any(s.begins <= moment and (s.ends is None or moment < s.ends) for s in one.suspensions)
    is_over = one.ending is not None and moment >= one.ending.at
    is_within = START <= moment < START + timedelta(days=31)
    approved = all(is_given(c, moment) for c in (one.provider_consent, one.consumer_consent))
    assert one.is_in_force(moment) == (approved and is_within and not rests and not is_over)
    assert one.is_in_force(moment) == (one.state_at(moment) is AgreementState.IN_FORCE)
    if moment >= one.ends_at:
        assert not one.is_in_force(moment)
    # Between two moments at which it may change, and within a day, it does not.
    later = moment + timedelta(seconds=1)
    if moment.date() == later.date() and not any(moment < c <= later for c in one.changes):
        assert one.is_in_force(later) == one.is_in_force(moment)


@given(AGREEMENTS, MOMENTS)
def test_windows_are_apart_and_an_agreement_turns_at_their_edges_and_nowhere_else(
    one: Agreement, drawn: datetime
) -> None:
    assert list(one.turns) == sorted(set(one.turns))
    assert all(not one.is_in_force(window.ends) for window in one.windows)
    assert all(one.is_in_force(window.begins) for window in one.windows)
    of_it = region({"civil": {}}, [one])
    for moment in (drawn, *moments_around(one)):
        since = [turn for turn in one.turns if turn <= moment]
        assert one.is_in_force(moment) == (bool(since) and one.is_in_force(since[-1]))
        following = next_turn(of_it, moment)
        assert following == min((turn for turn in one.turns if turn > moment), default=None)


def test_an_approval_of_a_day_to_come_turns_on_that_day() -> None:
    on = date(2026, 1, 20)
    later = replace(
        agreement("health", ["maps"], "shelters", valid_from=date(2026, 1, 1)),
        consumer_consent=Consent(standing=Standing.GIVEN, on=on),
    )
    day = datetime(2026, 1, 20, tzinfo=UTC)
    assert next_turn(region({"civil": {}}, [later]), START) == day
    assert later.is_in_force(day)
    assert not later.is_in_force(day - timedelta(seconds=1))


def test_moments_are_compared_whatever_their_zone() -> None:
    one = agreement("health", ["maps"], "shelters", valid_from=date(2026, 1, 1))
    samara = timezone(timedelta(hours=4))
    assert not one.is_in_force(datetime(2026, 1, 1, 3, 59, tzinfo=samara))
    assert one.is_in_force(datetime(2026, 1, 1, 4, tzinfo=samara))
