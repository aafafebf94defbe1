"""Whoever ends at a fault is told of, whatever its next life mends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from bus.errors import InvariantBroken
from bus.model.identifiers import DatasetCode, SystemCode
from bus.wiring import Installation
from tests.chaos import actors, consumer
from tests.chaos.actors import Actor

WAITS = "import sys; print('works', file=sys.stderr, flush=True); sys.stdin.read()"
LISTENS = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); {WAITS}"
SOON_S = 20.0


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not is_so():
            await asyncio.sleep(0.02)


def actor(program: str, log: Path) -> Actor:
    return Actor("producer", ["-c", program], environment={}, log=log)


async def test_lives_that_end_at_a_fault_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors, "_PAUSE_S", 0.0)
    program = "import sys; print('torn in two', file=sys.stderr); sys.exit(3)"
    one = actor(program, tmp_path / "log")
    one.start()
    await until(lambda: len(one.faults) >= 2)
    await one.end()
    (problem,) = one.problems
    assert problem.startswith("producer ended ")
    assert problem.endswith(" times by itself, with exit=3: torn in two")


async def test_neither_a_kill_nor_an_end_on_demand_is_a_fault(tmp_path: Path) -> None:
    log = tmp_path / "log"
    one = actor(LISTENS, log)
    one.start()
    await until(lambda: log.exists() and log.read_text().count("works") == 1)
    assert one.kill()
    await until(lambda: log.read_text().count("works") == 2)
    await one.end()
    assert one.problems == []


async def test_a_consumer_ends_at_what_is_no_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise InvariantBroken("a record that its signature does not prove")

    monkeypatch.setattr(consumer, "_take", broken)
    monkeypatch.setattr(consumer, "listen_for_the_end", lambda _: None)
    with pytest.raises(InvariantBroken, match="does not prove"):
        await consumer.consume(
            SystemCode("portal"),
            DatasetCode("roads"),
            tmp_path / "taken",
            cast("Installation", None),
        )
