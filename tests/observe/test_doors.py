"""A home's gateway, keeper and probe: those that are to run here are missed where they do not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bus.observe.doors import DoorStatus, door_statuses, open_here, wanted_here
from bus.observe.standing import Standing
from bus.observe.status import KafkaStatus, RoleStatus, Status
from bus.supervise.role import Door, Role

OPENER = """
import sys
from pathlib import Path
from bus.observe.doors import open_here
from bus.supervise.role import Door
with open_here(Path(sys.argv[1]), Door.GATEWAY):
    print("open", flush=True)
    sys.stdin.read()
"""


def running(home: Path) -> dict[Door, bool]:
    return {one.name: one.runs for one in door_statuses(home)}


def test_a_door_is_missed_from_the_moment_it_is_wanted_until_it_opens(tmp_path: Path) -> None:
    assert running(tmp_path) == {}
    with wanted_here(tmp_path, Door):
        none = dict.fromkeys(Door, False)
        assert running(tmp_path) == none
        with open_here(tmp_path, Door.GATEWAY):
            assert running(tmp_path) == {**none, Door.GATEWAY: True}
        assert running(tmp_path) == none
    assert running(tmp_path) == {}


def test_a_door_that_was_killed_is_missed(tmp_path: Path) -> None:
    with (
        wanted_here(tmp_path, [Door.GATEWAY]),
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as opener,
    ):
        assert opener.stdout is not None
        assert opener.stdout.readline() == b"open\n"
        assert running(tmp_path) == {Door.GATEWAY: True}
        opener.kill()
        opener.wait()
        assert running(tmp_path) == {Door.GATEWAY: False}


def test_a_door_stays_wanted_where_what_runs_it_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), wanted_here(tmp_path, [Door.KEEPER]):
        raise ZeroDivisionError
    assert running(tmp_path) == {Door.KEEPER: False}


def test_a_file_that_names_another_process_is_no_open_door(tmp_path: Path) -> None:
    with (
        wanted_here(tmp_path, [Door.KEEPER]),
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other,
    ):
        (tmp_path / "run/doors/keeper.open").write_text(str(other.pid))
        assert running(tmp_path) == {Door.KEEPER: False}
        other.kill()


@pytest.mark.parametrize(
    ("doors", "is_healthy"),
    [
        ([], True),
        ([DoorStatus(name=Door.GATEWAY, runs=True)], True),
        (
            [DoorStatus(name=Door.GATEWAY, runs=True), DoorStatus(name=Door.KEEPER, runs=False)],
            False,
        ),
    ],
)
def test_the_bus_is_ill_where_a_door_is_missed(
    doors: Sequence[DoorStatus], is_healthy: bool
) -> None:
    roles = tuple(
        RoleStatus(role=role, workers=1, partitions=1, lag_records=0, oldest_s=0.0) for role in Role
    )
    found = Status(
        kafka=KafkaStatus(catalogue=1, roles=roles),
        kafka_down=None,
        fund=Standing(open=(), held=(), datasets=()),
        fund_down=None,
        workers=(),
        doors=tuple(doors),
        connectors=(),
        law=None,
    )
    assert found.is_healthy is is_healthy
