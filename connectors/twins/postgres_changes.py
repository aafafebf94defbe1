"""The twin of `postgres-changes`: a table of a real PostgreSQL with logical decoding."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, LiteralString, Self

from psycopg import AsyncConnection, sql
from pydantic import SecretStr

from connectors.kit.twin import CANARY, Twin
from connectors.source import Cell, Context, Span
from connectors.sources.postgres_changes import ChangesConfig, PostgresChanges
from connectors.twins.changes_engine import Engine, engine

_NUMBERS: Final = itertools.count(1)
_CONNECTOR: Final = "kit"


class PostgresChangesTwin(Twin):
    """The table, and writers of it."""

    versions: ClassVar[str] = "none"

    def __init__(self) -> None:
        """Name a table of its own."""
        super().__init__()
        self.table = f"school_{next(_NUMBERS)}"
        self.session: AsyncConnection[Any]

    @property
    def engine(self) -> Engine:
        """The engine that the table is in."""
        return engine()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(lambda: self.engine)
        self.session = await self.engine.session()
        await self.run(
            "CREATE TABLE {table} (number text PRIMARY KEY, name text, since date, long text)"
        )
        await self.run("ALTER TABLE {table} REPLICA IDENTITY FULL")
        await self.run("CREATE TABLE IF NOT EXISTS other (note text)")
        return self

    async def __aexit__(self, *_: object) -> None:
        source = PostgresChanges(self.config, nobody())
        await self._let_go()
        await source.deleted()
        await self.run("DROP TABLE {table}")
        await self.session.close()

    async def _let_go(self) -> None:
        """Wait until the server has noticed that its readers have gone."""
        query = "SELECT 1 FROM pg_replication_slots WHERE active"
        while await (await self.session.execute(query)).fetchone():  # noqa: ASYNC110 - a server
            await asyncio.sleep(0.01)

    @property
    def config(self) -> ChangesConfig:
        """See `Twin`."""
        return ChangesConfig.model_validate(
            {
                "dsn": self.engine.dsn,
                "password": SecretStr(CANARY),
                "table": self.table,
                "key": "number",
                "piece_rows": 500,
                "beat_s": 0.1,
                "versions": self.versions,
            }
        )

    async def run(self, query: LiteralString, *given: object) -> None:
        """Run a statement; `{table}` is the table."""
        composed = sql.SQL(query).format(table=sql.Identifier(self.table))
        await self.session.execute(composed, given or None)

    def note(self, key: str, name: str | None, **more: Cell) -> None:
        """Note what a row gives."""
        self.rows[key] = {"number": key, "name": name, "since": None, "long": None, **more}

    async def put(self, rows: Mapping[str, str]) -> None:
        """Write each row in a transaction of its own."""
        for key, name in rows.items():
            await self._write(self.session, {key: name})
            self.note(key, name)

    async def put_together(self, rows: Mapping[str, str]) -> None:
        """Write rows in one transaction."""
        async with self.session.transaction():
            await self._write(self.session, rows)
        for key, name in rows.items():
            self.note(key, name)

    async def _write(self, session: AsyncConnection[Any], rows: Mapping[str, str]) -> None:
        query = sql.SQL(
            "INSERT INTO {table} (number, name) SELECT * FROM unnest(%s::text[], %s::text[])"
            " ON CONFLICT (number) DO UPDATE SET name = excluded.name"
        ).format(table=sql.Identifier(self.table))
        await session.execute(query, [list(rows), list(rows.values())])

    async def remove(self, key: str) -> None:
        """Delete a row."""
        await self.run("DELETE FROM {table} WHERE number = %s", key)
        self.rows.pop(key, None)

    @asynccontextmanager
    async def late(self, rows: Mapping[str, str]) -> AsyncIterator[None]:
        """Write rows now, and commit them on leaving."""
        writer = await self.engine.session()
        try:
            async with writer.transaction():
                await self._write(writer, rows)
                yield
        finally:
            await writer.close()
        for key, name in rows.items():
            self.note(key, name)

    async def spoil(self, key: str) -> None:
        """Write a day that never comes."""
        await self.run("INSERT INTO {table} VALUES (%s, 'spoilt', 'infinity')", key)

    async def mend(self, key: str, name: str) -> None:
        """Write one that came."""
        await self.run("UPDATE {table} SET since = NULL, name = %s WHERE number = %s", name, key)
        self.note(key, name)

    async def drift(self) -> None:
        """Drop a column, and write."""
        await self.run("ALTER TABLE {table} DROP COLUMN name")
        await self.run("INSERT INTO {table} (number) VALUES ('drifted')")

    async def go_down(self) -> None:
        """Let the engine fail."""
        await self.session.close()
        await asyncio.to_thread(self.engine.stop)

    async def come_up(self) -> None:
        """Start it again."""
        await asyncio.to_thread(self.engine.start)
        self.session = await self.engine.session()

    async def stir(self) -> None:
        """Write into a table that nobody captures."""
        await self.session.execute(
            "INSERT INTO other SELECT repeat('x', 100) FROM generate_series(1, 50)"
        )

    def span(self) -> Span:
        """All keys."""
        return Span()


class NumberedChangesTwin(PostgresChangesTwin):
    """The same, for a contract that takes versions from change capture."""

    is_numbered = True
    versions = "log"


def nobody() -> Context:
    """A context to take away what was made."""
    return Context(
        connector=_CONNECTOR, spool=Path(), clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        sleep=asyncio.sleep,
    )  # fmt: skip
