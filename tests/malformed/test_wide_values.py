"""Values of small items all through: why they are bad is not sought to the end."""

from __future__ import annotations

from bus.contracts.avro_fault import STEPS_MAX
from bus.model.verdict import Malformed, Reason
from tests.contracts.schemas_and_values import FRAME, compiled, record_of
from tests.malformed.avro_pieces import varint

NUMBERS = {"type": "array", "items": "int"}
STEPS_BEFORE_ITEMS = 3
"""The record, its key and the array itself."""


def examined(items: int) -> object:
    """Examine a record whose array is sound, and whose last field is cut short."""
    schema = compiled(record_of(numbers=NUMBERS, last="int"))
    return schema.examine(FRAME + b"\x02k" + varint(items) + b"\x02" * items + b"\x00", 0)


def test_the_fault_of_a_wide_value_is_found_at_its_field() -> None:
    found = examined(STEPS_MAX - STEPS_BEFORE_ITEMS - 1)
    assert found == Malformed(reason=Reason.MALFORMED_AVRO, path="last")


def test_of_a_wider_value_the_field_is_told_where_the_look_ended() -> None:
    found = examined(STEPS_MAX - STEPS_BEFORE_ITEMS + 1)
    assert found == Malformed(reason=Reason.MALFORMED_AVRO, path="numbers[]")
