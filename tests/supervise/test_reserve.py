from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from bus.supervise import reserve, supervisor
from bus.supervise.role import Role
from bus.supervise.supervisor import Slot, Supervisor

_PATIENCE_S = 30


class ObedientSlot(Slot):
    @property
    def module(self) -> str:
        return "tests.supervise.obedient"


FUND = ObedientSlot(role=Role.FUND, number=0)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserve, "FIRST_AFTER_S", 0.1)
    monkeypatch.setattr(reserve, "START_AFTER_S", 0.1)
    monkeypatch.setattr(supervisor, "HEALTHY_AFTER_S", 0.0)


@asynccontextmanager
async def supervised(log_folder: Path) -> AsyncIterator[Supervisor]:
    current = Supervisor([FUND], log_folder=log_folder)
    running = asyncio.create_task(current.run())
    try:
        async with asyncio.timeout(_PATIENCE_S):
            yield current
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.02)


def _children() -> set[int]:
    return {child.pid for child in psutil.Process(os.getpid()).children()}


async def _in_reserve(current: Supervisor, before: set[int]) -> int:
    """Wait for the worker and for the process in reserve; give the latter."""

    def others() -> set[int]:
        workers = {process.pid for process in current.processes.values()}
        return _children() - before - workers

    await _until(lambda: bool(current.processes) and len(others()) == 1)
    (pid,) = others()
    return pid


async def test_a_killed_workers_place_is_taken_by_the_process_in_reserve(tmp_path: Path) -> None:
    log, before = tmp_path / "fund-0.log", _children()
    async with supervised(tmp_path) as current:
        waiting = await _in_reserve(current, before)
        await _until(lambda: log.read_text() == "fund 0 0\n")
        current.processes[FUND].kill()
        await _until(lambda: current.processes[FUND].pid == waiting)
        await _until(lambda: log.read_text().count("\n") == 2)
        assert log.read_text() == "fund 0 0\nfrom-reserve fund 0 1\n"
        assert await _in_reserve(current, before) != waiting
    assert not _children() - before


async def test_a_worker_is_started_when_the_process_in_reserve_was_killed_too(
    tmp_path: Path,
) -> None:
    log, before = tmp_path / "fund-0.log", _children()
    async with supervised(tmp_path) as current:
        waiting = await _in_reserve(current, before)
        first = current.processes[FUND].pid
        psutil.Process(waiting).kill()
        await _until(lambda: waiting not in _children())
        current.processes[FUND].kill()
        await _until(lambda: log.read_text().count("fund 0 1\n") == 1)
        assert current.processes[FUND].pid not in {first, waiting}
    assert not _children() - before


async def test_a_worker_that_ended_at_once_is_started_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HEALTHY_AFTER_S", 60.0)
    log, before = tmp_path / "fund-0.log", _children()
    async with supervised(tmp_path) as current:
        waiting = await _in_reserve(current, before)
        current.processes[FUND].kill()
        await _until(lambda: log.read_text().count("fund 0 1\n") == 1)
        assert current.processes[FUND].pid != waiting
        assert "from-reserve" not in log.read_text()
    assert not _children() - before


async def test_no_process_is_in_reserve_while_the_first_workers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserve, "FIRST_AFTER_S", 60.0)
    log, before = tmp_path / "fund-0.log", _children()
    async with supervised(tmp_path) as current:
        await _until(lambda: log.exists() and log.read_text() == "fund 0 0\n")
        current.processes[FUND].kill()
        await _until(lambda: log.read_text().count("fund 0 1\n") == 1)
        assert "from-reserve" not in log.read_text()
        assert _children() - before == {current.processes[FUND].pid}
    assert not _children() - before
