"""A platform with the sample region in force, as the flow tests have it."""

from __future__ import annotations

from tests.flow.conftest import enrolled, home, installation

__all__ = ["enrolled", "home", "installation"]
