from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from tests.proxy import (
    Fault,
    HoldProduce,
    KafkaLink,
    KafkaLinks,
    LateAnswers,
    LoseAnswers,
    LoseRequests,
)
from tests.proxy.engines import (
    FETCH,
    METADATA,
    PRODUCE,
    Client,
    FakeBroker,
    broker_tls,
    client,
    serving,
    until,
)


async def test_held_requests_wait_on_old_and_new_connections_until_they_are_let_go(
    link: KafkaLink, broker: FakeBroker, trust: ssl.SSLContext
) -> None:
    async with client(link.port, trust) as old, client(link.port, trust) as reader:
        await old.ask(PRODUCE, 1)
        link.apply(HoldProduce())
        async with client(link.port, trust) as new:
            for one in (old, new):
                await one.request(PRODUCE, 2)
                await one.request(METADATA, 3)
            await until(lambda: link.counters.held == 2)
            assert await reader.ask(FETCH, 9) == b"body"
            assert await old.hears_nothing()
            assert broker.seen == [(PRODUCE, 1), (FETCH, 9)]
            link.lift()
            for one in (old, new):
                assert [(await one.answer())[0] for _ in range(2)] == [2, 3]
            await old.ask(PRODUCE, 4)
    assert link.counters.produce_requests == 4
    assert link.counters.held == 2


async def test_a_lost_request_never_reaches_the_broker_and_its_client_is_reset(
    link: KafkaLink, broker: FakeBroker, trust: ssl.SSLContext
) -> None:
    async with client(link.port, trust) as old:
        await old.ask(PRODUCE, 1)
        link.apply(LoseRequests())
        async with client(link.port, trust) as new:
            for one in (old, new):
                assert await one.ask(METADATA, 2) == b"body"
                await one.request(PRODUCE, 3)
                assert await one.is_ended()
    await until(lambda: broker.ended == 2)
    assert broker.seen == [(PRODUCE, 1), (METADATA, 2), (METADATA, 2)]
    assert link.counters.lost_requests == 2
    assert link.counters.produce_requests == 3
    link.lift()
    async with client(link.port, trust) as one:
        await one.ask(PRODUCE, 4)


async def test_a_lost_answer_is_of_a_request_that_the_broker_has_done(
    link: KafkaLink, broker: FakeBroker, trust: ssl.SSLContext
) -> None:
    async with client(link.port, trust) as old:
        await old.ask(PRODUCE, 1)
        link.apply(LoseAnswers())
        async with client(link.port, trust) as new:
            for one in (old, new):
                assert await one.ask(METADATA, 2) == b"body"
                await one.request(PRODUCE, 3)
                assert await one.is_ended()
    assert broker.seen == [(PRODUCE, 1), *[(METADATA, 2), (PRODUCE, 3)] * 2]
    assert link.counters.lost_answers == 2
    assert link.counters.lost_requests == 0
    link.lift()
    async with client(link.port, trust) as one:
        await one.ask(PRODUCE, 4)


async def lost_of(fault: Fault, seed: int, trust: ssl.SSLContext, pem: Path, ca: Path) -> list[int]:
    """Give the numbers of those of forty requests with which their connection was reset."""
    lost: list[int] = []
    async with (
        serving(FakeBroker().meet, broker_tls(pem)) as port,
        KafkaLinks({1: port}, pem, ca, seed=seed).running() as links,
    ):
        links.apply(fault)
        numbers = iter(range(40))
        left = 40
        while left:
            async with client(links[1].port, trust) as one:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    for number in numbers:
                        left -= 1
                        await one.request(PRODUCE, number)
                        lost.append(number)
                        await one.answer()
                        lost.pop()
        counters = links.counters
    assert counters.lost_requests + counters.lost_answers == len(lost)
    return lost


@pytest.mark.parametrize("fault", [LoseRequests(probability=0.3), LoseAnswers(probability=0.3)])
async def test_a_seed_decides_which_are_lost(
    fault: Fault, trust: ssl.SSLContext, pem: Path, ca: Path
) -> None:
    first = await lost_of(fault, 1, trust, pem, ca)
    assert 4 <= len(first) <= 20
    assert await lost_of(fault, 1, trust, pem, ca) == first
    assert await lost_of(fault, 2, trust, pem, ca) != first


async def test_late_answers_come_late_in_their_order_while_requests_do_not_wait(
    link: KafkaLink, broker: FakeBroker, trust: ssl.SSLContext
) -> None:
    async with client(link.port, trust) as old:
        await old.ask(PRODUCE, 1)
        link.apply(LateAnswers(seconds=1.0))
        async with client(link.port, trust) as new:
            assert await timed(new, [METADATA]) < 1.0
            for one in (old, new):
                assert 1.0 <= await timed(one, [METADATA, PRODUCE, PRODUCE, METADATA]) < 1.9
            await old.request(PRODUCE, 9)
            await until(lambda: broker.seen[-1] == (PRODUCE, 9))
            assert await old.hears_nothing()
            link.lift()
            assert (await old.answer())[0] == 9
            assert await timed(old, [PRODUCE]) < 1.0


async def timed(one: Client, api_keys: list[int]) -> float:
    """Send requests one behind the other; give the seconds until all are answered, in order."""
    time = asyncio.get_running_loop().time
    begun_s = time()
    for number, api_key in enumerate(api_keys):
        await one.request(api_key, number)
    for number in range(len(api_keys)):
        assert (await one.answer())[0] == number
    return time() - begun_s
