"""Engines and clients that are nothing but sockets, to see what a link does to them."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.proxy.link import TcpLink
from tests.proxy.streams import HOST

PATIENCE_S = 30.0
SILENCE_S = 0.2
HANG_UP_TURNS = 4

PRODUCE = 0
FETCH = 1
METADATA = 3

Meet = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(meet: Meet, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Give the port of an engine that meets each connection so."""
    tasks: set[asyncio.Task[None]] = set()

    async def meet_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await meet(reader, writer)
        except asyncio.CancelledError:
            pass  # streams report a cancelled task as a fault of the handler
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(meet_and_hang_up, HOST, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await turns()


class Echo:
    """Says what it hears, and remembers it, and how connections ended."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended: list[str] = []

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(64 * 1024):
                self.heard += data
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            self.ended.append("reset")
        else:
            self.ended.append("end")


@asynccontextmanager
async def echo_behind_a_link() -> AsyncIterator[tuple[Echo, TcpLink]]:
    echo = Echo()
    async with serving(echo.meet) as port, TcpLink(port).running() as link:
        yield echo, link


def broker_tls(pem: Path) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    return tls


class FakeBroker:
    """Answers each request with its body, or with what is laid down for its kind."""

    def __init__(self, answers: Mapping[int, bytes] | None = None) -> None:
        self.seen: list[tuple[int, int]] = []
        """Kinds and correlation ids, in the order in which they came."""
        self.ended = 0
        self._answers = {} if answers is None else answers

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                request = await reader.readexactly(size)
                api_key, _, correlation_id = struct.unpack_from(">hhi", request)
                self.seen.append((api_key, correlation_id))
                body = self._answers.get(api_key, request[8:])
                writer.write(struct.pack(">ii", len(body) + 4, correlation_id) + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.ended += 1


class Client:
    """One connection to a link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(size)

    async def echo(self, data: bytes) -> float:
        """Say and hear it again; give the seconds that it took."""
        time = asyncio.get_running_loop().time
        begun_s = time()
        await self.say(data)
        assert await self.hear(len(data)) == data
        return time() - begun_s

    async def request(self, api_key: int, correlation_id: int, body: bytes = b"body") -> None:
        head = struct.pack(">ihhi", len(body) + 8, api_key, 0, correlation_id)
        await self.say(head + body)

    async def answer(self) -> tuple[int, bytes]:
        size, correlation_id = struct.unpack(">ii", await self.hear(8))
        return correlation_id, await self.hear(size - 4)

    async def ask(self, api_key: int, correlation_id: int, body: bytes = b"body") -> bytes:
        await self.request(api_key, correlation_id, body)
        answered, found = await self.answer()
        assert answered == correlation_id
        return found

    async def hears_nothing(self) -> bool:
        """Tell whether neither a byte nor an end comes for a while."""
        try:
            async with asyncio.timeout(SILENCE_S):
                await self.reader.read(1)
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        return False

    async def is_ended(self) -> bool:
        """Wait for the end, and tell whether it comes without another byte."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def client(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    """Connect, and hang up at the end."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(HOST, port, ssl=tls)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        await turns()


async def turns() -> None:
    """Let the loop close what was aborted."""
    for _ in range(HANG_UP_TURNS):
        await asyncio.sleep(0)


async def until(true: Callable[[], bool]) -> None:
    """Wait for a state that another task brings about."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.005)


def tasks_of_links() -> list[asyncio.Task[object]]:
    """Give the tasks in which links carry their connections."""
    return [
        task
        for task in asyncio.all_tasks()
        if any(owner in repr(task.get_coro()) for owner in ("Connection.", "Way."))
    ]
