"""How the tests share two cores: rooms that start engines stay together in one process.

Their engines are fixtures of a package, so they are stopped when the room is done.
"""

from __future__ import annotations

import pytest

ENGINE_ROOMS = {
    "access": "administration",
    "provision": "administration",
    "client": "client",
    "fund": "database",
    "quarantine": "database",
    "flow": "flow",
    "demo": "demo",
    "local": "local",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one platform in one process, so that it is started once."""
    for item in items:
        group = ENGINE_ROOMS.get(item.path.parent.name)
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(group))
