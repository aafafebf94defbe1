"""How long a record takes: from the publisher to the consumer, and to the data fund.

Both delays begin at the record's event time, which the publisher takes (to the millisecond) when
it makes the record, before it waits for others to be signed with. They end

    at the consumer  when its `async for` hands the record over, proved and decoded;
    at the fund      when another session of the database sees the committed row. It looks every
                     10 ms, so this delay is told up to 10 ms and one query too long, never short.

Only records of the paced act are measured. In the acts before it whole registers are published at
once, and what a record of those waits for is mostly the records in front of it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from bus.demo.programme import Publication
from bus.fund.entries import tables_of
from bus.model.identifiers import AgencyCode
from bus.postgres.queries import Queries
from bus.postgres.session import Session, connect, translated
from bus.texts import message

QUERIES: Final = Queries.load("bus.demo", "delays")
LOOK_EACH_S: Final = 0.01
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Delays in milliseconds; None where nothing was measured."""

    p50: float | None
    p99: float | None


def percentiles(delays_ms: Sequence[float]) -> Percentiles:
    """Tell the delays that a half and 99 of 100 records did not exceed (nearest rank)."""
    ordered = sorted(delays_ms)

    def at(share: float) -> float | None:
        return round(ordered[math.ceil(share * len(ordered)) - 1], 1) if ordered else None

    return Percentiles(p50=at(0.5), p99=at(0.99))


def delay_ms(sent: datetime, arrived: datetime) -> float:
    """Tell the time between two aware moments in milliseconds."""
    return (arrived - sent) / _MILLISECOND


async def watch_fund(
    dsn: str,
    publication: Publication,
    agency: AgencyCode,
    delays_ms: list[float],
    clock: Callable[[], datetime],
) -> None:
    """Note the delay of each new entry of a publication as it appears in the fund.

    Args:
        dsn: Of the data fund.
        publication: Of entries that the fund does not have yet.
        agency: That publishes it.
        delays_ms: Where delays are noted.
        clock: Gives the present, aware.

    Returns: When all entries are there; cancel it when they should have been.
    """
    missing = {str(row.values["registry_number"]) for row in publication.rows}
    session = await connect(dsn, "bus demo")
    try:
        while missing:
            found = await _arrived(session, publication, agency, missing)
            seen_at = clock()
            delays_ms.extend(delay_ms(sent, seen_at) for _, sent in found)
            missing.difference_update(key for key, _ in found)
            await asyncio.sleep(LOOK_EACH_S)
    finally:
        await session.close()


async def _arrived(
    session: Session, publication: Publication, agency: AgencyCode, keys: set[str]
) -> list[tuple[str, datetime]]:
    statement = QUERIES.get("arrived", history=tables_of(publication.dataset)["history"])
    async with translated(message("doing.demo.delays")):
        rows = await session.execute(statement, {"agency": agency, "keys": list(keys)})
        return cast("list[tuple[str, datetime]]", await rows.fetchall())
