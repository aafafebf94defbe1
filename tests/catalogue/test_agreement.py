from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.catalogue.agreement import Condition, ConditionOperator, matches


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
