from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import struct
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import psutil
import pytest

from tests.proxy import (
    Cut,
    Direction,
    Fault,
    HalfClosed,
    HoldProduce,
    KafkaLink,
    KafkaLinks,
    LateAnswers,
    Latency,
    Link,
    LoseAnswers,
    LoseRequests,
    OneWay,
    Reset,
    Slow,
    TcpLink,
)
from tests.proxy.connection import Ends
from tests.proxy.engines import (
    METADATA,
    PATIENCE_S,
    PRODUCE,
    Echo,
    FakeBroker,
    broker_tls,
    client,
    echo_behind_a_link,
    serving,
    tasks_of_links,
    until,
)
from tests.proxy.streams import reset
from tests.proxy.talk import Kind, PlainTalk

MIB = 1024 * 1024
ANY_LINK: list[Fault] = [
    Latency(seconds=600.0),
    Slow(bytes_per_s=1),
    Cut(),
    Reset(),
    OneWay(swallowed=Direction.TO_ENGINE),
    OneWay(swallowed=Direction.TO_CLIENT),
    HalfClosed(),
]
KAFKA_ONLY: list[Fault] = [
    HoldProduce(),
    LoseRequests(),
    LoseAnswers(),
    LateAnswers(seconds=600.0),
]


async def test_a_client_of_an_engine_that_is_down_is_reset() -> None:
    async with serving(Echo().meet) as port:
        pass
    async with TcpLink(port).running() as link, client(link.port) as one:
        assert await one.is_ended()


async def test_a_client_that_is_killed_is_gone_for_the_engine_too() -> None:
    async with echo_behind_a_link() as (echo, link):
        async with client(link.port) as one:
            await one.echo(b"1")
        await until(lambda: len(echo.ended) == 1)
        await until(lambda: link.open_connections == 0)


async def test_a_client_whose_broker_is_down_is_reset_and_served_when_it_is_back(
    pem: Path, ca: Path, trust: ssl.SSLContext
) -> None:
    async with serving(FakeBroker().meet, broker_tls(pem)) as port:
        pass
    async with KafkaLinks({1: port}, pem, ca).running() as links:
        async with client(links[1].port) as one:
            assert await one.is_ended()
        server = await asyncio.start_server(
            FakeBroker().meet, "127.0.0.1", port, ssl=broker_tls(pem)
        )
        async with client(links[1].port, trust) as one:
            assert await one.ask(METADATA, 1) == b"body"
        server.close()
        await until(lambda: links[1].open_connections == 0)


async def test_the_engine_side_is_closed_in_order_when_a_client_dies_after_its_handshake(
    link: KafkaLink, trust: ssl.SSLContext
) -> None:
    def shake_hands_and_die() -> None:
        with socket.create_connection(("127.0.0.1", link.port)) as plain:
            one = trust.wrap_socket(plain, server_hostname="127.0.0.1")
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()

    for _ in range(8):  # the moment is a race, which one alone may miss
        await asyncio.to_thread(shake_hands_and_die)
    await until(lambda: link.open_connections == 0)


async def test_what_closed_itself_behind_its_last_bytes_may_be_reset_all_the_same() -> None:
    loop, taken = asyncio.get_running_loop(), asyncio.Queue[asyncio.Transport]()

    class Taking(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken.put_nowait(cast("asyncio.Transport", transport))

    server = await loop.create_server(Taking, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        transport = await taken.get()
        transport.write(bytes(16 * 1024 * 1024))
        transport.close()
        assert len(await reader.read(-1)) == 16 * 1024 * 1024
        reset(transport)
        writer.close()
        await writer.wait_closed()


async def test_a_mistake_of_the_proxy_itself_is_told_at_the_end() -> None:
    class Mistaken(PlainTalk):
        async def read(self, reader: asyncio.StreamReader, _: Direction) -> tuple[bytes, Kind]:
            await reader.read(1)
            raise ZeroDivisionError

    async def meet_it() -> None:
        async with (
            serving(Echo().meet) as port,
            Link(Ends(engine_port=port, new_talk=Mistaken), seed=0).running() as link,
            client(link.port) as one,
        ):
            await one.say(b"1")
            assert await one.is_ended()

    with pytest.raises(BaseExceptionGroup, match="the proxy failed") as told:
        await meet_it()
    assert told.value.subgroup(ZeroDivisionError) is not None


@pytest.mark.parametrize("fault", ANY_LINK, ids=str)
async def test_no_task_and_no_socket_is_left_when_a_link_ends_under_a_fault(fault: Fault) -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(Echo().meet))
        link = TcpLink(port)
        async with asyncio.timeout(PATIENCE_S), link.running():
            old = await stack.enter_async_context(client(link.port))
            await old.echo(b"1")
            link.apply(fault)
            if not isinstance(fault, Cut | Reset):
                await old.say(bytes(3 * MIB))
            await stack.enter_async_context(client(link.port))
        gc.collect()
        assert tasks_of_links() == []
        assert sockets_at(link.port, port) == []


@pytest.mark.parametrize("turns", range(5))
async def test_no_socket_is_left_of_a_client_that_comes_in_the_last_moment(turns: int) -> None:
    async with serving(Echo().meet) as port:
        link = TcpLink(port)
        async with link.running():
            late = socket.create_connection(("127.0.0.1", link.port))
            for _ in range(turns):
                await asyncio.sleep(0)
        with late:
            assert sockets_at(link.port, port) == []


def sockets_at(link_port: int, engine_port: int) -> list[object]:
    """Give the open sockets of a link, on its side of clients and on its side of the engine."""
    return [
        one
        for one in psutil.Process().net_connections("tcp")
        if one.laddr[1:] == (link_port,) or one.raddr[1:] == (engine_port,)
    ]


@pytest.mark.parametrize("fault", [*ANY_LINK, *KAFKA_ONLY], ids=str)
async def test_no_task_is_left_when_links_end_under_a_fault(
    fault: Fault, pem: Path, ca: Path, trust: ssl.SSLContext
) -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(FakeBroker().meet, broker_tls(pem)))
        async with (
            asyncio.timeout(PATIENCE_S),
            KafkaLinks({1: port}, pem, ca).running() as links,
        ):
            old = await stack.enter_async_context(client(links[1].port, trust))
            await old.ask(METADATA, 1)
            links.apply(fault)
            # One that talks, and one that is in the middle of its handshake.
            if not isinstance(fault, Cut | Reset):
                await old.request(PRODUCE, 2, bytes(2 * MIB))
            await stack.enter_async_context(client(links[1].port))
            await asyncio.sleep(0.05)
        gc.collect()
        assert tasks_of_links() == []
        assert links[1].open_connections == 0
