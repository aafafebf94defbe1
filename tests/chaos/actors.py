"""Processes of a run that are started again when they die: producers and consumers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_PAUSE_S: Final = 0.3
_END_S: Final = 90.0
"""Longer than a client waits for an acknowledgement."""
WORDS_MAX: Final = 300


class Actor:
    """One process that is kept alive until it is told to end."""

    def __init__(
        self, name: str, arguments: Sequence[str], *, environment: Mapping[str, str], log: Path
    ) -> None:
        """Name it.

        Args:
            name: For faults and logs.
            arguments: Of Python: `-m`, a module, and what that takes.
            environment: Added to this process's own.
            log: Where its words go.
        """
        self.name = name
        self.lives = 0
        self.faults: list[str] = []
        """Of each life that ended by itself, which none should: exit code and last words."""
        self._arguments = tuple(arguments)
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._is_ending = False

    def start(self) -> None:
        """Keep it alive from now on."""
        self._keeper = asyncio.create_task(self._keep(), name=self.name)

    async def _keep(self) -> None:
        while not self._is_ending:
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *self._arguments,
                    # Its end tells the process that this one is gone, however.
                    stdin=asyncio.subprocess.PIPE,
                    stderr=log,
                    env=self._environment,
                )
            self.lives += 1
            code = await self._process.wait()
            if code > 0:
                self.faults.append(f"exit={code}: {_last_words(self._log)}")
            await asyncio.sleep(_PAUSE_S)

    @property
    def problems(self) -> list[str]:
        """Say that it ended at faults: its next life may have healed whatever that was."""
        if not self.faults:
            return []
        return [f"{self.name} ended {len(self.faults)} times by itself, with {self.faults[-1]}"]

    def kill(self) -> bool:
        """Kill what lives of it now; tell whether anything did."""
        if self._process is None or self._process.returncode is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        return True

    def give_up(self) -> None:
        """Kill it for good."""
        self._is_ending = True
        self.kill()

    async def end(self) -> None:
        """Tell it to end and wait; what does not is killed, and what it was at stays in doubt."""
        self._is_ending = True
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
        if self._keeper is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._keeper), _END_S)
        self.kill()
        await self._keeper


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line[:WORDS_MAX] for line in reversed(lines) if line.strip()), "no word")
