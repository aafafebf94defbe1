"""How the tests share two cores: rooms that start engines stay together in one process.

Their engines are fixtures of a package, so they are stopped when the room is done, and the files of
a room follow each other. The longest rooms begin first, so that no core waits for the other at the
end; the room `flow` is two.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Why: how long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile(
    "untimed",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("untimed")

ENGINE_ROOMS = {
    "flow": "flow",
    "test_chaos": "chaos",
    "test_alerts_live": "alerts",
    "test_series_live": "alerts",
    "test_runbooks_live": "alerts",
    "client": "client",
    "access": "administration",
    "provision": "administration",
    "fund": "database",
    "audit": "database",
    "quarantine": "database",
    "requests": "database",
    "marts": "database",
    "bad_input": "bad_input",
    "gateway": "gateway",
    "foreign": "foreign",
    "local": "local",
    # Its promises are in seconds, and the tests without engines leave it a core of its own.
    "demo": "demo",
}
"""Room, or one file of a room without engines → group, the longest first but for the last."""
HALF_OF_FLOW = {
    *("test_connector", "test_faults", "test_folder_source", "test_operations"),
    *("test_quarantine_decisions", "test_sinks", "test_versions"),
}
LONG_FILES = {
    *("test_tutorial", "test_http", "test_mailbox", "test_rules", "test_postgres_table"),
    *("test_postgres_changes", "test_postgres_outbox", "test_kit", "test_sql_table"),
    *("test_in_process", "test_entitled", "test_checker", "test_simulation", "test_value_fit"),
}
"""Without engines of a room, but ten seconds and more: before the others."""
_FIRST = list(dict.fromkeys(ENGINE_ROOMS.values()))


# Brokers of tests live for seconds and carry little: compiling them well costs more than it gives.
os.environ.setdefault("BUS_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

# Tests start hundreds of processes. Where Python may not keep what it has compiled, as in images of
# containers, each of them would compile the whole bus anew: a second of a core.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


class ByPlatform(LoadScopeScheduling):
    """Gives each process whole platforms, and files where there is none: they share what they make.

    Why not marks and `--dist loadgroup`: they go by the id of a test, which pytest 9.2 no longer
    lets xdist change, so that each process would start the engines of every room.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        group = _group(path)
        half = "-faults" if path.stem in HALF_OF_FLOW else ""
        return str(path) if group is None else group + half


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByPlatform:
    """Let tests be given out so."""
    return ByPlatform(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest platforms be the first, and each room stay together.

    Why together: files come in an order of chance, and engines are started anew wherever a file of
    another room of their group comes between.
    """
    items.sort(key=lambda item: _rank(item.path))


def _rank(path: Path) -> tuple[int, str]:
    group = _group(path)
    if group is not None:
        return _FIRST.index(group), str(path.parent)
    return len(_FIRST) + (path.stem not in LONG_FILES), ""


def _group(path: Path) -> str | None:
    return ENGINE_ROOMS.get(path.parent.name) or ENGINE_ROOMS.get(path.stem)
