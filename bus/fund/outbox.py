"""The outbox of standing views: records that the fund's transactions left to be sent, in order.

One worker sends at a time, whichever has the lock, all that waits: so what a worker left that died
is sent by the next one that looks, and nothing hangs on who owns which partition. A page is removed
in the transaction that holds the lock, after Kafka has it; a worker that dies in between leaves it,
and it is sent again under the same ids. Source: ADR-0026.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias, cast

from bus.fund.standing import QUERIES
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode, ViewCode
from bus.model.record import Lane, Presence, StandingRow
from bus.postgres.session import BY_INDEX, Session, connect, translated
from bus.texts import message
from bus.wire.record_id import row_id

PAGE_RECORDS_MAX: Final = 1_000
PAGE_VALUES_BYTES_MAX: Final = 4 * 1024 * 1024
"""A page ends with the record that passes it."""
_PATIENCE: Final = {
    # Above what Kafka takes for a page: until it has it, the transaction idles.
    "idle_in_transaction_session_timeout": "20s",
    # Others wait behind whoever sends, page by page.
    "lock_timeout": "30s",
    "statement_timeout": "35s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One record that is still to be sent."""

    record: StandingRow
    partition: int
    """Of the view's topic."""


Send: TypeAlias = Callable[[Sequence[Waiting]], Awaitable[None]]
"""Returns when all in-sync replicas have the records; raises where that is not known."""


class StandingOutbox:
    """A worker's own session on the outbox, beside the one that writes the fund."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    async def open(cls, dsn: str) -> Self:
        """Connect; the tables must have been applied.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return cls(await connect(dsn, "bus standing views", {**BY_INDEX, **_PATIENCE}))

    async def close(self) -> None:
        """End the session."""
        await self._session.close()

    async def send_page(self, send: Send) -> int:
        """Send the oldest records that wait, and remove them.

        Args:
            send: Its exceptions pass through; the records stay, and the next call takes them.

        Returns: How many there were; call again until there are none.

        Raises:
            Unavailable: PostgreSQL is gone; Kafka may have the records, which then come again.
        """
        async with translated(message("doing.fund.outbox")), self._session.transaction():
            await self._session.execute(QUERIES.get("lock_outbox"))
            named = {"limit": PAGE_RECORDS_MAX, "bytes": PAGE_VALUES_BYTES_MAX}
            async with self._session.cursor(binary=True) as cursor:
                await cursor.execute(QUERIES.get("outbox"), named)
                rows = await cursor.fetchall()
            if rows:
                await send([_waiting(row) for row in rows])
                places = {"places": [row[0] for row in rows]}
                await self._session.execute(QUERIES.get("remove_from_outbox"), places)
            return len(rows)


def _waiting(row: Sequence[object]) -> Waiting:
    texts, numbers = cast("Sequence[str]", row), cast("Sequence[int]", row)
    record = StandingRow(
        view=ViewCode(texts[1]),
        agency=AgencyCode(texts[2]),
        dataset=DatasetCode(texts[3]),
        key=texts[4],
        number=numbers[5],
        presence=Presence(texts[6]),
        record_id=row_id(texts[1], texts[2], texts[3], texts[4], numbers[5], texts[6]),
        schema_id=numbers[7],
        value=cast("bytes | None", row[8]),
        event_time=texts[9],
        lane=Lane(texts[10]),
        system=SystemCode(texts[11]),
        bus_in=texts[12],
        catalogue=numbers[13],
    )
    return Waiting(record=record, partition=numbers[14])
