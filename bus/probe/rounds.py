"""Rounds: a record each half minute, and on which ways it is back in time.

A round ends at its limit, whatever the clients are doing then: what hangs is a loss, and the next
round begins when it is due.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from string import ascii_lowercase, digits
from typing import Final, Self

from bus.model.identifiers import RecordId
from bus.observe import series
from bus.observe.board import Board
from bus.observe.health import Ailment, Problem
from bus.observe.series import Leg
from bus.probe.receiving import Receiving
from bus.probe.recording import Recording
from bus.probe.sending import Sending

logger = logging.getLogger(__name__)

KEY_FIELD: Final = "registry_number"
ENTRIES_A_DAY: Final = 16
"""Taken in turn, so that every partition gets its share; each day has others, so that none grows
without end: whoever reads an entry whole reads some hundred versions."""
_HOST_LETTERS: Final = frozenset(ascii_lowercase + digits + ".-")
_HOST_LENGTH_MAX: Final = 64
_IN_TIME: Final = 5 / 6
_READY: Final = 1 / 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often a round begins, and how long its record may take."""

    period_s: float
    limit_s: float
    """Less than the period."""

    @classmethod
    def of(cls, period_s: float) -> Self:
        """Give five sixths of the period to the record."""
        return cls(period_s=period_s, limit_s=period_s * _IN_TIME)


class Prober:
    """Sends probes, and counts what becomes of them."""

    def __init__(
        self,
        *,
        sending: Sending,
        receiving: Receiving,
        recording: Recording,
        board: Board,
        cadence: Cadence,
        host: str,
        clock: Callable[[], datetime],
    ) -> None:
        """Take what is prepared.

        Args:
            sending: Writes records.
            receiving: Of the same system.
            recording: Of the same dataset.
            board: To count on.
            cadence: Of rounds.
            host: Name of this machine: two that probe at once have entries of their own.
            clock: Gives the present, aware; what is measured goes by a clock that never jumps.
        """
        self._sending = sending
        self._receiving = receiving
        self._recording = recording
        self._board = board
        self._cadence = cadence
        self._host = _as_key(host)
        self._clock = clock
        self._lost_since_s: Mapping[Leg, float] = {}

    async def run(self) -> None:
        """Send probes until cancelled."""
        doing = (self._sending.run(), self._receiving.run(), self._go_round())
        tasks = [asyncio.create_task(one) for one in doing]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def problems(self) -> tuple[Problem, ...]:
        """Tell on which ways the last probe was lost, and since when; called in any thread."""
        now_s = time.monotonic()
        return tuple(
            Problem(ailment=Ailment.PROBE_LOST, where=leg, since_s=now_s - since_s)
            for leg, since_s in sorted(self._lost_since_s.items())
        )

    async def _go_round(self) -> None:
        number, due_s = 0, time.monotonic()
        while True:
            number += 1
            await self._play(number)
            # Why from when it was due: a round that ends late does not shift those behind it.
            due_s = max(due_s + self._cadence.period_s, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())

    async def _play(self, number: int) -> None:
        """Send one record, and wait until it is back or lost."""
        begun_s, back, is_sent = time.monotonic(), set[Leg](), False
        try:
            async with asyncio.timeout(self._cadence.limit_s):
                await self._receiving.begin(wait_s=self._cadence.limit_s * _READY)
                sent_s = time.monotonic()
                record_id = await self._sending.send(self._row(number))
                is_sent = True
                await asyncio.gather(
                    *(self._await(leg, record_id, sent_s, back) for leg in Leg),
                )
        except TimeoutError:
            self._lose([leg for leg in Leg if leg not in back], number, is_sent=is_sent)
        lost = {leg: begun_s for leg in Leg if leg not in back}
        self._lost_since_s = lost | {
            leg: since_s for leg, since_s in self._lost_since_s.items() if leg in lost
        }

    async def _await(self, leg: Leg, record_id: RecordId, sent_s: float, back: set[Leg]) -> None:
        came: Callable[[RecordId], Awaitable[float]] = (
            self._receiving.came_s if leg is Leg.RECEIVED else self._recording.recorded_s
        )
        self._board.observe(series.PROBE_ROUNDTRIP, (leg,), await came(record_id) - sent_s)
        self._board.set(series.PROBE_BACK, (leg,), self._clock().timestamp())
        back.add(leg)

    def _lose(self, legs: list[Leg], number: int, *, is_sent: bool) -> None:
        for leg in legs:
            self._board.add(series.PROBE_LOST, (leg,))
            way = self._receiving if leg is Leg.RECEIVED else self._recording
            problem = way.problem if is_sent else self._sending.problem
            told = "late" if problem is None else problem
            logger.warning("probe.lost leg=%s round=%d sent=%s: %s", leg, number, is_sent, told)
        # Why after any loss: the key or the contract may be another one by now.
        self._sending.renew()

    def _row(self, number: int) -> dict[str, object]:
        now = self._clock().astimezone(UTC)
        return {
            KEY_FIELD: f"{self._host}-{now.date()}-{number % ENTRIES_A_DAY}",
            "round": number,
            "sent_at": now.replace(microsecond=now.microsecond // 1000 * 1000),
        }


def _as_key(host: str) -> str:
    """Write a machine's name as a part of a registry number."""
    letters = (one if one in _HOST_LETTERS else "-" for one in host.lower())
    return "".join(letters)[:_HOST_LENGTH_MAX]
