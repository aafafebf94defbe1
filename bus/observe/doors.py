"""Gateway, keeper and probe of a home: which of them are to run here, and which do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bus.errors import InvariantBroken
from bus.process.lock import alone, is_held
from bus.supervise.role import Door


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorStatus:
    """One of them that is to run here."""

    name: Door
    runs: bool


@contextmanager
def wanted_here(home: Path, doors: Iterable[Door]) -> Iterator[None]:
    """Say for the time of a block which of them are to run here.

    Why it stays said where the block fails or is killed: then they are to run, and do not.
    """
    files = [_folder(home) / f"{door}.wanted" for door in doors]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    yield
    for file in files:
        file.unlink(missing_ok=True)


def open_here(home: Path, door: Door) -> AbstractContextManager[None]:
    """Say for the time of a block, and no longer than the process lives, that one of them runs.

    Raises:
        InvariantBroken: Another process says so; each has one place in a home.
    """
    return alone(_open_file(home, door), lambda pid: InvariantBroken(f"{door} is open in {pid}"))


def door_statuses(home: Path) -> tuple[DoorStatus, ...]:
    """Look for each that is to run here."""
    return tuple(
        DoorStatus(name=door, runs=is_held(_open_file(home, door)))
        for door in Door
        if (_folder(home) / f"{door}.wanted").exists()
    )


def _open_file(home: Path, door: Door) -> Path:
    return _folder(home) / f"{door}.open"


def _folder(home: Path) -> Path:
    return home / "run" / "doors"
