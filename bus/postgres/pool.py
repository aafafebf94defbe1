"""A few sessions that are kept open, for a process that answers many short questions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final

from psycopg.pq import TransactionStatus

from bus.errors import Unavailable
from bus.postgres.session import Session, connect
from bus.texts import message

WAIT_S: Final = 5.0
"""How long a question waits for a session that others use."""

FRESH_S: Final = 1.0
"""A session that was used so shortly before is not asked whether it still answers."""


class SessionPool:
    """Opens sessions when they are needed first, and again when one was lost.

    A session that was left in the middle of something is closed and not used again, so that no
    fault outlives its question.
    """

    def __init__(
        self,
        dsn: str,
        application: str,
        *,
        sessions_max: int,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            dsn: As `bus.postgres.session.connect`, like `application` and `settings`.
            application: Shown to the database's operator.
            sessions_max: Open at one time.
            settings: PostgreSQL's settings of each session.
        """
        self._dsn = dsn
        self._application = application
        self._settings = settings
        self._free: list[tuple[Session, float]] = []
        self._places = asyncio.Semaphore(sessions_max)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a session for the time of a block.

        Raises:
            Unavailable: PostgreSQL does not answer, or all sessions are in use for too long.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable(message("error.postgres.no_session", wait_s=WAIT_S)) from None
        try:
            session = await self._taken()
            try:
                yield session
            finally:
                if session.info.transaction_status is TransactionStatus.IDLE:
                    self._free.append((session, asyncio.get_running_loop().time()))
                else:
                    await session.close()
        finally:
            self._places.release()

    async def close(self) -> None:
        """End all sessions that are not lent."""
        while self._free:
            await self._free.pop()[0].close()

    async def _taken(self) -> Session:
        """Take the session that was used last, unless the database has closed it meanwhile."""
        while self._free:
            session, used_at = self._free.pop()
            is_fresh = asyncio.get_running_loop().time() - used_at < FRESH_S
            if not session.closed and (is_fresh or await _answers(session)):
                return session
            await session.close()
        return await connect(self._dsn, self._application, self._settings)


async def _answers(session: Session) -> bool:
    try:
        await session.execute("SELECT")
    except Exception:  # noqa: BLE001 - whatever it is, another session is opened
        return False
    return True
