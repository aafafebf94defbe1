"""A proxy between one worker and the broker, which can hold the worker's produce requests back.

It ends TLS with the broker's own certificate, so it can tell requests apart, and puts its own port
into the answers that name brokers, so that no client walks round it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

PRODUCE = 0
HOST = b"127.0.0.1"


class BrokerProxy:
    """Forwards frames both ways; produce requests wait while they are held."""

    def __init__(self, broker_port: int, broker_pem: Path, ca_file: Path) -> None:
        self.port = 0
        self.produce_requests = 0
        self.held = 0
        self._broker_port = broker_port
        self._server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server_tls.load_cert_chain(broker_pem)
        self._client_tls = ssl.create_default_context(cafile=str(ca_file))
        self._may_produce = asyncio.Event()
        self._may_produce.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def hold_produce(self) -> None:
        """Keep produce requests from now on; they count in `held`."""
        self._may_produce.clear()

    def let_produce(self) -> None:
        """Send on what was held, where its client still lives, and all that follows."""
        self._may_produce.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[BrokerProxy]:
        server = await asyncio.start_server(self._serve, HOST.decode(), 0, ssl=self._server_tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            to_broker = await asyncio.open_connection(
                HOST.decode(), self._broker_port, ssl=self._client_tls
            )
            ways = [
                asyncio.create_task(self._forward_requests(reader, to_broker[1])),
                asyncio.create_task(self._forward_answers(to_broker[0], writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                writer.close()
                to_broker[1].close()

    async def _forward_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            frame = await _read_frame(reader)
            (api_key,) = struct.unpack_from(">h", frame)
            if api_key == PRODUCE:
                self.produce_requests += 1
                self.held += not self._may_produce.is_set()
                await self._may_produce.wait()
            await _write_frame(writer, frame)

    async def _forward_answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        real, own = (struct.pack(">i", port) for port in (self._broker_port, self.port))
        while True:
            frame = await _read_frame(reader)
            await _write_frame(writer, frame.replace(HOST + real, HOST + own))


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


async def _write_frame(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
    await writer.drain()
