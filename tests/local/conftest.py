import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from bus.local import Engines, down, reset, up
from bus.local.layout import Layout


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of one test; whatever the test started in it is stopped and removed."""
    folder = tmp_path / "дом платформы"  # a space and Cyrillic: a home may have any name
    yield folder
    remove(folder)


@dataclass(frozen=True, slots=True)
class Start:
    """A first start, and what the process table showed meanwhile."""

    engines: Engines
    seen: frozenset[str]


@pytest.fixture(scope="package")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    folder = tmp_path_factory.mktemp("shared") / "home"
    with watching_processes() as seen:
        engines = up(folder)
    yield Start(engines, frozenset(seen))
    remove(folder)


@pytest.fixture
def shared(start: Start) -> Engines:
    """A running platform for tests that leave it as they found it."""
    return start.engines


@contextmanager
def watching_processes() -> Iterator[set[str]]:
    """Collect command lines and environments of all processes, again and again."""
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            for process in psutil.process_iter():
                try:
                    seen.add(" ".join(process.cmdline()) + str(process.environ()))
                except psutil.Error:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def remove(folder: Path) -> None:
    if Layout.of(folder).choices_file.exists():
        reset(folder)
    else:
        down(folder)
        shutil.rmtree(folder, ignore_errors=True)
