from __future__ import annotations

import asyncio
import random
import ssl
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.proxy import Cut, Direction, Fault, HalfClosed, KafkaLink, KafkaLinks, Latency, OneWay
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
from tests.proxy.kafka import KafkaTalk
from tests.proxy.talk import Kind

FRAME = random.Random(5).randbytes(2 * 1024 * 1024)


@asynccontextmanager
async def cluster(
    pem: Path, ca: Path, brokers: Mapping[int, FakeBroker]
) -> AsyncIterator[tuple[KafkaLinks, dict[int, int]]]:
    """Give links to brokers, and the real ports."""
    async with AsyncExitStack() as stack:
        ports = {
            node: await stack.enter_async_context(serving(one.meet, broker_tls(pem)))
            for node, one in brokers.items()
        }
        yield await stack.enter_async_context(KafkaLinks(ports, pem, ca).running()), ports


def address(port: int) -> bytes:
    return struct.pack(">h", 9) + b"127.0.0.1" + struct.pack(">i", port)


async def test_answers_name_the_links_instead_of_the_brokers_and_nothing_else_is_touched(
    pem: Path, ca: Path, trust: ssl.SSLContext
) -> None:
    answers: dict[int, bytes] = {}
    brokers = {node: FakeBroker(answers) for node in (1, 2, 3)}
    async with cluster(pem, ca, brokers) as (links, real):
        own = {node: links[node].port for node in real}
        assert links.bootstrap == ",".join(f"127.0.0.1:{port}" for port in own.values())
        foreign = address(1)
        answers[METADATA] = b"<" + b"|".join(map(address, real.values())) + foreign
        expected = b"<" + b"|".join(map(address, own.values())) + foreign
        for node, broker in brokers.items():
            async with client(links[node].port, trust) as one:
                assert await one.ask(METADATA, 7) == expected
            assert broker.seen == [(METADATA, 7)]
        assert links.counters.connections == 3
        # Records that happen to hold an address stay as they are; behind them brokers are named.
        answers[FETCH] = address(real[2]) + bytes(5_000) + address(real[3]) + b"."
        async with client(links[1].port, trust) as one:
            found = await one.ask(FETCH, 8)
        assert found == address(real[2]) + bytes(5_000) + address(own[3]) + b"."


async def test_a_port_may_look_like_an_end_of_line() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(struct.pack(">ii", 19, 1) + address(0x0A0A))
    found = await KafkaTalk({0x0A0A: 0x0B0B}).read(reader, Direction.TO_CLIENT)
    assert found == (struct.pack(">ii", 19, 1) + address(0x0B0B), Kind.OTHER)


async def test_frames_of_every_size_arrive_whole_though_they_come_in_crumbs(
    link: KafkaLink, trust: ssl.SSLContext
) -> None:
    async with client(link.port, trust) as one:
        for number, body in enumerate((b"", b"x", FRAME, b"y", FRAME * 3)):
            assert await one.ask(METADATA, number, body) == body
        head = struct.pack(">ihhi", 10, METADATA, 0, 77)
        for crumb in (head[:2], head[2:5], head[5:], b"h", b"i"):
            await one.say(crumb)
            await asyncio.sleep(0.01)
        assert await one.answer() == (77, b"hi")
        # A frame with no room for a head is passed on: it is not the proxy's to judge.
        await one.say(struct.pack(">ih", 2, PRODUCE))
        await one.is_ended()
    assert link.counters.produce_requests == 0


async def test_what_is_not_kafka_is_reset_and_the_link_lives_on(
    link: KafkaLink, broker: FakeBroker, trust: ssl.SSLContext
) -> None:
    async with client(link.port, trust) as one:
        await one.say(b"\xff\xff\xff\xffGET / HTTP/1.1")
        assert await one.is_ended()
    async with client(link.port) as one:
        await one.say(b"no TLS at all")
        assert await one.is_ended()
    async with client(link.port, trust) as one:
        assert await one.ask(METADATA, 1) == b"body"
    assert broker.seen == [(METADATA, 1)]


async def test_what_befalls_any_link_befalls_one_with_tls(
    link: KafkaLink, broker: FakeBroker, trust: ssl.SSLContext
) -> None:
    faults: list[Fault] = [
        Cut(),
        HalfClosed(),
        OneWay(swallowed=Direction.TO_ENGINE),
        OneWay(swallowed=Direction.TO_CLIENT),
    ]
    for number, fault in enumerate(faults):
        async with client(link.port, trust) as old:
            await old.ask(METADATA, number)
            link.apply(fault)
            if not isinstance(fault, Cut):
                await old.request(METADATA, 100 + number)
                assert await old.hears_nothing()
                async with client(link.port) as new:
                    await new.say(b"a handshake that is not answered")
                    assert await new.hears_nothing()
            else:
                async with client(link.port) as new:
                    assert await new.is_ended()
            link.lift()
            assert await old.is_ended()
    await until(lambda: broker.ended == 4)
    # Only a client whose answers are swallowed is still heard.
    assert [number for _, number in broker.seen] == [0, 1, 2, 3, 103]


async def test_answers_to_many_requests_under_latency_come_whole_and_in_order(
    link: KafkaLink, trust: ssl.SSLContext
) -> None:
    async with client(link.port, trust) as one:
        link.apply(Latency(seconds=0.05, jitter=0.05))
        sending = asyncio.create_task(requests(one, 100))
        for number in range(100):
            assert await one.answer() == (number, FRAME[: 997 * number])
        await sending


async def requests(one: Client, count: int) -> None:
    for number in range(count):
        await one.request(METADATA, number, FRAME[: 997 * number])
