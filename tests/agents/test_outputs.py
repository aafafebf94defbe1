"""When outputs count as durable, and in which order batches whose outputs are may be settled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import NotEnoughReplicasError

from bus.agents import enforce
from bus.agents.enforce import IN_FLIGHT_BATCHES_MAX, _durable, _Sent, _Settler
from bus.agents.transport import PartitionBatch
from bus.errors import Unavailable
from bus.observe.happenings import batch_enforced
from bus.observe.meter import Meter
from tests.factories import snapshot

SOON_S = 2.0


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


def sent(number: int, waits_for: list[asyncio.Future[object]]) -> _Sent:
    """A batch of one inbound partition whose outputs are on their way."""
    batch = PartitionBatch(
        topic="in.a.b", partition=0, start=number, end=number + 1, records=(), epoch=1
    )
    enforced = batch_enforced([], {}, snapshot=snapshot(), is_release=False)
    return _Sent(batch=batch, outputs=waits_for, enforced=enforced, begun_ns=0)


@asynccontextmanager
async def settling() -> AsyncIterator[tuple[_Settler, list[PartitionBatch]]]:
    """A settler at work, and what it has settled."""
    settled: list[PartitionBatch] = []
    app = SimpleNamespace(batch_consumer=SimpleNamespace(settle=settled.append))
    settler = _Settler(cast("Any", app), Meter())
    running = asyncio.create_task(settler.run())
    yield settler, settled
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def rest() -> None:
    """Let every task come as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_batch_that_is_durable_first_is_settled_behind_the_one_before_it() -> None:
    earlier, later = outputs(2)
    first, second = sent(0, [earlier]), sent(1, [later])
    async with settling() as (settler, settled):
        await settler.add(first)
        await settler.add(second)
        later.set_result(None)
        await rest()
        assert settled == []
        earlier.set_result(None)
        await rest()
        assert settled == [first.batch, second.batch]


async def test_a_batch_that_comes_while_none_waits_is_settled() -> None:
    async with settling() as (settler, settled):
        for number in range(2):
            await settler.add(sent(number, []))
            await rest()
        assert [batch.start for batch in settled] == [0, 1]


async def test_no_more_batches_are_on_their_way_than_there_is_room_for() -> None:
    waits_for = outputs(IN_FLIGHT_BATCHES_MAX + 1)
    async with settling() as (settler, settled):
        for number in range(IN_FLIGHT_BATCHES_MAX):
            await settler.add(sent(number, [waits_for[number]]))
        adding = asyncio.create_task(
            settler.add(sent(IN_FLIGHT_BATCHES_MAX, [waits_for[IN_FLIGHT_BATCHES_MAX]]))
        )
        await rest()
        assert not adding.done()
        waits_for[0].set_result(None)
        await asyncio.wait_for(adding, SOON_S)
        assert [batch.start for batch in settled] == [0]


async def test_nothing_is_settled_behind_a_batch_whose_output_was_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process ends at it."""

    class EndedError(BaseException):
        pass

    def stopped(where: str, problem: BaseException) -> None:
        raise EndedError(where) from problem

    monkeypatch.setattr("bus.agents.fault.stop_process", stopped)
    refused, durable = outputs(2)
    settled: list[PartitionBatch] = []
    app = SimpleNamespace(batch_consumer=SimpleNamespace(settle=settled.append))
    settler = enforce._Settler(cast("Any", app), Meter())
    await settler.add(sent(0, [refused]))
    await settler.add(sent(1, [durable]))
    durable.set_result(None)
    refused.set_exception(NotEnoughReplicasError())
    with pytest.raises(EndedError, match="settle"):
        await asyncio.wait_for(settler.run(), SOON_S)
    assert settled == []
