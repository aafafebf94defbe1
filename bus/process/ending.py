"""How a process learns that it has to end: a signal, the end of its supervisor, or a fault."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any


def listen_for_the_end(stopping: asyncio.Event) -> None:
    """Set an event at SIGTERM, SIGINT and the end of standard input; called once, in the loop.

    Why standard input: a supervisor holds its other end, so it ends with the supervisor, however.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if sys.stdin is not None and not sys.stdin.isatty():
        descriptor = sys.stdin.fileno()

        def on_input() -> None:
            if not os.read(descriptor, 1024):
                loop.remove_reader(descriptor)
                stopping.set()

        loop.add_reader(descriptor, on_input)


async def told_to_end(stopping: asyncio.Event, fault: asyncio.Future[BaseException]) -> None:
    """Wait until the process is told to end.

    Args:
        stopping: As `listen_for_the_end` sets it.
        fault: Done when the process can't do its work any more.

    Raises:
        BaseException: The fault.
    """
    stop = asyncio.create_task(stopping.wait())
    waited_for: set[asyncio.Future[Any]] = {stop, fault}
    await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if fault.done():
        raise fault.result()
