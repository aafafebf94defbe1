"""Change capture of one table of PostgreSQL: by logical replication, without a load on the table.

Rows that are there before are read in pieces beside the changes; see `changes_table`. The source is
told what is durable on the bus, and keeps its log from there on, so nothing that was committed is
missed, however long the connector is down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any, ClassVar, Final, Literal

from psycopg.pq import ExecStatus
from pydantic import Field

from bus.errors import DocumentError, Finding
from bus.model.record import Operation
from connectors.source import Bad, Context, Item, Json, Kind, Mark, Row, Source, Span, Stream
from connectors.sources import changes_discovery, changes_slot
from connectors.sources.changes_first import FirstReading, rows_of
from connectors.sources.changes_position import Place, lsn_of
from connectors.sources.changes_rows import Assembler, Captured
from connectors.sources.changes_sessions import Connection, ServerConfig, session
from connectors.sources.changes_slot import Names
from connectors.sources.changes_stream import LogStream
from connectors.sources.changes_table import Piece, present, read_piece
from connectors.texts import message
from connectors.versions import EPOCH_MAX

_LOG: Final = logging.getLogger(__name__)
_MIB: Final = 2**20
_LOOK_AT_SLOT_S: Final = 60.0


class ChangesConfig(ServerConfig):
    """Of `PostgresChanges`."""

    table: Annotated[
        str, Field(description="Table: `schema.table`, or one of the schema `public`.")
    ]
    key: Annotated[
        str, Field(description="Column of the registry number: not null, with a unique index.")
    ]
    deleted: Annotated[
        Literal["cease", "annul"],
        Field(description="What a deleted row means: it has ended, or its last version was wrong."),
    ] = "cease"
    versions: Annotated[
        Literal["none", "log"],
        Field(
            description="`log` where the contract takes versions from change capture: the place of "
            "a change in the source's log, under the epoch."
        ),
    ] = "none"
    event_time: Annotated[
        Literal["mapping", "commit"],
        Field(description="When a change came to be: as the mapping says, or when committed."),
    ] = "mapping"
    epoch: Annotated[
        int,
        Field(
            ge=1,
            le=EPOCH_MAX,
            description="Raise it by one after the source was restored or replaced: the table is "
            "read anew, and versions go on above those of before.",
        ),
    ] = 1
    publication: Annotated[
        str | None,
        Field(description="Publication that holds the table; left out: one of its own is made."),
    ] = None
    first_read: Annotated[
        bool, Field(description="Read the rows that are there before, not only changes.")
    ] = True
    piece_rows: Annotated[
        int, Field(ge=1, le=50_000, description="Rows of the table that are read at once.")
    ] = 2_000
    beat_s: Annotated[
        float, Field(gt=0, le=30, description="How often the source is asked how far it is.")
    ] = 5.0
    rewind_mb: Annotated[
        int,
        Field(
            ge=0,
            description="Log that the source keeps behind what is durable, so that the position "
            "can be set back: as after a restore of the bus.",
        ),
    ] = 64
    wal_max_mb: Annotated[
        int | None,
        Field(ge=1, description="Log held back above which it is warned; null: never."),
    ] = 10_240
    wal_over: Annotated[
        Literal["warn", "drop"],
        Field(
            description="What happens above `wal_max_mb`: a warning, or the slot is dropped, which "
            "spares the source's disk and costs reading the table anew."
        ),
    ] = "warn"


class PostgresChanges(Source[ChangesConfig]):
    """Each change of a table in PostgreSQL, by its log (change capture)."""

    Config = ChangesConfig
    kind: ClassVar[Kind] = Kind.LOG

    def __init__(self, config: ChangesConfig, context: Context) -> None:
        """Take what it reads with; open nothing yet."""
        super().__init__(config, context)
        own = changes_slot.own_name(context.connector)
        self._names = Names(
            table=config.table if "." in config.table else f"public.{config.table}",
            key=config.key,
            publication=config.publication or own,
            slots=f"{own}_",
            epoch=config.epoch,
        )
        self._captured = Captured(
            table=config.table,
            key=config.key,
            ending=Operation.CEASE if config.deleted == "cease" else Operation.ANNUL,
            is_numbered=config.versions == "log",
            has_commit_time=config.event_time == "commit",
        )
        self._confirmed = 0
        self._stream: LogStream | None = None
        self._assembler: asyncio.Future[Assembler] | None = None

    def _session(self, *, is_of_log: bool = False) -> Any:  # noqa: ANN401 - a context manager
        return session(self.config, f"bus {self.context.connector}", is_of_log=is_of_log)

    def read(self, position: Json) -> AsyncIterator[Item]:
        """Read the log on, and rows that were there before."""
        self._assembler = asyncio.get_running_loop().create_future()
        return self._read(position, self._assembler)

    async def _read(self, position: Json, begun: asyncio.Future[Assembler]) -> AsyncIterator[Item]:
        async with AsyncExitStack() as stack:
            of_log = await stack.enter_async_context(self._session(is_of_log=True))
            of_table = await stack.enter_async_context(self._session())
            place = await self._place(of_table, position, await _identified(of_log))
            stream = self._stream = await stack.enter_async_context(
                LogStream.open(
                    of_log,
                    slot=self._names.slot,
                    publication=self._names.publication,
                    start=place.lsn,
                    beat_s=self.config.beat_s,
                )
            )
            stream.confirm(self._confirmed)
            oid = await changes_slot.table_oid(of_table, self._names)
            assembler = Assembler(told=self._captured, place=place, oid=oid)
            begun.set_result(assembler)
            stack.push_async_callback(self._forget_stream)
            async for item in self._items(stream, assembler, of_table):
                yield item

    async def _forget_stream(self) -> None:
        self._stream = None

    async def _place(self, of_table: Connection, position: Json, source: str) -> Place:
        """Find where to begin, and make sure that the source still has what follows.

        Raises:
            DocumentError: It has not: it was restored or replaced, or the slot has gone.
        """
        names, config = self._names, self.config
        place = None if position is None else Place.read(position)
        told = {"epoch": config.epoch, "next": config.epoch + 1, "slot": names.slot}
        if place is not None and place.epoch > config.epoch:
            raise DocumentError(message("postgres-changes.epoch_back", **told, kept=place.epoch))
        if place is None or place.epoch < config.epoch:
            await changes_slot.make(of_table, names)
        slot = await changes_slot.slot_of(of_table, names)
        if slot is None or slot.is_lost:
            raise DocumentError(message("postgres-changes.no_slot", **told))
        if place is None or place.epoch < config.epoch:
            return Place(
                epoch=config.epoch,
                source=source,
                lsn=slot.confirmed,
                after=None,
                is_read=not config.first_read,
            )
        found = await of_table.execute("SELECT pg_current_wal_flush_lsn()::text")
        row = await found.fetchone()
        if place.source != source or row is None or lsn_of(row[0]) < place.lsn:
            raise DocumentError(message("postgres-changes.restored", **told, table=names.table))
        if slot.confirmed > place.lsn:
            raise DocumentError(message("postgres-changes.log_gone", **told))
        return place

    async def _items(
        self, stream: LogStream, assembler: Assembler, of_table: Connection
    ) -> AsyncIterator[Item]:
        """Give changes as they come, pieces of the table among them, and how far the source is."""
        loop, place = asyncio.get_running_loop(), assembler.place
        first = FirstReading(self._names, of_table, assembler, self.config.piece_rows)
        look_at_s = loop.time()
        try:
            while True:
                if loop.time() >= look_at_s:
                    await self._look(of_table)
                    look_at_s = loop.time() + _LOOK_AT_SLOT_S
                first.go_on()
                for lsn, data in await stream.messages(self._wait_s(place)):
                    for item in assembler.items(lsn, data):
                        yield item
                    if first.is_due:
                        for item in await first.rows():
                            yield item
                if stream.end > place.lsn and not assembler.is_inside:
                    place.lsn = stream.end
                    yield Mark(place.json)
        finally:
            await first.close()

    def _wait_s(self, place: Place) -> float:
        return self.config.beat_s if place.is_read else min(0.1, self.config.beat_s)

    async def _look(self, of_table: Connection) -> None:
        """See what log is held back, and that the table is still the one that is published.

        Raises:
            DocumentError: It is not; or too much is held, and the slot was given up.
        """
        await changes_slot.table_oid(of_table, self._names)
        slot = await changes_slot.slot_of(of_table, self._names)
        most = self.config.wal_max_mb
        if slot is not None:
            self.context.held(slot.held_bytes)
        if slot is None or most is None or slot.held_bytes <= most * _MIB:
            return
        told = {
            "slot": self._names.slot,
            "held_mb": slot.held_bytes // _MIB,
            "wal_max_mb": most,
            "next": self.config.epoch + 1,
        }
        if self.config.wal_over == "warn":
            _LOG.warning("%s", message("postgres-changes.much_held", **told))
            return
        await changes_slot.give_up(of_table, self._names)
        raise DocumentError(message("postgres-changes.dropped", **told))

    async def acked(self, position: Json) -> None:
        """Let the source forget its log up to `rewind_mb` before a position."""
        place = Place.read(position)
        if place.epoch != self.config.epoch:
            return
        self._confirmed = max(0, place.lsn - self.config.rewind_mb * _MIB)
        if self._stream is not None:
            self._stream.confirm(self._confirmed)

    async def created(self) -> None:
        """Make publication and slot."""
        async with self._session() as of_table:
            await changes_slot.make(of_table, self._names)

    async def deleted(self) -> None:
        """Drop both."""
        async with self._session() as of_table:
            await changes_slot.drop(of_table, self._names)

    async def check(self) -> Sequence[Finding]:
        """Look whether the table can be captured, and whether the source's disk is safe from us."""
        async with self._session() as of_table:
            found = [*await changes_slot.findings(of_table, self._names)]
            if self.config.wal_max_mb is not None:
                most = self.config.wal_max_mb
                found.extend(await changes_slot.bounds(of_table, self._names, most))
        return found

    async def discover(self) -> Sequence[Stream]:
        """Tell the tables that could be captured."""
        async with self._session() as of_table:
            return await changes_discovery.streams(of_table)

    async def backfill(self, span: Span) -> AsyncIterator[Row | Bad]:
        """Read the table again beside its changes: keys from `since` up to and without `until`.

        Beside a reading that goes on, rows that change meanwhile are left to it.
        """
        assembler = None if self._assembler is None else await self._assembler
        async with self._session() as of_table:
            after, is_last = None, False
            while not is_last:
                piece = Piece()
                if assembler is None:
                    piece.lsn = await present(of_table)
                else:
                    piece.lsn = assembler.place.lsn
                    assembler.pieces.append(piece)
                await read_piece(
                    of_table,
                    self._names,
                    piece,
                    since=span.since,
                    after=after,
                    until=span.until,
                    rows_max=self.config.piece_rows,
                )
                if assembler is not None:
                    await piece.passed.wait()
                for row in rows_of(assembler or self._alone(), piece):
                    yield row
                if assembler is not None:
                    assembler.pieces.remove(piece)
                after, is_last = piece.last_key, piece.is_last

    def _alone(self) -> Assembler:
        place = Place(epoch=self.config.epoch, source="", lsn=0, after=None, is_read=True)
        return Assembler(told=self._captured, place=place, oid=0)


async def _identified(of_log: Connection) -> str:
    """Tell which database system this is, on which timeline: another one after each restore."""
    result = of_log.pgconn.exec_(b"IDENTIFY_SYSTEM")
    assert result.status == ExecStatus.TUPLES_OK, "each sender of the log knows it"
    system, timeline = result.get_value(0, 0), result.get_value(0, 1)
    return f"{(system or b'').decode()}/{(timeline or b'').decode()}"
