from __future__ import annotations

from contextlib import ExitStack

import pytest

from bus.gateway.places import AT_ONCE_MAX, AT_ONCE_OF_ONE_MAX, Places
from bus.gateway.problems import Problem
from bus.model.identifiers import SystemCode
from bus.texts import Language


def refusal(places: Places, system: str) -> tuple[int, str]:
    with pytest.raises(Problem) as caught, places.taken(SystemCode(system)):
        pass
    for language in Language:
        assert caught.value.content(language)["next_step"]
    return caught.value.status, caught.value.code


def test_one_system_in_a_hurry_leaves_places_to_the_others() -> None:
    places = Places()
    with ExitStack() as reading:
        for _ in range(AT_ONCE_OF_ONE_MAX):
            reading.enter_context(places.taken(SystemCode("hasty")))
        assert refusal(places, "hasty") == (429, "busy_for_you")
        for number in range(AT_ONCE_MAX - AT_ONCE_OF_ONE_MAX):
            reading.enter_context(places.taken(SystemCode(f"patient-{number}")))
        assert refusal(places, "another") == (503, "busy")
    for _ in range(AT_ONCE_MAX):
        with places.taken(SystemCode("hasty")):
            pass
