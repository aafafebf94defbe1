"""A port that stands for an engine's, with one fault in force at a time, or none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from tests.proxy.connection import Connection, Ends
from tests.proxy.faults import Cut, Fault, HalfClosed, OneWay, ProduceFault, Reset
from tests.proxy.streams import HOST, Arrival, reset
from tests.proxy.switch import Counters, Shared, Switch
from tests.proxy.talk import PlainTalk

TURNS_TO_CLOSE = 6
"""Of the loop: a connection that was accepted last is met, reset and closed, and TLS is told."""


class Link:
    """Carries connections from its own port to an engine's while it is `running`."""

    def __init__(self, ends: Ends, *, seed: int) -> None:
        self.port = 0
        """Where clients connect; known once the link runs."""
        self._ends = ends
        self._shared = Shared(chance=random.Random(seed))
        self._connections: set[Connection] = set()
        self._failures: list[BaseException] = []
        self._is_open = False

    @property
    def counters(self) -> Counters:
        """Count what went through."""
        return self._shared.counters

    @property
    def fault(self) -> Fault | None:
        """Give the fault in force."""
        return self._switch.fault

    @property
    def open_connections(self) -> int:
        """Count the connections that live now."""
        return len(self._connections)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen; at the end every connection is reset.

        Raises:
            BaseExceptionGroup: The proxy itself failed.
        """
        self._is_open = True
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Arrival(self._welcome), HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            # Why not close the server first: asyncio would forget a connection that it is about to
            # hand over, and leave its socket open.
            loop.remove_reader(server.sockets[0].fileno())
            self._is_open = False
            ending = [connection.task for connection in self._connections]
            self._abort_all()
            await asyncio.gather(*ending, return_exceptions=True)
            for _ in range(TURNS_TO_CLOSE):
                await asyncio.sleep(0)
            server.close()
        if self._failures:
            raise BaseExceptionGroup("the proxy failed", self._failures)

    def apply(self, fault: Fault) -> None:
        """Put a fault in force, for connections that stand and for new ones.

        Raises:
            RuntimeError: Another one is in force.
        """
        if self.fault is not None:
            raise RuntimeError(f"{self.fault} is in force: lift it before {fault}")
        if isinstance(fault, Cut | Reset):
            self._abort_all()
        if isinstance(fault, Reset):
            return
        self._switch.turn(fault)
        if isinstance(fault, HalfClosed):
            for connection in list(self._connections):
                connection.drop_engine()

    def lift(self) -> None:
        """Take the fault off, if there is one: new connections are clean.

        What waited for its time goes on; a connection of which something was swallowed is reset.
        """
        lifted = self.fault
        self._switch.turn(None)
        if isinstance(lifted, OneWay | HalfClosed):
            for connection in list(self._connections):
                if connection.has_swallowed or isinstance(lifted, HalfClosed):
                    connection.abort()

    @property
    def _switch(self) -> Switch:
        return self._shared.switch

    def _welcome(self, client: asyncio.Transport) -> None:
        self.counters.connections += 1
        if not self._is_open or isinstance(self.fault, Cut):
            reset(client)
            return
        connection = Connection(client, self._ends, self._shared)
        self._connections.add(connection)
        connection.task.add_done_callback(lambda task: self._forget(connection, task))

    def _forget(self, connection: Connection, task: asyncio.Task[None]) -> None:
        self._connections.discard(connection)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failures.append(failure)

    def _abort_all(self) -> None:
        for connection in list(self._connections):
            connection.abort()


class TcpLink(Link):
    """Passes bytes: for PostgreSQL, and for all that the proxy need not understand."""

    def __init__(self, target_port: int, *, seed: int = 0) -> None:
        super().__init__(Ends(engine_port=target_port, new_talk=PlainTalk), seed=seed)

    def apply(self, fault: Fault) -> None:
        """Put a fault in force, as of `Link`; those of produce requests are none of it.

        Raises:
            TypeError: The fault is one of produce requests.
        """
        if isinstance(fault, ProduceFault):
            raise TypeError(f"{fault} needs a link that knows Kafka's frames")
        super().apply(fault)
