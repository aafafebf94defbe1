from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from bus.catalogue.agreement import (
    Condition,
    ConditionOperator,
    Ending,
    Suspension,
    matches,
)
from bus.catalogue.decision import Side
from tests.access.regions import agreement


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


START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(-48, 32 * 24).map(lambda hours: START + timedelta(hours=hours, minutes=7))
SUSPENSIONS = st.builds(
    Suspension,
    side=st.sampled_from(Side),
    by=st.just("post"),
    begins=MOMENTS,
    ends=st.none() | MOMENTS,
)
ENDINGS = st.builds(Ending, side=st.sampled_from(Side), by=st.just("post"), at=MOMENTS)


@given(st.lists(SUSPENSIONS, max_size=3), st.none() | ENDINGS, MOMENTS)
def test_an_agreement_grants_between_its_days_but_for_rests_and_an_end(
    suspensions: list[Suspension], ending: Ending | None, moment: datetime
) -> None:
    one = replace(
        agreement("health", ["maps"], "shelters", valid_from=date(2026, 1, 1)),
        valid_to=date(2026, 1, 31),
        suspensions=tuple(suspensions),
        ending=ending,
    )
    rests = any(s.begins <= moment and (s.ends is None or moment < s.ends) for s in suspensions)
    is_over = ending is not None and moment >= ending.at
    is_within = START <= moment < START + timedelta(days=31)
    assert one.is_in_force(moment) == (is_within and not rests and not is_over)
    if moment >= one.ends_at:
        assert not one.is_in_force(moment)
    # Between two moments at which it may change, and within a day, it does not.
    later = moment + timedelta(seconds=1)
    if moment.date() == later.date() and not any(moment < c <= later for c in one.changes):
        assert one.is_in_force(later) == one.is_in_force(moment)


def test_moments_are_compared_whatever_their_zone() -> None:
    one = agreement("health", ["maps"], "shelters", valid_from=date(2026, 1, 1))
    samara = timezone(timedelta(hours=4))
    assert not one.is_in_force(datetime(2026, 1, 1, 3, 59, tzinfo=samara))
    assert one.is_in_force(datetime(2026, 1, 1, 4, tzinfo=samara))
