"""Ending a consumer for good, whatever state its connection is in."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaConsumer

logger = logging.getLogger(__name__)

_STOP_S: Final = 10.0
_AGAIN_S: Final = 0.1


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and disconnect; a fault on the way is logged and does not hide another.

    Why not `stop` alone: with a broker gone it raises the cancellation of its own fetches, which
    would pass for the caller's, and leaves its connections open.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait({stopping}, timeout=_STOP_S)
    if stopping.done() and not stopping.cancelled() and stopping.exception() is None:
        return
    logger.warning("consumer.cut_off done=%s", stopping.done())
    await consumer._client.close()  # noqa: SLF001 - there is no public way
    while not stopping.done():
        # Why again and again: its parts swallow a cancellation and wait for each other.
        stopping.cancel()
        await asyncio.wait({stopping}, timeout=_AGAIN_S)
    await asyncio.gather(stopping, return_exceptions=True)
