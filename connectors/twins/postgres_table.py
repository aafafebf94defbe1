"""A real table of PostgreSQL, in a database schema of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier
from pydantic import SecretStr

from connectors.kit.twin import CANARY, Twin
from connectors.source import Span
from connectors.sources.postgres_table_config import PostgresTableConfig
from connectors.twins.table_engine import engine

_NUMBERS: Final = itertools.count(1)
_COLUMNS: Final = ("number", "name", "since")
_TABLE: Final = """
    CREATE TABLE {schema}.school (
        number text PRIMARY KEY, name text, since timestamptz,
        updated timestamptz NOT NULL DEFAULT now(), is_deleted boolean NOT NULL DEFAULT false);
    CREATE INDEX ON {schema}.school (updated);
    CREATE TABLE {schema}.other (note text);
    GRANT USAGE ON SCHEMA {schema} TO reader;
    GRANT SELECT ON {schema}.school TO reader"""
_PUT: Final = """
    INSERT INTO {schema}.school (number, name, since) VALUES (%s, %s, %s)
    ON CONFLICT (number) DO UPDATE SET name = excluded.name, since = excluded.since,
        updated = now(), is_deleted = false"""


class PostgresTableTwin(Twin):
    """The table, its owner's writers, and a reader with the one right to SELECT."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        super().__init__()
        self.schema = f"twin_{next(_NUMBERS)}"
        self._writer: Connection[Any] | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(_prepared)
        self._do(SQL("CREATE SCHEMA {schema}"))
        self._do(SQL(_TABLE))
        return self

    async def __aexit__(self, *_: object) -> None:
        # Why a limit: what a failed test left open would be waited for without an end.
        self._do(SQL("SET lock_timeout = '10s'; DROP SCHEMA {schema} CASCADE"))
        if self._writer is not None:
            self._writer.close()

    @property
    def config(self) -> PostgresTableConfig:
        """See `Twin.config`."""
        return PostgresTableConfig(
            dsn=f"host={engine().folder} user=reader dbname=postgres",
            password=SecretStr(CANARY),
            table=f"{self.schema}.school",
            columns=_COLUMNS,
            cursor=("updated",),
            deleted_column="is_deleted",
        )

    def connect(self) -> Connection[Any]:
        """Open a session as the owner."""
        return psycopg.connect(engine().dsn, autocommit=True)

    def query(self, text: SQL) -> Composed:
        """Name the twin's own schema in a query."""
        return text.format(schema=Identifier(self.schema))

    def _session(self) -> Connection[Any]:
        if self._writer is None or self._writer.closed:
            self._writer = self.connect()
        return self._writer

    def _do(self, text: SQL, *values: object) -> None:
        self._session().execute(self.query(text), values or None)

    async def put(self, rows: Mapping[str, str]) -> None:
        """See `Twin.put`."""
        for key, name in rows.items():
            self._do(SQL(_PUT), key, name, None)
            self._note(key, name)
        await asyncio.sleep(0)

    async def put_together(self, rows: Mapping[str, str]) -> None:
        """See `Twin.put_together`: one transaction, and so one value of `updated`."""
        session = self._session()
        with session.transaction(), session.cursor() as cursor:
            cursor.executemany(
                self.query(SQL(_PUT)), [(key, name, None) for key, name in rows.items()]
            )
        for key, name in rows.items():
            self._note(key, name)
        await asyncio.sleep(0)

    def _note(self, key: str, name: str) -> None:
        self.rows[key] = {"number": key, "name": name, "since": None}

    async def remove(self, key: str) -> None:
        """See `Twin.remove`: it is marked."""
        self._do(SQL("UPDATE {schema}.school SET is_deleted = true WHERE number = %s"), key)
        del self.rows[key]

    @asynccontextmanager
    async def late(self, rows: Mapping[str, str]) -> AsyncIterator[None]:
        """See `Twin.late`: now() is drawn at once, the transaction's id with its first row.

        The other rows are written by a transaction that has no id before all others have ended.
        """
        first, *others = rows.items()
        with self.connect() as writer, self.connect() as sleeper:
            for session in (writer, sleeper):
                session.execute("BEGIN")
                session.execute("SELECT now()")
            writer.execute(self.query(SQL(_PUT)), [*first, None])
            yield
            for row in others:
                sleeper.execute(self.query(SQL(_PUT)), [*row, None])
            writer.execute("COMMIT")
            sleeper.execute("COMMIT")
        for key, name in rows.items():
            self._note(key, name)

    async def spoil(self, key: str) -> None:
        """See `Twin.spoil`: a moment that no calendar has."""
        self._do(SQL(_PUT), key, "spoilt", "infinity")

    async def mend(self, key: str, name: str) -> None:
        """See `Twin.mend`."""
        await self.put({key: name})

    async def drift(self) -> None:
        """See `Twin.drift`."""
        self._do(SQL("ALTER TABLE {schema}.school DROP COLUMN name"))
        self._do(SQL("INSERT INTO {schema}.school (number) VALUES ('drifted')"))

    async def go_down(self) -> None:
        """See `Twin.go_down`: the server ends as if its machine had failed."""
        await asyncio.to_thread(engine().stop)

    async def come_up(self) -> None:
        """See `Twin.come_up`."""
        await asyncio.to_thread(engine().start)
        self.reconnect()

    def reconnect(self) -> None:
        """Let go of a session that the server has ended."""
        if self._writer is not None:
            self._writer.close()

    async def stir(self) -> None:
        """See `Twin.stir`: somebody writes into another table."""
        self._do(SQL("INSERT INTO {schema}.other VALUES ('x')"))

    def span(self) -> Span:
        """See `Twin.span`."""
        return Span(since="2000-01-01")


def _prepared() -> None:
    """Start the engine where it does not run, with its reader."""
    with psycopg.connect(engine().dsn, autocommit=True) as session:
        known = session.execute("SELECT 1 FROM pg_roles WHERE rolname = 'reader'").fetchone()
        if known is None:
            session.execute(SQL("CREATE ROLE reader LOGIN PASSWORD {}").format(CANARY))
