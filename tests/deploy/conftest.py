"""The monitoring tools that alerts are tested with, and a bus for them to watch."""

from __future__ import annotations

import pytest

from tests.deploy.tools import PACKAGES, Tools, find_tools
from tests.flow.conftest import enrolled, home, installation

__all__ = ["enrolled", "home", "installation"]


@pytest.fixture(scope="session")
def tools() -> Tools:
    found = find_tools()
    if found is None:
        pytest.skip(f"neither on PATH nor by apt-get download: {', '.join(PACKAGES)}")
    return found
