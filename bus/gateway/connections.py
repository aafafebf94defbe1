"""Listening with bounds: so many connections, none of them idle or slow for long.

aiohttp's own server accepts whatever comes and waits for its first request for ever. Here a
connection is accepted when there is a place for it; where all are taken, the one that has been
idle longest makes room, and newcomers wait in the kernel's queue, which is short.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from bus.gateway.problems import Problem, language_of

logger = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 512
IDLE_S_MAX: Final = 30.0
"""Without a request under way; a request whose head is still coming is not under way."""
REQUEST_S_MAX: Final = 120.0
"""From a request's head to the last byte of its answer, however slowly it is read. A stream of
events has limits of its own."""
_GIVES_WAY_S: Final = 1.0
"""An idle connection is not closed in favour of another before."""
_HANDSHAKE_S: Final = 5.0
_LOOK_AGAIN_S: Final = 0.5
_FULL_AGAIN_S: Final = 0.02
_LINGER_S: Final = 1.0
"""How long the rest of a refused body is read and dropped, so that the answer arrives."""
_LINE_BYTES_MAX: Final = 16 * 1024
"""Of a request's first line: it may hold a resume token."""
_BACKLOG: Final = 128
_SHUTDOWN_S: Final = 1.0


class Connection(RequestHandler):
    """One connection, which knows since when it does what it does."""

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        """Prepare; TLS makes the connection."""
        super().__init__(
            listener.server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # as its own runner passes it
            auto_decompress=False,  # a compressed body is refused; its bytes are never unpacked
            lingering_time=_LINGER_S,
            keepalive_timeout=IDLE_S_MAX,
            max_line_size=_LINE_BYTES_MAX,
        )
        self._listener = listener
        self.is_busy = False
        self.since_s = loop.time()
        """When it became busy, or idle."""
        self.is_stream = False
        """A stream of events, which watches its reader itself."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place."""
        super().connection_made(transport)
        self._listener.open.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give it back."""
        super().connection_lost(exc)
        self._listener.open.discard(self)

    def begin(self) -> None:
        """A request's head is whole, and it is being answered."""
        self._turn(is_busy=True)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write the rest of an answer; until its last byte is written the request goes on."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._turn(is_busy=False)

    def _turn(self, *, is_busy: bool) -> None:
        self.is_busy, self.is_stream, self.since_s = is_busy, False, self._loop.time()

    def look(self, now_s: float) -> None:
        """Close it where what it does has taken too long."""
        longest_s = REQUEST_S_MAX if self.is_busy else IDLE_S_MAX
        if not self.is_stream and now_s - self.since_s > longest_s:
            self.drop()

    def drop(self) -> None:
        """Close it at once, whatever is under way."""
        transport = self.transport
        self.force_close()
        if isinstance(transport, asyncio.Transport):
            transport.abort()  # closing alone would wait for who reads nothing

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it may hold what the client sent
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or too long a head, as everything else is answered."""
        logger.info("gateway.no_http problem=%s", type(exc).__name__)
        is_ours = status >= web.HTTPInternalServerError.status_code
        problem = Problem(status, "broken" if is_ours else "bad_head", kind=type(exc).__name__)
        answer = problem.answer(language_of(request.headers.get("Accept-Language", "")))
        answer.force_close()
        return answer


class Listener:
    """Accepts connections while there are places."""

    def __init__(self, server: web.Server, sock: socket.socket, context: ssl.SSLContext) -> None:
        """Take what is bound already.

        Args:
            server: Of the application's runner, which is set up.
            sock: Bound; not blocking.
            context: With the gateway's certificate.
        """
        self.server = server
        self.open: set[Connection] = set()
        self._socket = sock
        self._context = context
        self._shaking: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Accept for the time of a block; what is open then, the runner's cleaning up ends."""
        self._socket.listen(_BACKLOG)
        tasks = [asyncio.create_task(self._accept()), asyncio.create_task(self._watch())]
        try:
            yield
        finally:
            waiting: list[asyncio.Task[Any]] = [*tasks, *self._shaking]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            self._socket.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while len(self.open) + len(self._shaking) >= CONNECTIONS_MAX:
                self._make_room(loop.time())
                await asyncio.sleep(_FULL_AGAIN_S)
            try:
                accepted, _ = await loop.sock_accept(self._socket)
            except OSError as problem:  # no file descriptors, or the client is gone already
                logger.warning("gateway.not_accepted problem=%s", problem.strerror)
                await asyncio.sleep(_LOOK_AGAIN_S)
                continue
            task = asyncio.create_task(self._shake_hands(accepted))
            self._shaking.add(task)
            task.add_done_callback(self._shaking.discard)

    async def _shake_hands(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        # Whoever speaks no TLS, or shows a certificate of another authority, is gone.
        with suppress(OSError, TimeoutError):
            await loop.connect_accepted_socket(
                lambda: Connection(self, loop),
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_S,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )

    def _make_room(self, now_s: float) -> None:
        idle = [one for one in self.open if not one.is_busy]
        longest = min(idle, key=lambda one: one.since_s, default=None)
        if longest is not None and now_s - longest.since_s > _GIVES_WAY_S:
            longest.drop()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            for connection in list(self.open):
                connection.look(loop.time())
