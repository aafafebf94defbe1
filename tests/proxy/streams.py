"""Sockets as streams, with or without TLS, of which none outlives its owner.

The TCP transport below TLS stays in hand, so that a connection can be ended at once at any moment,
also in the middle of a handshake: a farewell in TLS could outlive the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass

HOST = "127.0.0.1"
READ_AHEAD_BYTES = 256 * 1024

_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)


class Arrival(asyncio.Protocol):
    """A new TCP connection: nothing is read before somebody opened a stream on it."""

    def __init__(self, welcome: Callable[[asyncio.Transport], None]) -> None:
        self._welcome = welcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._welcome(transport)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One side of a connection."""

    tcp: asyncio.Transport
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def write(self, data: bytes | memoryview) -> None:
        """Write, and wait until there is room for more."""
        self.writer.write(data)
        await self.writer.drain()

    def end(self) -> None:
        """Say that nothing more will be written; in TLS, which cannot say it, hang up."""
        if self.writer.can_write_eof():
            self.writer.write_eof()
        else:
            self.tcp.close()

    async def close(self) -> None:
        """Hang up when all that was written has left."""
        self.tcp.close()
        await self.writer.wait_closed()


async def dial(port: int) -> asyncio.Transport:
    """Connect to an engine.

    Raises:
        OSError: Nobody listens there.
    """
    loop = asyncio.get_running_loop()
    tcp, _ = await loop.create_connection(lambda: Arrival(lambda _: None), HOST, port)
    return tcp


async def open_stream(
    tcp: asyncio.Transport, tls: ssl.SSLContext | None, *, is_server: bool
) -> Stream:
    """Begin to read, after a handshake if there is to be TLS.

    Raises:
        OSError: The other side hung up, or the handshake failed.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READ_AHEAD_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    if tls is None:
        tcp.set_protocol(protocol)
        protocol.connection_made(tcp)
        tcp.resume_reading()
        writer = asyncio.StreamWriter(tcp, protocol, reader, loop)
        return Stream(tcp=tcp, reader=reader, writer=writer)
    name = None if is_server else HOST
    transport = await loop.start_tls(
        tcp, protocol, tls, server_side=is_server, server_hostname=name
    )
    if transport is None or tcp.is_closing():
        raise ConnectionResetError("it hung up during the handshake")
    protocol.connection_made(transport)
    # Nothing may wait inside TLS when the connection below is closed, it would be lost. Why not 0:
    # asyncio would pause and resume at each write.
    transport.set_write_buffer_limits(high=1)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    return Stream(tcp=tcp, reader=reader, writer=writer)


def reset(tcp: asyncio.Transport) -> None:
    """End a connection at once, so that the other side is told of a reset."""
    connection: socket.socket = tcp.get_extra_info("socket")
    if connection.fileno() < 0:
        return  # asyncio, which closed it behind its last bytes, breaks when asked to abort it
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
    tcp.abort()
