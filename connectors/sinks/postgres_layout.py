"""The tables that the PostgreSQL sink keeps, and the statements that do not know their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.sql import SQL, Composed, Identifier

from bus.client import Column, Partition
from bus.errors import DocumentError
from connectors.texts import message

_OWN: Final = """
    CREATE TABLE IF NOT EXISTS {schema}.bus_sinks (
        sink text PRIMARY KEY,
        begun_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE IF NOT EXISTS {schema}.bus_sink_positions (
        sink text REFERENCES {schema}.bus_sinks ON DELETE CASCADE,
        topic text,
        partition integer,
        position bigint NOT NULL,
        PRIMARY KEY (sink, topic, partition));
    CREATE TABLE IF NOT EXISTS {versions} (
        agency text,
        key text,
        version bigint,
        topic text,
        partition integer NOT NULL,
        "offset" bigint NOT NULL,
        operation text NOT NULL,
        record_id text NOT NULL,
        supersedes text,
        event_time text NOT NULL,
        lane text NOT NULL,
        group_id text,
        group_index integer,
        group_size integer,
        is_held boolean NOT NULL,
        fields jsonb NOT NULL,
        PRIMARY KEY (agency, key, version, topic));
    CREATE INDEX IF NOT EXISTS {held} ON {versions} (group_id) WHERE is_held;
    CREATE TABLE IF NOT EXISTS {refused} (
        record_id text NOT NULL,
        record text NOT NULL,
        problem text NOT NULL,
        refused_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE IF NOT EXISTS {table} (
        agency text,
        key text,
        version bigint NOT NULL,
        record_id text NOT NULL,
        operation text NOT NULL,
        event_time timestamptz NOT NULL,
        ceased_at timestamptz,
        PRIMARY KEY (agency, key))"""
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtext(%s))"
"""Why: two runners that make the same tables at the same time hinder each other."""
_COLUMNS: Final = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Names of the tables of one sink."""

    schema: str
    table: str

    def query(self, text: str) -> Composed:
        """Put the tables' names in a statement: {table}, {versions}, {refused}, {schema}."""
        name = self.table
        return SQL(text).format(
            schema=Identifier(self.schema),
            table=Identifier(self.schema, name),
            versions=Identifier(self.schema, f"{name}_versions"),
            refused=Identifier(self.schema, f"{name}_refused"),
            held=Identifier(f"{name}_held"),
        )

    async def begin(self, session: AsyncConnection[Any], sink: str) -> bool:
        """Make the tables where they are not there; True: this sink never wrote to them."""
        async with session.transaction():
            await session.execute(_ALONE, [f"bus sink {self.schema}.{self.table}"])
            for statement in _OWN.split(";"):
                await session.execute(self.query(statement))
            asked = await session.execute(
                self.query("SELECT FROM {schema}.bus_sinks WHERE sink = %s"), [sink]
            )
            return asked.rowcount == 0

    async def fit(self, session: AsyncConnection[Any], columns: Sequence[Column]) -> None:
        """Give the table of what stands a column for each field.

        Raises:
            DocumentError: A field would need a column that the sink keeps itself.
        """
        async with session.transaction():
            await session.execute(_ALONE, [f"bus sink {self.schema}.{self.table}"])
            name = self.query("{table}").as_string(session)
            asked = await session.execute(_COLUMNS, [name])
            present = dict(await asked.fetchall())
            for column in columns:
                if column.name in OWN_COLUMNS:
                    raise DocumentError(message("postgres.own_column", column=column.name))
                await self._fit_one(session, column, present.get(column.name))

    async def _fit_one(
        self, session: AsyncConnection[Any], column: Column, found: str | None
    ) -> None:
        if found == column.sql_type:
            return
        change = "ADD COLUMN {column} {type}" if found is None else "ALTER {column} TYPE {type}"
        await session.execute(
            SQL("ALTER TABLE {table} " + change).format(
                table=Identifier(self.schema, self.table),
                column=Identifier(column.name),
                type=SQL(column.sql_type),
            )
        )

    async def positions(self, session: AsyncConnection[Any], sink: str) -> dict[Partition, int]:
        """Tell where a sink has come to."""
        asked = await session.execute(
            self.query(
                "SELECT topic, partition, position FROM {schema}.bus_sink_positions WHERE sink = %s"
            ),
            [sink],
        )
        return {(topic, number): position for topic, number, position in await asked.fetchall()}

    async def enter(self, session: AsyncConnection[Any], sink: str) -> None:
        """Note that a sink writes here from now on."""
        await session.execute(
            self.query("INSERT INTO {schema}.bus_sinks VALUES (%s) ON CONFLICT DO NOTHING"), [sink]
        )

    async def move(
        self,
        session: AsyncConnection[Any],
        sink: str,
        partition: Partition,
        *,
        known: int | None,
        to: int,
    ) -> bool:
        """Move a position from where it is known to be; False: it is elsewhere."""
        topic, number = partition
        if known is None:
            query = (
                "INSERT INTO {schema}.bus_sink_positions (sink, topic, partition, position)"
                " VALUES (%(sink)s, %(topic)s, %(number)s, %(to)s) ON CONFLICT DO NOTHING"
            )
        else:
            query = (
                "UPDATE {schema}.bus_sink_positions SET position = %(to)s WHERE sink = %(sink)s"
                " AND topic = %(topic)s AND partition = %(number)s AND position = %(known)s"
            )
        values = {"sink": sink, "topic": topic, "number": number, "known": known, "to": to}
        return (await session.execute(self.query(query), values)).rowcount == 1

    async def refuse(
        self, session: AsyncConnection[Any], rows: Sequence[tuple[str, str, str]]
    ) -> None:
        """Keep what the table does not take: record id, record as JSON, why."""
        query = self.query("INSERT INTO {refused} (record_id, record, problem) VALUES (%s, %s, %s)")
        async with session.cursor() as cursor:
            await cursor.executemany(query, rows)


OWN_COLUMNS: Final = (
    "agency",
    "key",
    "version",
    "record_id",
    "operation",
    "event_time",
    "ceased_at",
)
"""Of the table of what stands, beside those of the dataset's fields."""
