"""Whether the data fund has a probe, as the gateway tells its provider."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from bus.client.gateway import Gateway, GatewaySession
from bus.model.identifiers import DatasetCode, RecordId
from bus.probe.sending import FAULTS
from bus.texts import message

FIRST_LOOK_S: Final = 0.1
"""Within which most records are in the fund; each later look comes after twice as long."""
LOOK_S_MAX: Final = 5.0
_IN_FUND: Final = "in_fund"


class Recording:
    """Asks what has become of a record (`GET /records/<dataset>/<id>`).

    Why not by a data request: it would count as a letter replaced, and leave a row and a note each.
    """

    def __init__(
        self,
        gateway: Callable[[], Gateway],
        dataset: DatasetCode,
        clock: Callable[[], datetime],
    ) -> None:
        """Prepare.

        Args:
            gateway: Tells where it is, and with which key to ask now.
            dataset: Of the records.
            clock: Gives the present, aware; requests are signed with it.
        """
        self._gateway = gateway
        self._dataset = dataset
        self._clock = clock
        self.problem: Exception | None = None
        """Why the last look came to nothing; None: the gateway answered."""

    async def recorded_s(self, record_id: RecordId) -> float:
        """Wait until the fund has a record; give when it was seen, by a clock that never jumps."""
        pause_s = FIRST_LOOK_S
        while True:
            await asyncio.sleep(pause_s)
            if await self._is_recorded(record_id):
                return time.monotonic()
            pause_s = min(2 * pause_s, LOOK_S_MAX)

    async def _is_recorded(self, record_id: RecordId) -> bool:
        doing = message("doing.gateway.status", dataset=self._dataset)
        path = f"/records/{self._dataset}/{record_id}"
        try:
            async with GatewaySession(self._gateway(), self._clock, patience_s=0.0) as session:
                told = json.loads(await session.get(path, {}, doing))["status"]
        except (*FAULTS, ValueError, KeyError, TypeError) as problem:  # it may be another's answer
            self.problem = problem
            return False
        self.problem = None
        return bool(told == _IN_FUND)
