"""How a link cuts what it reads into pieces, and what each piece is."""

from __future__ import annotations

import asyncio
from enum import Enum, auto, unique
from typing import Protocol

from tests.proxy.faults import Direction

CHUNK_BYTES = 64 * 1024


@unique
class Kind(Enum):
    """What a piece is to the faults."""

    PRODUCE_REQUEST = auto()
    PRODUCE_ANSWER = auto()
    OTHER = auto()


class Talk(Protocol):
    """What is said on one connection, both ways."""

    async def read(
        self, reader: asyncio.StreamReader, direction: Direction, /
    ) -> tuple[bytes, Kind] | None:
        """Give the next piece as it is to be passed on, or None at the end."""


class PlainTalk:
    """Bytes that mean nothing to the proxy."""

    async def read(self, reader: asyncio.StreamReader, _: Direction) -> tuple[bytes, Kind] | None:
        """Give what there is, up to a chunk."""
        data = await reader.read(CHUNK_BYTES)
        return (data, Kind.OTHER) if data else None
