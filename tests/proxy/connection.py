"""One connection through a link: the client's side, the engine's side, and the two ways between."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from tests.proxy.faults import Direction, HalfClosed, OneWay
from tests.proxy.streams import Stream, dial, open_stream, reset
from tests.proxy.switch import Shared
from tests.proxy.talk import CHUNK_BYTES, Talk
from tests.proxy.way import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """How connections of a link are opened at both ends, and what is said on them."""

    engine_port: int
    new_talk: Callable[[], Talk]
    server_tls: ssl.SSLContext | None = None
    """What clients are met with."""
    client_tls: ssl.SSLContext | None = None
    """What the engine is met with."""


class Connection:
    """Lives until one side hangs up, a fault ends it, or `abort` does."""

    def __init__(self, client: asyncio.Transport, ends: Ends, shared: Shared) -> None:
        self._client = client
        self._engine: asyncio.Transport | None = None
        self._ends = ends
        self._shared = shared
        self._streams: list[Stream] = []
        self._ways: list[Way] = []
        self._is_silent = False
        self.task = asyncio.get_running_loop().create_task(self._run())

    @property
    def has_swallowed(self) -> bool:
        """Tell whether something that a side said never arrived."""
        return self._is_silent or any(way.is_stuck for way in self._ways)

    def abort(self) -> None:
        """Reset both sides at once."""
        self._reset()
        self.task.cancel()

    def drop_engine(self) -> None:
        """Reset the engine's side only."""
        if self._engine is None:
            # It has not said anything yet: it may as well come again, to be met with silence.
            self.abort()
        else:
            reset(self._engine)

    async def _run(self) -> None:
        # A side that is gone, or a fault, is an OSError: all that follows is that both are reset.
        with contextlib.suppress(OSError):
            try:
                if isinstance(self._shared.switch.fault, OneWay | HalfClosed):
                    await self._stay_silent()
                else:
                    await self._carry()
            finally:
                # Here, and not outside: asyncio complains of a stream that is forgotten unclosed.
                self._reset()

    async def _stay_silent(self) -> None:
        self._is_silent = True
        client = await self._open(self._client, None, is_server=True)
        while await client.reader.read(CHUNK_BYTES):
            pass
        await client.close()

    async def _carry(self) -> None:
        ends = self._ends
        self._engine = await dial(ends.engine_port)
        engine = await self._open(self._engine, ends.client_tls, is_server=False)
        client = await self._open(self._client, ends.server_tls, is_server=True)
        talk = ends.new_talk()
        self._ways = [
            Way(direction, source=source, sink=sink, talk=talk, shared=self._shared)
            for direction, source, sink in (
                (Direction.TO_ENGINE, client, engine),
                (Direction.TO_CLIENT, engine, client),
            )
        ]
        try:
            async with asyncio.TaskGroup() as tasks:
                for way in self._ways:
                    tasks.create_task(way.read())
                    tasks.create_task(way.write())
        except* OSError as lost:
            raise ConnectionResetError("one way is lost") from lost
        await client.close()
        await engine.close()

    async def _open(
        self, tcp: asyncio.Transport, tls: ssl.SSLContext | None, *, is_server: bool
    ) -> Stream:
        stream = await open_stream(tcp, tls, is_server=is_server)
        self._streams.append(stream)
        return stream

    def _reset(self) -> None:
        reset(self._client)
        if self._engine is not None:
            reset(self._engine)
        for stream in self._streams:
            # TLS hears of the reset below it a turn later, when the stream may be forgotten.
            stream.writer.transport.abort()
