"""The log of a PostgreSQL as it is streamed: START_REPLICATION over psycopg's own connection.

Why not `pg_logical_slot_peek_binary_changes`: it is simpler and half as fast, gives a transaction
only when it has all of it in memory, and decodes again from the slot's place at each look.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from struct import Struct
from typing import Any, Final, Self

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn

from connectors.source import SourceDown
from connectors.texts import message

MESSAGES_MAX: Final = 500
"""Taken at once, before others have their turn."""
_IN_USE: Final = "55006"
"""Somebody reads the slot: as a rule whom we follow, for the moment in which his end is noticed."""
_IN_USE_S: Final = 4.0
_IN_USE_LOOK_S: Final = 0.02
_LOG, _ALIVE = ord("w"), ord("k")
_HEAD: Final = 25
"""Bytes before the content of a message of the log."""
_PLACE: Final = Struct("!xQ").unpack_from
_REPLY: Final = Struct("!cQQQqB").pack

Connection = AsyncConnection[tuple[Any, ...]]


class LogStream:
    """The messages of one slot, from one place on."""

    def __init__(self, session: Connection, confirmed: int) -> None:
        """Take a connection in copy mode; `open` is the way in."""
        self._pgconn: PGconn = session.pgconn
        self._confirmed = confirmed
        self.end = 0
        """Everything that was committed before it was taken."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, session: Connection, *, slot: str, publication: str, start: int, beat_s: float
    ) -> AsyncIterator[Self]:
        """Begin to read.

        Args:
            session: With `replication=database`; its owner closes it.
            slot: Name.
            publication: Says of which tables.
            start: Place in the log; what was committed before it does not come.
            beat_s: How often the source is told that we are there, and asked how far it is.

        Raises:
            SourceDown: Somebody else reads the slot.
        """
        await _start(session, slot, publication, start)
        stream = cls(session, 0)
        beating = asyncio.ensure_future(stream._beat(beat_s))
        try:
            yield stream
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    def confirm(self, lsn: int) -> None:
        """Let the source forget what lies before a place."""
        if lsn > self._confirmed:
            self._confirmed = lsn
            self._tell(is_answer_asked=False)

    async def messages(self, timeout_s: float) -> list[tuple[int, bytes]]:
        """Take what has come, at least once the others had their turn: place and content of each.

        Args:
            timeout_s: How long to wait for the first.

        Raises:
            SourceDown: The source has gone.
        """
        if found := self._taken():
            await asyncio.sleep(0)
            return found
        # Why not `wait_for`: where something comes as we are cancelled, it forgets that we were.
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._readable()
        return self._taken()

    def _taken(self) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        is_fresh = False
        try:
            while len(found) < MESSAGES_MAX:
                size, data = self._pgconn.get_copy_data(1)
                if size > 0:
                    self._take(bytes(data), found)
                elif size < 0:
                    raise _gone(self._pgconn)
                elif is_fresh:
                    break
                else:
                    self._pgconn.consume_input()
                    is_fresh = True
                    continue
                is_fresh = False
        except psycopg.Error as problem:
            raise SourceDown(message("postgres-changes.gone", problem=problem)) from None
        return found

    def _take(self, data: bytes, found: list[tuple[int, bytes]]) -> None:
        if data[0] == _LOG:
            found.append((_PLACE(data)[0], data[_HEAD:]))
        elif data[0] == _ALIVE and not found:
            # Why only then: what was taken with it is not told yet.
            self.end = max(self.end, _PLACE(data)[0])

    async def _readable(self) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._pgconn.socket, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._pgconn.socket)

    async def _beat(self, beat_s: float) -> None:
        """Answer for us even while nobody takes anything, and learn how far the source is.

        Why this suffices where only other tables are written: the source answers with the place up
        to which it has decoded and sent everything. Nothing need be written into it.
        """
        while self._pgconn.status == ConnStatus.OK:
            self._tell(is_answer_asked=True)
            await asyncio.sleep(beat_s)

    def _tell(self, *, is_answer_asked: bool) -> None:
        place = self._confirmed
        # What is lost with a connection that has gone is noticed where it is read.
        with suppress(psycopg.Error):
            self._pgconn.put_copy_data(_REPLY(b"r", place, place, place, 0, is_answer_asked))
            self._pgconn.flush()


async def _start(session: Connection, slot: str, publication: str, start: int) -> None:
    options = sql.SQL(
        "START_REPLICATION SLOT {slot} LOGICAL {start}"
        " (proto_version '1', publication_names {publication}, messages 'true')"
    ).format(
        slot=sql.Identifier(slot),
        start=sql.SQL(f"{start >> 32:X}/{start & 0xFFFFFFFF:X}"),
        publication=sql.Literal(f'"{publication}"'),
    )
    command = options.as_string(session).encode()
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + _IN_USE_S
    while True:
        result = await _executed(session.pgconn, command)
        if result.status == ExecStatus.COPY_BOTH:
            return
        state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        said = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b""
        if state != _IN_USE or loop.time() > give_up_s:
            raise SourceDown(
                message("postgres-changes.gone", problem=said.decode(errors="replace"))
            )
        await asyncio.sleep(_IN_USE_LOOK_S)


async def _executed(pgconn: PGconn, command: bytes) -> Any:  # noqa: ANN401 - psycopg's own result
    """Run a command, and give its last result: psycopg's cursors do not know copying both ways."""
    loop, last = asyncio.get_running_loop(), None
    pgconn.send_query(command)
    pgconn.flush()
    while True:
        while pgconn.is_busy():
            ready = asyncio.Event()
            loop.add_reader(pgconn.socket, ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(pgconn.socket)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            return last
        last = result
        if result.status == ExecStatus.COPY_BOTH:
            return last


def _gone(pgconn: PGconn) -> SourceDown:
    """Say why the stream has ended."""
    result = pgconn.get_result()
    said = b"" if result is None else result.error_message
    problem = (said or pgconn.error_message or b"").decode(errors="replace").strip()
    return SourceDown(message("postgres-changes.gone", problem=problem))
