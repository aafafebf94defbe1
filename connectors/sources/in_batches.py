"""Rows of a library that blocks, taken in a thread and some at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from typing import Final, TypeVar

_CLOSED_S: Final = 3.0
"""How long a closing waits for the thread; one inside a library ends by itself later."""

T = TypeVar("T")


async def in_batches(rows: Generator[T, None, None], size: int) -> AsyncGenerator[list[T], None]:
    """Give the rows of a generator, `size` at a time; closing this closes it."""
    stopped = threading.Event()

    def take() -> list[T]:
        found: list[T] = []
        try:
            for row in rows:
                found.append(row)
                if len(found) == size or stopped.is_set():
                    break
        finally:
            if stopped.is_set():
                rows.close()
        return found

    taking: asyncio.Future[list[T]] | None = None
    try:
        while True:
            taking = asyncio.ensure_future(asyncio.to_thread(take))
            found = await asyncio.shield(taking)
            if found:
                yield found
            if len(found) < size:
                return
    finally:
        stopped.set()
        if taking is not None and not taking.done():
            taking.add_done_callback(lambda one: one.cancelled() or one.exception())
            await asyncio.wait({taking}, timeout=_CLOSED_S)
        if taking is None or taking.done():
            await asyncio.to_thread(rows.close)
