"""The probe's publisher: kept open, and opened anew after a fault or a loss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final

from aiokafka.errors import KafkaError

from bus.client import Publisher
from bus.errors import BusError, DocumentError
from bus.model.identifiers import RecordId
from bus.texts import message

FAULTS: Final = (BusError, KafkaError, OSError)
"""What a lost probe may come of; anything else is a fault of the probe and ends its process."""
AGAIN_S: Final = 1.0
"""Between a fault and the next attempt to connect."""
FRESH_S: Final = 60.0
"""For so long a publisher that was opened is not opened anew: while the bus is slow, that would
only make it slower."""


class Sending:
    """Sends one row after another; what fails is sent again for as long as it is wanted."""

    def __init__(
        self, opened: Callable[[], AbstractAsyncContextManager[Publisher]], key_field: str
    ) -> None:
        """Prepare; `run` connects.

        Args:
            opened: Connects a publisher for the time of a block, with the key that counts now.
            key_field: Of the rows.
        """
        self._opened = opened
        self._key_field = key_field
        self._wanted: tuple[Mapping[str, object], asyncio.Future[RecordId]] | None = None
        self._stir = asyncio.Event()
        self._is_stale = False
        self._opened_s = 0.0
        self.problem: Exception | None = None
        """Why nothing was sent last; None: it was."""

    async def send(self, row: Mapping[str, object]) -> RecordId:
        """Wait until a row is durable in the log; whoever stops waiting does not want it any more.

        A row that the log has already, from an attempt that seemed to fail, is not sent twice.
        """
        sent: asyncio.Future[RecordId] = asyncio.get_running_loop().create_future()
        self._wanted = (row, sent)
        self._stir.set()
        return await sent

    def renew(self) -> None:
        """Open anew a publisher that was not opened just now.

        Why: it writes by the contract and with the key of when it was opened.
        """
        if time.monotonic() - self._opened_s > FRESH_S:
            self._is_stale = True
            self._stir.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                async with self._opened() as publisher:
                    self._is_stale, self._opened_s = False, time.monotonic()
                    await self._serve(publisher)
            except FAULTS as problem:
                self.problem = problem
            await asyncio.sleep(AGAIN_S)

    async def _serve(self, publisher: Publisher) -> None:
        while not self._is_stale:
            if self._wanted is None or self._wanted[1].done():
                await self._stir.wait()
                self._stir.clear()
                continue
            row, sent = self._wanted
            report = await publisher.publish([row])
            record_id = publisher.newest(str(row[self._key_field]))
            if report.unsendable_count or record_id is None:
                problems = [one for row in report.unsendable for one in row.problems]
                fields = ", ".join(one.field or "-" for one in problems)
                told = {"dataset": publisher.contract.dataset, "fields": fields}
                raise DocumentError(message("error.probe.unsendable", **told))
            self.problem = None
            if not sent.done():
                sent.set_result(record_id)
