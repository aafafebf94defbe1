"""One platform with running workers for the whole table of bad inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.local import reset, up
from bus.wiring import Installation
from tests.bad_input.bench import Bench, put_in_force, serving
from tests.bad_input.cases import World


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("bad-input") / "home"
    up(folder)
    yield folder
    reset(folder)


@pytest.fixture(scope="package")
def in_force(home: Path) -> tuple[Installation, World]:
    return asyncio.run(put_in_force(home))


@pytest.fixture(scope="package")
def bench(in_force: tuple[Installation, World]) -> Iterator[Bench]:
    with serving(*in_force) as running:
        yield running
