from __future__ import annotations

import pytest

from bus.wiring import Installation
from tests.gateway.fuzz import ROLES, fuzz


@pytest.mark.parametrize("role", ROLES)
async def test_every_answer_is_one_that_the_document_knows(served: Installation, role: str) -> None:
    fuzzed = await fuzz(served, role, 3, seed=1)
    assert fuzzed.is_sound, fuzzed.told
    assert fuzzed.calls > 50, fuzzed.told
