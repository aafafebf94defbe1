"""How a process learns that it has to end: a signal, or the end of its supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import sys


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
