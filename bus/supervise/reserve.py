"""A worker process in reserve: it has imported everything and waits to be told what to be.

Why: whoever takes a killed worker's place keeps its partitions waiting, and reading a worker's
code takes Python longer than all that the worker does until it reads records (ADR-0018).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

FIRST_AFTER_S: Final = 8.0
"""The first one is of use only to workers that have lived for a while (`HEALTHY_AFTER_S` of the
supervisor); earlier it would take from them the processor that they start with."""
START_AFTER_S: Final = 3.0
"""Since there is none: the worker that the one before became is waited for, and this is not."""
_LOOK_S: Final = 0.2
_PLACEMENT_BYTES_MAX: Final = 4_096
"""What a pipe takes in one piece."""
_STANDARD_INPUT: Final = 0
_STANDARD_ERROR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a process in reserve is told to be."""

    role: str
    slot: int
    restarts: int
    log: str | None
    """File that its lines are added to; None: where the supervisor's go."""


class Reserve:
    """Keeps one process in reserve."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        """Name what is run; `run` starts it.

        Args:
            module: Of the worker, which without arguments waits to be placed.
            environment: All of it.
        """
        self._module = module
        self._environment = environment
        self._waiting: asyncio.subprocess.Process | None = None
        self._start_at_s = 0.0

    async def run(self) -> None:
        """Keep one process in reserve until cancelled."""
        self._start_at_s = _now_s() + FIRST_AFTER_S
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                if self._waiting is not None and self._waiting.returncode is not None:
                    logger.warning("reserve.ended exit=%s", self._waiting.returncode)
                    self._waiting, self._start_at_s = None, _now_s() + START_AFTER_S
                if self._waiting is None and _now_s() >= self._start_at_s:
                    await self._start()
        finally:
            if self._waiting is not None:
                await _ended(self._waiting)

    async def _start(self) -> None:
        self._start_at_s = _now_s() + START_AFTER_S
        try:
            self._waiting = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                stdin=asyncio.subprocess.PIPE,
                env=self._environment,
            )
        except OSError as problem:
            logger.warning("reserve.not_started problem=%s", problem)

    def take(self, placement: Placement) -> asyncio.subprocess.Process | None:
        """Place the process in reserve; None where there is none that lives."""
        process, self._waiting = self._waiting, None
        self._start_at_s = max(self._start_at_s, _now_s() + START_AFTER_S)
        if process is None or process.returncode is not None:
            return None
        assert process.stdin is not None, "started with a pipe"
        process.stdin.write(json.dumps(asdict(placement)).encode())
        return process


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()  # it holds nothing
    await process.wait()


def awaited_placement() -> Placement | None:
    """Wait, as a process in reserve, for its place; None where the supervisor is gone."""
    # Why: an interrupt from the keyboard reaches every process of the terminal, and Python would
    # tell of it where it waits.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    told = os.read(_STANDARD_INPUT, _PLACEMENT_BYTES_MAX)
    if not told:
        return None
    placement = Placement(**json.loads(told))
    if placement.log is not None:
        with Path(placement.log).open("ab") as log:
            os.dup2(log.fileno(), _STANDARD_ERROR)
    return placement
