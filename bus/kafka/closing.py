"""Ending consumers and producers for good, whatever state their connections are in."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

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


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Send what waits and disconnect; what can't be sent in time is given up."""
    stopping = asyncio.ensure_future(producer.stop())
    done, _ = await asyncio.wait({stopping}, timeout=_STOP_S)
    if not done:
        # Why: an idempotent producer tries for ever, and its own stop waits for it.
        await producer.client.close()
    while not stopping.done():
        # Why again and again: its sender answers the first time by waiting for what it sends,
        # which waits for news of the cluster that a closed client never gets.
        producer._sender.sender_task.cancel()  # noqa: SLF001 - there is no public way
        await asyncio.wait({stopping}, timeout=_AGAIN_S)
    await stopping
