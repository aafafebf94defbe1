from __future__ import annotations

from collections.abc import Mapping

import pytest

from bus.client import Annul
from tests.chaos.traffic import PARTIES, PUBLISHING, Party, chunk, differing, stamp_of


def sound_row(party: Party, key: str = "{}-3-7", number: int = 7) -> Mapping[str, object]:
    """A row as the topics show it: whole, with what was not given empty."""
    own = key.format(party.prefix)
    return {**party.row(own, stamp_of(own, 1), number), "nothing": None, "none": [], "no": {}}


@pytest.mark.parametrize("party", PARTIES)
def test_what_was_sent_differs_in_nothing(party: Party) -> None:
    assert differing(party.dataset, f"{party.prefix}-3-7", sound_row(party)) == frozenset()


@pytest.mark.parametrize("party", PUBLISHING)
def test_no_row_that_is_published_differs_from_what_its_key_and_stamp_say(party: Party) -> None:
    for number in (0, 1, 3, 6):
        for one in chunk(party, number).all:
            row = one.row.values if isinstance(one.row, Annul) else one.row
            assert isinstance(row, Mapping)
            differs = differing(party.dataset, one.sent.key, row)
            assert differs == (party.broken.keys() & row.keys() & differs), one


@pytest.mark.parametrize("party", PARTIES)
def test_each_field_of_another_value_is_named(party: Party) -> None:
    sound = sound_row(party)
    for name in sound.keys() - {party.stamp_field}:
        assert differing(party.dataset, f"{party.prefix}-3-7", {**sound, name: "other"}) == {name}
    swapped = sound_row(party, "{}-3-8", 8)
    assert "registry_number" in differing(party.dataset, f"{party.prefix}-3-7", swapped)


@pytest.mark.parametrize("party", PARTIES)
def test_the_stamp_and_keys_of_nobody_are_left_to_others(party: Party) -> None:
    other_stamp = {**sound_row(party), party.stamp_field: "other"}
    assert differing(party.dataset, f"{party.prefix}-3-7", other_stamp) == frozenset()
    for key in ("", "x-3-7", f"{party.prefix}-3-seven", f"{party.prefix}-3-7-other"):
        assert differing(party.dataset, key, sound_row(party)) == frozenset()
