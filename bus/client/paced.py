"""Taking rows one by one without letting the records before them wait too long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Final, TypeVar

from bus.client.outlet import Outlet

_Row = TypeVar("_Row")
_ROWS_PER_TURN: Final = 100
"""Rows after which the event loop gets its turn: a file of repeats never waits for anything."""


async def paced(rows: AsyncIterable[_Row] | Iterable[_Row], outlet: Outlet) -> AsyncIterator[_Row]:
    """Give the rows; while the next one is awaited, batches that are due are sent.

    Args:
        rows: Where they come from. An iterable that is not asynchronous holds everything up
            while it works on its next row.
        outlet: What they are sent through.
    """
    if isinstance(rows, AsyncIterable):
        async for row in _awaited(rows.__aiter__(), outlet):
            yield row
        return
    for place, row in enumerate(rows, start=1):
        yield row
        await outlet.send_due()
        if place % _ROWS_PER_TURN == 0:
            await asyncio.sleep(0)


async def _awaited(rows: AsyncIterator[_Row], outlet: Outlet) -> AsyncIterator[_Row]:
    while True:
        coming = asyncio.ensure_future(anext(rows))
        try:
            while not coming.done():
                await outlet.wait_due(coming)
                await outlet.send_due()
            row = coming.result()
        except StopAsyncIteration:
            return
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        yield row
