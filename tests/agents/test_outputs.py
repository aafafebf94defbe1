"""When outputs count as durable: all of them acknowledged, or it is a fault."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import NotEnoughReplicasError

from bus.agents.enforce import _durable
from bus.errors import Unavailable


def outputs(count: int) -> list[asyncio.Future[object]]:
    loop = asyncio.get_running_loop()
    return [loop.create_future() for _ in range(count)]


async def test_every_output_is_waited_for() -> None:
    first, last = both = outputs(2)
    waiting = asyncio.create_task(_durable(both))
    first.set_result(None)
    await asyncio.sleep(0)
    assert not waiting.done()
    last.set_result(None)
    await waiting


async def test_an_output_that_was_given_up_is_a_fault() -> None:
    first, last = both = outputs(2)
    first.set_result(None)
    last.cancel()
    with pytest.raises(Unavailable, match="gave up an output"):
        await _durable(both)


async def test_an_output_that_was_refused_is_a_fault() -> None:
    first, last = both = outputs(2)
    first.set_exception(NotEnoughReplicasError())
    last.set_result(None)
    with pytest.raises(NotEnoughReplicasError):
        await _durable(both)
