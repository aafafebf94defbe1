"""Keeps worker processes running: starts each again when it ends, with a growing pause."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bus.errors import DocumentError, Words
from bus.process.exit_codes import EXIT_CONFIGURATION
from bus.supervise.reserve import Placement, Reserve
from bus.supervise.role import Door, Role
from bus.texts import message

logger = logging.getLogger(__name__)

PAUSE_FIRST_S: Final = 0.1
PAUSE_MAX_S: Final = 10.0
HEALTHY_AFTER_S: Final = 10.0
"""A worker that lived so long is started again at once."""
STOP_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One process's place: what it does and its number within the role."""

    role: Role | Door
    number: int

    def __str__(self) -> str:
        return f"{self.role}-{self.number}"

    @property
    def module(self) -> str:
        """The module that is run."""
        return self.role.module if isinstance(self.role, Door) else "bus.agents.worker"


class Supervisor:
    """Runs one process per slot until it is cancelled."""

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        environment: Mapping[str, str] | None = None,
        log_folder: Path | None = None,
    ) -> None:
        """Name the workers.

        Args:
            slots: One process each.
            environment: Added to this process's own, e.g. `BUS_HOME`.
            log_folder: Each worker appends to `<slot>.log` there; None: standard error.
        """
        self._slots = tuple(slots)
        self._environment = {**os.environ, **(environment or {})}
        self._log_folder = log_folder
        self._reserves = {
            slot.module: Reserve(slot.module, self._environment)
            for slot in self._slots
            if not isinstance(slot.role, Door)
        }
        self.processes: dict[Slot, asyncio.subprocess.Process] = {}
        self.restarts = 0

    async def run(self) -> None:
        """Supervise until cancelled, then stop every worker and wait for it."""
        keepers = [asyncio.create_task(self._keep(slot), name=str(slot)) for slot in self._slots]
        keepers += [asyncio.create_task(reserve.run()) for reserve in self._reserves.values()]
        try:
            # Why not gather: it ends at the first keeper that is cancelled, and cancelling the
            # others again below would cut short their waiting for their workers' end.
            ended, _ = await asyncio.wait(keepers, return_when=asyncio.FIRST_EXCEPTION)
            for keeper in ended:
                keeper.result()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)

    async def _keep(self, slot: Slot) -> None:
        pause_s, restarts, was_healthy = PAUSE_FIRST_S, 0, False
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                # Why not after a short life: what ends at once would use the reserve up for
                # nothing, and may need the code that lies on the disk now.
                reserved = self._from_reserve(slot, restarts) if was_healthy else None
                code: int | str = await self._run_once(slot, restarts, reserved)
            except OSError as problem:
                # Why go on: no memory, process or file is left just now; the others work on.
                code = f"none, not started: {problem}"
            if code == EXIT_CONFIGURATION:
                raise DocumentError(
                    message(
                        "error.agents.misconfigured", worker=str(slot), place=self._told_in(slot)
                    )
                )
            was_healthy = loop.time() - started >= HEALTHY_AFTER_S
            if was_healthy:
                pause_s = PAUSE_FIRST_S
            logger.warning("worker.ended slot=%s exit=%s again_in_s=%.1f", slot, code, pause_s)
            self.restarts += 1
            restarts += 1
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def _run_once(
        self, slot: Slot, restarts: int, reserved: asyncio.subprocess.Process | None
    ) -> int:
        process = reserved or await self._started(slot, restarts)
        self.processes[slot] = process
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await _stopped(process)
            raise

    def _from_reserve(self, slot: Slot, restarts: int) -> asyncio.subprocess.Process | None:
        reserve = self._reserves.get(slot.module)
        if reserve is None:
            return None
        log = self._log_file(slot)
        return reserve.take(
            Placement(
                role=slot.role,
                slot=slot.number,
                restarts=restarts,
                log=None if log is None else str(log),
            )
        )

    async def _started(self, slot: Slot, restarts: int) -> asyncio.subprocess.Process:
        file = self._log_file(slot)
        log = None if file is None else file.open("ab")
        try:
            # Why a pipe as input: its end tells the worker that this process is gone, however.
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                slot.module,
                slot.role,
                str(slot.number),
                str(restarts),
                stdin=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._environment,
            )
        finally:
            if log is not None:
                log.close()

    def _told_in(self, slot: Slot) -> Words:
        log = self._log_file(slot)
        return message("error.agents.lines_above") if log is None else str(log)

    def _log_file(self, slot: Slot) -> Path | None:
        if self._log_folder is None:
            return None
        self._log_folder.mkdir(parents=True, exist_ok=True)
        return (self._log_folder / f"{slot}.log").absolute()


async def _stopped(process: asyncio.subprocess.Process) -> None:
    """Stop a process, however often the caller is told to end.

    Why: one that nobody waits for outlives the event loop, and Python speaks of it after that.
    """
    stopping = asyncio.ensure_future(_stop(process))
    while not stopping.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(stopping)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
