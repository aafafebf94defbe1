"""Requests that are answered once: the same key and the same request give the same receipt.

The row of a request is written in a transaction that stays open while its records are sent, and
gets its receipt in the same one. So a second request with the key waits, and then finds the
receipt; where the gateway ends in between, the row is gone with it, and the records are sent again
with the same ids, which the bus takes for repeats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import psycopg

from bus.gateway.problems import Problem
from bus.model.identifiers import SystemCode
from bus.postgres.queries import Queries
from bus.postgres.session import connect, translated
from bus.texts import message

QUERIES: Final = Queries.load("bus.gateway", "idempotency")
KEPT_HOURS: Final = 24
_FORGET_EACH_S: Final = 60.0
_FORGET_ROWS: Final = 1_000
_SETTINGS: Final = {
    # Longer than sending may take: the transaction idles meanwhile.
    "idle_in_transaction_session_timeout": "40s",
    "lock_timeout": "5s",
}


class AnsweredOnce:
    """Keeps the receipts of requests with an idempotency key, for a day."""

    def __init__(self, dsn: str) -> None:
        """Prepare.

        Args:
            dsn: Of the fund's database.
        """
        self._dsn = dsn
        self._forget_at_s = 0.0

    async def prepare(self) -> None:
        """Make the table where it is missing.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        session = await connect(self._dsn, "bus gateway", {})
        try:
            async with translated(message("doing.gateway.requests")):
                await session.execute(QUERIES.get("create"))
        finally:
            await session.close()

    async def answer(
        self, system: SystemCode, key: str, digest: bytes, work: Callable[[], Awaitable[str]]
    ) -> tuple[str, bool]:
        """Do work once for a key, and give its receipt each time.

        Args:
            system: Whose key it is; others' keys are others.
            key: As the client chose it.
            digest: Of the request.
            work: Sends the records, and gives the receipt.

        Returns: The receipt, and whether it is one of before.

        Raises:
            Problem: The key was used for another request, or the same one is under way.
            Unavailable: PostgreSQL does not answer.
        """
        named = {"system": system, "key": key, "digest": digest}
        session = await connect(self._dsn, "bus gateway", _SETTINGS)
        try:
            async with translated(message("doing.gateway.requests")), session.transaction():
                try:
                    taken = await session.execute(QUERIES.get("take"), named)
                except psycopg.errors.LockNotAvailable:
                    raise Problem(409, "under_way", retry_after_s=1) from None
                if not taken.rowcount:
                    row = await (await session.execute(QUERIES.get("known"), named)).fetchone()
                    return _known(row, digest), True
                receipt = await work()
                await session.execute(QUERIES.get("answered"), {**named, "receipt": receipt})
            await self._forget(session)
        finally:
            await session.close()
        return receipt, False

    async def _forget(self, session: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._forget_at_s:
            return
        self._forget_at_s = now_s + _FORGET_EACH_S
        with suppress(psycopg.Error):  # the records are sent; the next request tries again
            named = {"hours": KEPT_HOURS, "limit": _FORGET_ROWS}
            await session.execute(QUERIES.get("forget"), named)


def _known(row: tuple[object, ...] | None, digest: bytes) -> str:
    if row is None or row[1] is None:  # it was forgotten, or is being written, this moment
        raise Problem(409, "under_way", retry_after_s=1)
    if bytes(row[0]) != digest:  # type: ignore[call-overload]  # a bytea
        raise Problem(422, "key_used")
    return str(row[1])
