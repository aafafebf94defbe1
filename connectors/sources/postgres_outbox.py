"""A transactional outbox in PostgreSQL: what an application wrote of its changes, beside them.

Why in the order of ids, and only once older transactions have ended. An id is drawn in one order
and committed in another: who reads `id > last` passes over what is committed late. Who reads in the
order of transactions misses nothing, and tells two changes of one entry the wrong way round where
the later one's transaction had begun earlier. The ids of one entry follow its changes, for its row
is locked from the change to the commit. So: look what id was drawn last, wait until every
transaction that runs has ended, and read up to that id; nothing below it can come any more.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal

from psycopg import sql
from pydantic import Field

from bus.errors import DocumentError, Finding
from bus.model.record import Operation
from connectors.source import Bad, Context, Item, Json, Kind, Mark, Row, Source
from connectors.sources.changes_cells import json_cell
from connectors.sources.changes_errors import translated
from connectors.sources.changes_sessions import Connection, ServerConfig, session
from connectors.sources.changes_table import reached, until_ended
from connectors.texts import finding_at, message


class OutboxConfig(ServerConfig):
    """Of `PostgresOutbox`."""

    table: Annotated[str, Field(description="The outbox: `schema.table`.")] = "public.bus_outbox"
    when_done: Annotated[
        Literal["delete", "keep"],
        Field(description="What becomes of rows that are durable on the bus."),
    ] = "delete"
    batch_rows: Annotated[int, Field(ge=1, le=50_000, description="Rows read at once.")] = 2_000
    poll_s: Annotated[
        float, Field(gt=0, le=60, description="How long after the last row is looked for more.")
    ] = 0.5


class PostgresOutbox(Source[OutboxConfig]):
    """Rows of an outbox table in PostgreSQL, which an application writes with its own changes."""

    Config = OutboxConfig
    kind: ClassVar[Kind] = Kind.LOG

    def __init__(self, config: OutboxConfig, context: Context) -> None:
        """Take what it reads with; open nothing yet."""
        super().__init__(config, context)
        self._open: Connection | None = None

    async def read(self, position: Json) -> AsyncIterator[Item]:
        """Read on behind an id."""
        last = _id_of(position)
        async with self._session() as outbox:
            self._open = outbox
            while True:
                drawn = await self._drawn(outbox)
                if drawn <= last:
                    await self.context.sleep(self.config.poll_s)
                    continue
                await until_ended(outbox, await reached(outbox), self.context.sleep)
                async for item in self._up_to(outbox, last, drawn):
                    yield item
                last = drawn
                yield Mark(last)

    def _session(self) -> Any:  # noqa: ANN401 - a context manager
        return session(self.config, f"bus {self.context.connector}")

    @property
    def _table(self) -> sql.Identifier:
        return sql.Identifier(*self.config.table.split(".", 1))

    async def _drawn(self, outbox: Connection) -> int:
        """Tell what id was drawn last."""
        drawn = await outbox.execute(
            "SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, 'id')::regclass)",
            [self.config.table],
        )
        (last,) = await drawn.fetchone() or (0,)
        return int(last or 0)

    async def _up_to(self, outbox: Connection, last: int, drawn: int) -> AsyncIterator[Item]:
        query = sql.SQL(
            "SELECT id, key, operation, row::text, at FROM {}"
            " WHERE id > %s AND id <= %s ORDER BY id LIMIT %s"
        ).format(self._table)
        while True:
            found = await outbox.execute(query, [last, drawn, self.config.batch_rows])
            rows = await found.fetchall()
            for row in rows:
                yield self._item(*row)
            if len(rows) < self.config.batch_rows:
                return
            last = rows[-1][0]

    def _item(self, number: int, key: str, operation: str | None, row: str, at: Any) -> Item:  # noqa: ANN401 - a datetime
        place = f"{self.config.table}/{key}"
        try:
            cells = json_cell(row)
            known = None if operation is None else Operation(operation)
        except ValueError:
            return Bad(
                row, message("postgres-outbox.unreadable"), place, position=number, event=number
            )
        if not isinstance(cells, dict):
            return Bad(
                row, message("postgres-outbox.no_object"), place, position=number, event=number
            )
        return Row(cells, number, place, None, at, known, number)  # type: ignore[arg-type]  # JSON's values

    async def acked(self, position: Json) -> None:
        """Delete what is durable on the bus, where that is asked for."""
        if self.config.when_done == "keep":
            return
        query = sql.SQL("DELETE FROM {} WHERE id <= %s").format(self._table)
        if self._open is not None and not self._open.closed:
            async with translated():
                await self._open.execute(query, [_id_of(position)])
            return
        async with self._session() as outbox:
            await outbox.execute(query, [_id_of(position)])

    async def check(self) -> Sequence[Finding]:
        """Look whether the outbox is there, with the columns of `outbox.sql`."""
        async with self._session() as outbox:
            found = await outbox.execute(
                "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute"
                " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
                [self.config.table],
            )
            row = await found.fetchone()
        columns = (row[0] if row else None) or []
        missing = [
            one for one in ("tx", "id", "key", "operation", "row", "at") if one not in columns
        ]
        if not missing:
            return ()
        told = {"columns": ", ".join(missing)}
        return [finding_at(self.config.table, "postgres-outbox.columns", **told)]


def ddl() -> str:
    """Give the SQL that makes an outbox."""
    return files("connectors.sources").joinpath("outbox.sql").read_text(encoding="utf-8")


def _id_of(position: Json) -> int:
    if position is None:
        return 0
    if isinstance(position, bool) or not isinstance(position, int):
        raise DocumentError(message("postgres-outbox.position", position=json.dumps(position)))
    return position
