"""Seeing records of a sample appear in the fund."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

from bus.demo.delays import QUERIES, delay_ms
from bus.fund.entries import tables_of
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.postgres.session import connect
from tests.bench.invented_contract import BAD_EACH, key_of

LOOK_EACH_S: Final = 0.005
_LOOKED_FOR: Final = 64
"""Of those not seen yet, the ones published first; the others can't be there for long before."""
_LAST_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Each so many records of those that are published, numbers 0 to `count`."""

    dataset: DatasetCode
    agency: AgencyCode
    count: int
    each: int

    def keys(self) -> list[str]:
        """Name the good ones in the order in which they are published."""
        numbers = range(1, self.count, self.each)  # 0 is a bad one
        return [key_of(n) for n in numbers if n % BAD_EACH]


async def watch_sample(dsn: str, sample: Sample) -> list[float]:
    """Note the delay of each record of a sample, in ms, until all are there.

    Raises:
        TimeoutError: None was seen for a minute.
    """
    waiting, delays_ms = deque(sample.keys()), list[float]()
    looked_for: set[str] = set()
    statement = QUERIES.get("arrived", history=tables_of(sample.dataset)["history"])
    session = await connect(dsn, "bench")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LAST_S
    try:
        while waiting or looked_for:
            while waiting and len(looked_for) < _LOOKED_FOR:
                looked_for.add(waiting.popleft())
            named = {"agency": sample.agency, "keys": list(looked_for)}
            rows = await (await session.execute(statement, named)).fetchall()
            seen_at = datetime.now(UTC)
            for key, sent in cast("list[tuple[str, datetime]]", rows):
                delays_ms.append(delay_ms(sent, seen_at))
                looked_for.discard(key)
            if rows:
                deadline = loop.time() + _LAST_S
            elif loop.time() > deadline:
                raise TimeoutError(f"{len(delays_ms)} records of the sample were seen, not all")
            await asyncio.sleep(LOOK_EACH_S)
    finally:
        await session.close()
    return delays_ms
