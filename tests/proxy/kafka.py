"""Links to the brokers of a cluster, for clients that come with SASL over TLS.

TLS is ended with the brokers' own certificate, so requests can be told apart, and answers that name
brokers get the links' ports instead: no client walks round them. An answer is known by its
request's correlation id. SASL tokens must be wrapped in requests, as clients do since Kafka 1.0.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Self

from tests.proxy.connection import Ends
from tests.proxy.faults import Direction, Fault
from tests.proxy.link import Link
from tests.proxy.streams import HOST
from tests.proxy.switch import Counters
from tests.proxy.talk import Kind

PRODUCE = 0
FETCH = 1
FRAME_BYTES_MAX = 128 * 1024 * 1024
FETCH_TAIL_BYTES = 1024
"""Brokers are named at the end of an answer to a fetch; before it are records, left alone."""

_SIZE = struct.Struct(">i")
_REQUEST = struct.Struct(">ihhi")
_ANSWER = struct.Struct(">ii")
_ADDRESS = re.compile(re.escape(HOST.encode()) + rb"(.{4})", re.DOTALL)


class KafkaTalk:
    """The frames of one connection."""

    def __init__(self, own_ports: Mapping[int, int]) -> None:
        self._own_ports = own_ports
        # Why not smaller after a produce request without acknowledgement: it gets no answer, so its
        # id stays until it comes again. The bus sends none.
        self._asked: dict[int, int] = {}

    async def read(
        self, reader: asyncio.StreamReader, direction: Direction
    ) -> tuple[bytes, Kind] | None:
        """Give the next whole frame, with its size in front.

        Raises:
            ConnectionResetError: It is not Kafka that is spoken.
        """
        try:
            head = await reader.readexactly(_SIZE.size)
            (size,) = _SIZE.unpack(head)
            if not 0 <= size <= FRAME_BYTES_MAX:
                raise ConnectionResetError(f"a frame of {size} bytes")
            frame = head + await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return None
        if direction is Direction.TO_ENGINE:
            return frame, self._request(frame)
        return self._answer(frame)

    def _request(self, frame: bytes) -> Kind:
        if len(frame) < _REQUEST.size:
            return Kind.OTHER
        _, api_key, _, correlation_id = _REQUEST.unpack_from(frame)
        self._asked[correlation_id] = api_key
        return Kind.PRODUCE_REQUEST if api_key == PRODUCE else Kind.OTHER

    def _answer(self, frame: bytes) -> tuple[bytes, Kind]:
        if len(frame) < _ANSWER.size:
            return frame, Kind.OTHER
        _, correlation_id = _ANSWER.unpack_from(frame)
        api_key = self._asked.pop(correlation_id, None)
        tail_at = max(0, len(frame) - FETCH_TAIL_BYTES) if api_key == FETCH else 0
        kind = Kind.PRODUCE_ANSWER if api_key == PRODUCE else Kind.OTHER
        return frame[:tail_at] + _ADDRESS.sub(self._own_address, frame[tail_at:]), kind

    def _own_address(self, found: re.Match[bytes]) -> bytes:
        (port,) = _SIZE.unpack(found[1])
        return HOST.encode() + _SIZE.pack(self._own_ports.get(port, port))


class KafkaLink(Link):
    """The link to one broker; `KafkaLinks` makes it."""

    def __init__(
        self,
        broker_port: int,
        own_ports: Mapping[int, int],
        *,
        server_tls: ssl.SSLContext,
        client_tls: ssl.SSLContext,
        seed: int,
    ) -> None:
        ends = Ends(
            engine_port=broker_port,
            new_talk=partial(KafkaTalk, own_ports),
            server_tls=server_tls,
            client_tls=client_tls,
        )
        super().__init__(ends, seed=seed)


class KafkaLinks:
    """One link for each broker of a cluster.

    Args:
        brokers: Node id → the port of its listener for clients.
        pem: The brokers' private key and certificate.
        ca: Who signed it.
        seed: Of what is left to chance; each broker's link has its own.
    """

    def __init__(self, brokers: Mapping[int, int], pem: Path, ca: Path, *, seed: int = 0) -> None:
        server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_tls.load_cert_chain(pem)
        client_tls = ssl.create_default_context(cafile=str(ca))
        self._brokers = dict(brokers)
        self._own_ports: dict[int, int] = {}
        self.links = {
            node: KafkaLink(
                port,
                self._own_ports,
                server_tls=server_tls,
                client_tls=client_tls,
                seed=seed * 1_000 + node,
            )
            for node, port in brokers.items()
        }

    def __getitem__(self, node: int) -> KafkaLink:
        return self.links[node]

    @property
    def bootstrap(self) -> str:
        """Say where clients begin."""
        return ",".join(f"{HOST}:{link.port}" for link in self.links.values())

    @property
    def counters(self) -> Counters:
        """Add up what went through all links."""
        return reduce(add, (link.counters for link in self.links.values()), Counters())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen for all brokers, whether they are up or not."""
        async with AsyncExitStack() as stack:
            for node, link in self.links.items():
                await stack.enter_async_context(link.running())
                self._own_ports[self._brokers[node]] = link.port
            yield self

    def apply(self, fault: Fault) -> None:
        """Put a fault in force on all links."""
        for link in self.links.values():
            link.apply(fault)

    def lift(self) -> None:
        """Take the faults off all links."""
        for link in self.links.values():
            link.lift()
