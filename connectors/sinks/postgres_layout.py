"""The tables that the PostgreSQL sink keeps, and the statements that do not know their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.sql import SQL, Composed, Identifier

from bus.client import Column, KeptState, Partition, widens
from bus.errors import DocumentError
from connectors.texts import message

OWN_COLUMNS: Final[Mapping[str, str]] = {
    "agency": "text",
    "key": "text",
    "version": "bigint",
    "record_id": "text",
    "operation": "text",
    "event_time": "timestamp with time zone",
    "ceased_at": "timestamp with time zone",
}
"""Of the table of what stands, beside those of the dataset's fields: name → type."""
_OF_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS {schema}.bus_sinks (
        sink text PRIMARY KEY,
        target text NOT NULL UNIQUE,
        dataset text NOT NULL,
        load text,
        begun_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE IF NOT EXISTS {schema}.bus_sink_positions (
        sink text REFERENCES {schema}.bus_sinks ON DELETE CASCADE,
        topic text,
        partition integer,
        position bigint NOT NULL,
        PRIMARY KEY (sink, topic, partition))"""
_OF_TABLE: Final = """
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
"""Why: runners that make tables of one schema at the same time hinder each other."""
_COLUMNS: Final = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Names of the tables of one sink."""

    sink: str
    """The connector's name."""
    dataset: str
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

    async def begin(self, session: AsyncConnection[Any]) -> None:
        """Make the tables where they are not there.

        A sink whose table is gone begins anew: what is kept of it says nothing any more.

        Raises:
            DocumentError: The table is another sink's or nobody's, or this sink is another table's.
        """
        async with session.transaction():
            await session.execute(_ALONE, [f"bus sinks {self.schema}"])
            await self._make(session, _OF_SCHEMA)
            present = await self._present(session)
            if not present:
                await session.execute(
                    self.query("DELETE FROM {schema}.bus_sinks WHERE sink = %s"), [self.sink]
                )
            elif any(present.get(name) != kind for name, kind in OWN_COLUMNS.items()):
                raise DocumentError(message("postgres.not_ours", table=self.table))
            await self._enter(session)
            await self._make(session, _OF_TABLE)

    async def _make(self, session: AsyncConnection[Any], statements: str) -> None:
        for statement in statements.split(";"):
            await session.execute(self.query(statement))

    async def _present(self, session: AsyncConnection[Any]) -> dict[str, str]:
        """Tell the columns of the table of what stands; none where it is not there."""
        name = self.query("{table}").as_string(session)
        return dict(await (await session.execute(_COLUMNS, [name])).fetchall())

    async def _enter(self, session: AsyncConnection[Any]) -> None:
        asked = await session.execute(
            self.query(
                "SELECT sink, target, dataset FROM {schema}.bus_sinks"
                " WHERE sink = %(sink)s OR target = %(target)s"
            ),
            self._own,
        )
        found = await asked.fetchall()
        if not found:
            await session.execute(
                self.query(
                    "INSERT INTO {schema}.bus_sinks (sink, target, dataset)"
                    " VALUES (%(sink)s, %(target)s, %(dataset)s)"
                ),
                self._own,
            )
        for sink, target, dataset in found:
            if (sink, target, dataset) != (self.sink, self.table, self.dataset):
                told = {"sink": sink, "table": target, "dataset": dataset}
                raise DocumentError(message("postgres.taken", **told))

    @property
    def _own(self) -> dict[str, str]:
        return {"sink": self.sink, "target": self.table, "dataset": self.dataset}

    async def fit(self, session: AsyncConnection[Any], columns: Sequence[Column]) -> bool:
        """Give the table of what stands a column for each field.

        Returns: Whether one was added, so that rows that are there lack its values.

        Raises:
            DocumentError: A field needs a column that the sink keeps itself, or a narrower one.
        """
        added = False
        async with session.transaction():
            await session.execute(_ALONE, [f"bus sinks {self.schema}"])
            present = await self._present(session)
            for column in columns:
                if column.name in OWN_COLUMNS:
                    raise DocumentError(message("postgres.own_column", column=column.name))
                found = present.get(column.name)
                if found is not None and not widens(found, column.sql_type):
                    told = {"column": column.name, "found": found, "needed": column.sql_type}
                    raise DocumentError(message("postgres.other_type", **told))
                added = added or found is None
                await self._fit_one(session, column, found)
        return added

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

    async def state(self, session: AsyncConnection[Any]) -> KeptState:
        """Tell how far the sink is."""
        asked = await session.execute(
            self.query(
                "SELECT load, topic, partition, position FROM {schema}.bus_sinks"
                " LEFT JOIN {schema}.bus_sink_positions USING (sink) WHERE sink = %s"
            ),
            [self.sink],
        )
        rows = await asked.fetchall()
        return KeptState(
            positions={(topic, number): at for _, topic, number, at in rows if topic is not None},
            load=rows[0][0] if rows else None,
        )

    async def note_load(self, session: AsyncConnection[Any], *, known: str | None, to: str) -> bool:
        """Note how far a first load is, from where it is known to be; False: it is elsewhere."""
        query = self.query(
            "UPDATE {schema}.bus_sinks SET load = %s"
            " WHERE sink = %s AND load IS NOT DISTINCT FROM %s"
        )
        return (await session.execute(query, [to, self.sink, known])).rowcount == 1

    async def move(
        self, session: AsyncConnection[Any], partition: Partition, *, known: int | None, to: int
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
        values = {"sink": self.sink, "topic": topic, "number": number, "known": known, "to": to}
        return (await session.execute(self.query(query), values)).rowcount == 1

    async def refuse(
        self, session: AsyncConnection[Any], rows: Sequence[tuple[str, str, str]]
    ) -> None:
        """Keep what the table does not take: record id, record as JSON, why."""
        query = self.query("INSERT INTO {refused} (record_id, record, problem) VALUES (%s, %s, %s)")
        async with session.cursor() as cursor:
            await cursor.executemany(query, rows)
