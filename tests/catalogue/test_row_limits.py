from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.catalogue.agreement import Condition, ConditionOperator, matches
from bus.catalogue.row_limits import is_territory, read_limit, side_of, territory_prefix
from bus.model.verdict import Examined
from tests.contracts.schemas_and_values import compiled, framed, record_of

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def is_met(op: ConditionOperator, value: object, *texts: str) -> bool:
    return matches([Condition(field="f", op=op, values=texts)], {"f": value})


@pytest.mark.parametrize(
    ("text", "value", "side"),
    [
        ("5", 4, -1),
        ("5", 5, 0),
        ("5.5", 6, 1),
        ("-0.10", Decimal("-0.1"), 0),
        ("2026-01-31", date(2026, 1, 30), -1),
        ("2026-01-31", date(2026, 1, 31), 0),
        ("2026-01-31", NOON, 0),
        ("2026-01-31", NOON + timedelta(hours=12), 1),
        ("2026-01-31", datetime(2026, 2, 1, 2, tzinfo=timezone(timedelta(hours=4))), 0),
        ("2026-01-31", datetime(2026, 1, 31, 23, 59), 0),  # noqa: DTZ001 - a local moment
        ("2026-01-31T12:00:00Z", NOON, 0),
        ("2026-01-31T16:00:00+04:00", NOON, 0),
        ("2026-01-31T12:00:00Z", NOON - timedelta(microseconds=1), -1),
    ],
)
def test_a_value_lies_below_on_or_above_a_limit(text: str, value: object, side: int) -> None:
    assert side_of(value, read_limit(text)) == side


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", True),
        ("1", "1"),
        ("1", 1.0),
        ("1", None),
        ("1", date(2026, 1, 1)),
        ("2026-01-31", 5),
        ("2026-02-30", date(2026, 2, 28)),
        ("2026-01-31T12:00:00", NOON),
        ("2026-01-31T12:00:00Z", date(2026, 1, 31)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12)),  # noqa: DTZ001 - a local moment
        ("NaN", 5),
        ("1e3", 1000),
    ],
)
def test_what_can_not_be_compared_meets_no_limit(text: str, value: object) -> None:
    assert side_of(value, read_limit(text)) is None
    assert not is_met(ConditionOperator.AT_LEAST, value, text)
    assert not is_met(ConditionOperator.AT_MOST, value, text)


@given(st.dates(), st.dates())
def test_limits_by_days_are_those_of_the_calendar(value: date, limit: date) -> None:
    assert is_met(ConditionOperator.AT_LEAST, value, limit.isoformat()) == (value >= limit)
    assert is_met(ConditionOperator.AT_MOST, value, limit.isoformat()) == (value <= limit)


@given(st.integers(-(2**63), 2**63 - 1), st.decimals(-(2**40), 2**40, places=3))
def test_limits_by_numbers_are_exact(value: int, limit: Decimal) -> None:
    assert is_met(ConditionOperator.AT_LEAST, value, f"{limit:f}") == (value >= limit)
    assert is_met(ConditionOperator.AT_MOST, value, f"{limit:f}") == (value <= limit)


@given(st.datetimes(timezones=st.just(UTC)), st.dates())
def test_of_two_limits_that_are_one_day_the_moments_of_that_day_meet_both(
    value: datetime, limit: date
) -> None:
    both = all(
        is_met(op, value, limit.isoformat())
        for op in (ConditionOperator.AT_LEAST, ConditionOperator.AT_MOST)
    )
    assert both == (value.date() == limit)


@pytest.mark.parametrize(
    ("code", "prefix"),
    [
        ("36", "36"),
        ("36000000", "36"),
        ("36701000", "36701"),
        ("36701", "36701"),
        ("36701305", "36701305"),
        ("36701305000", "36701305"),
        ("36650428101", "36650428101"),
    ],
)
def test_a_territory_begins_with_its_own_digits(code: str, prefix: str) -> None:
    assert is_territory(code)
    assert territory_prefix(code) == prefix


@pytest.mark.parametrize("code", ["", "3", "367", "3670100", "367010000", "3670100x", "٣٦"])
def test_other_texts_are_no_codes(code: str) -> None:
    assert not is_territory(code)


def test_a_territory_holds_what_lies_within_and_no_neighbour() -> None:
    territory = ConditionOperator.TERRITORY
    assert is_met(territory, "36701305", "36701000")
    assert is_met(territory, "36701000", "36701000", "36740000")
    assert is_met(territory, "36740000", "36701000", "36740000")
    assert is_met(territory, "36650428101", "36000000")
    assert not is_met(territory, "36740000", "36701000")
    assert not is_met(territory, "63701000", "36000000")
    assert not is_met(territory, None, "36000000")


@pytest.mark.parametrize(
    ("type_", "value", "limit"),
    [
        ("long", 17, "17"),
        ({"type": "int", "logicalType": "date"}, date(2026, 1, 31), "2026-01-31"),
        ({"type": "long", "logicalType": "timestamp-millis"}, NOON, "2026-01-31T12:00:00Z"),
        ({"type": "long", "logicalType": "timestamp-micros"}, NOON, "2026-01-31"),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
            Decimal("10.50"),
            "10.5",
        ),
    ],
)
def test_values_of_records_are_held_against_limits_as_their_schema_means_them(
    type_: object, value: object, limit: str
) -> None:
    schema = record_of(f=["null", type_])
    examine = compiled(schema, wanted=frozenset({"f"})).examine
    for given_value, is_shown in ((value, True), (None, False)):
        examined = examine(framed(schema, {"key": "k", "f": given_value}), 0)
        assert isinstance(examined, Examined)
        for op in (ConditionOperator.AT_LEAST, ConditionOperator.AT_MOST):
            rows = [Condition(field="f", op=op, values=(limit,))]
            assert matches(rows, examined.wanted) is is_shown
