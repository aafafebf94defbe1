"""One direction of a connection: pieces are read, wait as the fault asks, and go on in their order.

Reading and writing are two tasks with a short line between them: so a piece can wait its time while
the next ones are read, and a line that is full stops the reading.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.proxy.faults import (
    Direction,
    Fault,
    HalfClosed,
    HoldProduce,
    LateAnswers,
    Latency,
    LoseAnswers,
    LoseRequests,
    OneWay,
    Slow,
)
from tests.proxy.streams import Stream
from tests.proxy.switch import Shared
from tests.proxy.talk import Kind, Talk

LINE_PIECES_MAX = 64
SLOW_STEP_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes on their way, with the moment before which they may not go on."""

    data: bytes
    kind: Kind
    due_s: float
    read_under: Fault | None


class Way:
    """Carries one direction; faults of the connection come out of its tasks as OSError."""

    def __init__(
        self, direction: Direction, *, source: Stream, sink: Stream, talk: Talk, shared: Shared
    ) -> None:
        self.is_stuck = False
        """Something was swallowed on this way."""
        self._direction = direction
        self._source = source
        self._sink = sink
        self._talk = talk
        self._switch = shared.switch
        self._counters = shared.counters
        self._chance = shared.chance
        self._line: asyncio.Queue[Piece | None] = asyncio.Queue(LINE_PIECES_MAX)
        self._time = asyncio.get_running_loop().time
        self._free_at_s = 0.0

    async def read(self) -> None:
        """Put pieces into the line, up to the end of what the source says."""
        while (found := await self._talk.read(self._source.reader, self._direction)) is not None:
            data, kind = found
            self._counters.produce_requests += kind is Kind.PRODUCE_REQUEST
            fault = self._switch.fault
            due_s = self._time() + self._delay_s(fault, kind)
            await self._line.put(Piece(data=data, kind=kind, due_s=due_s, read_under=fault))
        await self._line.put(None)

    async def write(self) -> None:
        """Pass the line on, and the end behind it."""
        while (piece := await self._line.get()) is not None:
            await self._wait_until_due(piece)
            await self._wait_while_held(piece.kind)
            self._lose(piece.kind)
            await self._pass_on(piece.data)
        await self._wait_while_swallowed()
        if isinstance(self._switch.fault, HalfClosed):
            raise ConnectionResetError("the client hung up on a silent connection")
        self._sink.end()

    def _delay_s(self, fault: Fault | None, kind: Kind) -> float:
        match fault:
            case Latency(seconds=seconds, jitter=jitter):
                return seconds + jitter * self._chance.uniform(-1, 1)
            case LateAnswers(seconds=seconds) if kind is Kind.PRODUCE_ANSWER:
                return seconds
            case _:
                return 0.0

    async def _wait_until_due(self, piece: Piece) -> None:
        while self._switch.fault is piece.read_under:
            left_s = piece.due_s - self._time()
            if left_s <= 0:
                return
            await self._switch.changed(left_s)

    async def _wait_while_held(self, kind: Kind) -> None:
        if kind is not Kind.PRODUCE_REQUEST or not isinstance(self._switch.fault, HoldProduce):
            return
        self._counters.held += 1
        while isinstance(self._switch.fault, HoldProduce):
            await self._switch.changed()

    def _lose(self, kind: Kind) -> None:
        match kind, self._switch.fault:
            case Kind.PRODUCE_REQUEST, LoseRequests(probability=probability):
                if self._chance.random() < probability:
                    self._counters.lost_requests += 1
                    raise ConnectionResetError("the request is lost")
            case Kind.PRODUCE_ANSWER, LoseAnswers(probability=probability):
                if self._chance.random() < probability:
                    self._counters.lost_answers += 1
                    raise ConnectionResetError("the answer is lost")

    async def _pass_on(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            await self._wait_while_swallowed()
            fault = self._switch.fault
            if isinstance(fault, HalfClosed):
                return
            size = len(left)
            if isinstance(fault, Slow):
                size = max(1, int(fault.bytes_per_s * SLOW_STEP_S))
            step, left = left[:size], left[size:]
            await self._sink.write(step)
            self._counters.bytes_passed += len(step)
            if isinstance(fault, Slow):
                await self._keep_pace(len(step), fault)

    async def _wait_while_swallowed(self) -> None:
        while self._is_swallowed(self._switch.fault):
            self.is_stuck = True
            await self._switch.changed()

    def _is_swallowed(self, fault: Fault | None) -> bool:
        match fault:
            case OneWay(swallowed=swallowed):
                return swallowed is self._direction
            case HalfClosed():
                return self._direction is Direction.TO_CLIENT
            case _:
                return False

    async def _keep_pace(self, size: int, slow: Slow) -> None:
        now = self._time()
        self._free_at_s = max(now, self._free_at_s) + size / slow.bytes_per_s
        while self._switch.fault is slow and (left_s := self._free_at_s - self._time()) > 0:
            await self._switch.changed(left_s)
