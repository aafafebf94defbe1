"""Waiting for news on behalf of a client that asked for it: no part of how long an answer takes."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

_WAITED_S: Final = web.RequestKey("waited_s", float)


async def wait_for_news(request: web.Request, seconds: float) -> None:
    """Let time pass until it is looked again."""
    began_s = asyncio.get_running_loop().time()
    await asyncio.sleep(seconds)
    request[_WAITED_S] = waited_s(request) + asyncio.get_running_loop().time() - began_s


def waited_s(request: web.Request) -> float:
    """Tell how long a request has waited so, seconds."""
    return float(request.get(_WAITED_S, 0.0))
