"""The quick question says yes to what fits, and never to what does not."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.contracts.schema_reader import read_shape
from bus.contracts.value_check import find_misfits
from bus.contracts.value_fit import fits_of
from tests.contracts.schemas_and_values import typed_records

ODD_VALUES: tuple[object, ...] = (
    *(None, True, 1, -1, 2**31, 2**63, 1.0, 1.9, float("nan"), float("inf")),
    *("", "a\0", "\ud800", "б\udfff", "RED", b"", b"\0", b"\xff"),
    *([], [None], ["\0"], (), {}, {"\0": 1}, {1: 1}, set[int]()),
    *(date(2024, 2, 29), datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 2, 29), time(1)),  # noqa: DTZ001
    *(Decimal("1.5"), Decimal("NaN"), UUID(int=5)),
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_fits_is_said_to_fit(data: st.DataObject) -> None:
    typed = data.draw(typed_records())
    record = data.draw(typed.values)
    shape = read_shape(typed.schema, where="record")
    assert find_misfits(shape, record, "") == []
    assert fits_of(shape)(record)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_what_does_not_fit_is_never_said_to(data: st.DataObject) -> None:
    typed = data.draw(typed_records())
    record: Any = _spoilt(data, data.draw(typed.values))
    shape = read_shape(typed.schema, where="record")
    if fits_of(shape)(record):
        assert find_misfits(shape, record, "") == []


def _spoilt(data: st.DataObject, value: object) -> object:
    """Put something odd somewhere into a value, leave something out, or add something."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 9)):
        name = data.draw(st.sampled_from(sorted(value)))
        match data.draw(st.integers(0, 8)):
            case 0:
                return {key: item for key, item in value.items() if key != name}
            case 1:
                return {**value, "nobody_knows": None}
            case _:
                return {**value, name: _spoilt(data, value[name])}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [*value[:-1], _spoilt(data, value[-1])]
    return data.draw(st.sampled_from(ODD_VALUES))
