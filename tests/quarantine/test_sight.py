from __future__ import annotations

from dataclasses import replace

import pytest

from bus.contracts.contract import Classification
from bus.quarantine.sight import Sight, see
from bus.quarantine.store import Original
from tests.factories import DATASET, VALID, Raw, one_signed, region

RAW = one_signed(inn="6317000001")


def seen(raw: Raw, *, reveal: bool = False) -> Sight:
    original = Original(key=raw.key, headers=raw.headers, value=raw.value)
    return see(original, DATASET, region(), reveal=reveal)


def test_personal_fields_are_masked_unless_someone_answers_for_looking() -> None:
    fields = {one.name: one for one in seen(RAW).fields or ()}
    assert fields["full_name"].value == VALID["full_name"]
    director = fields["director"]
    assert (director.classification, director.is_masked) == (Classification.PERSONAL, True)
    assert director.value is None
    assert str(VALID["director"]) not in str(seen(RAW)) + repr(seen(RAW, reveal=True))
    revealed = {one.name: one for one in seen(RAW, reveal=True).fields or ()}
    assert (revealed["director"].value, revealed["director"].is_masked) == (
        VALID["director"],
        False,
    )


@pytest.mark.parametrize(
    "value",
    [None, b"", b"text", b"\0\0\0\0\x01cut", b"\0\0\xff\xff\xff", (RAW.value or b"") + b"x"],
)
def test_of_what_cannot_be_decoded_only_sizes_are_told(value: bytes | None) -> None:
    found = seen(replace(RAW, value=value), reveal=True)
    assert found.fields is None
    assert found.value_bytes == len(value or b"")
    assert found.key_bytes == len(RAW.key or b"")
