"""Processes beside the platform: those that send, publish and receive."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from bus.wiring import Installation
from tests.settings_environment import as_environment

_LINE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Child:
    """A running module of `tests.bench`."""

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    async def ready(self) -> None:
        """Wait until it says that it is connected."""
        line = await self._line()
        if line != "ready":
            raise RuntimeError(f"a child said {line!r} in place of `ready`")

    async def begin(self) -> None:
        """Let it begin."""
        assert self.process.stdin is not None, "opened with a pipe"
        self.process.stdin.write(b"begin\n")
        await self.process.stdin.drain()

    async def result(self) -> dict[str, Any]:
        """Wait for its last line."""
        line = await self._line()
        await self.process.wait()
        return cast("dict[str, Any]", json.loads(line))

    async def stop(self) -> dict[str, Any]:
        """Tell it to end, by the end of its input, and wait for its last line."""
        assert self.process.stdin is not None, "opened with a pipe"
        self.process.stdin.close()
        return await self.result()

    async def _line(self) -> str:
        assert self.process.stdout is not None, "opened with a pipe"
        line = (await self.process.stdout.readline()).decode().strip()
        if not line:
            code = await self.process.wait()
            raise RuntimeError(f"a child ended with {code} and no result; see standard error")
        return line


@asynccontextmanager
async def child(
    installation: Installation, module: str, *arguments: object
) -> AsyncIterator[Child]:
    """Run `python -m tests.bench.<module>` for the time of a block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tests.bench.{module}",
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        env={**os.environ, **as_environment(installation.settings)},
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
