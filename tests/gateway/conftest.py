"""A platform with the sample region in force, as the flow tests have it, and its gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bus.gateway.process import serving
from bus.wiring import Installation
from tests.flow.conftest import enrolled, home, installation
from tests.gateway.asking import PROVIDER, delegated

__all__ = ["enrolled", "home", "installation"]


@pytest.fixture
async def served(installation: Installation) -> AsyncIterator[Installation]:
    """The gateway answers, and may send for the provider."""
    await delegated(installation, PROVIDER)
    async with serving(installation):
        yield installation
