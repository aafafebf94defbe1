"""A consumer's PostgreSQL: a table of what stands, kept by the fund's own rules, exactly once.

Beside the table `<name>` with a row for each entry that stands, `<name>_versions` keeps every
version, which is what a late, annulled or held record is merged with, and `<name>_refused` what the
table will not take, with the database's words. Rows and positions change in one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import psycopg
from psycopg import AsyncConnection, DataError, IntegrityError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, field_validator

from bus.client import Column, DeliveredBatch, DeliveredRecord, Partition, json_line
from bus.errors import DocumentError, Finding
from connectors.sink import Sink, SinkConfig, SinkContext, SinkDown, Taken
from connectors.sinks.postgres_entries import Entries
from connectors.sinks.postgres_layout import Layout
from connectors.texts import finding_at, message

_CONNECT_S: Final = 10
_STATEMENT_S: Final = 300


class PostgresConfig(SinkConfig):
    """Which database, and which table of it."""

    dsn: Annotated[str, Field(description="libpq's connection string or URL, without a password.")]
    password: Annotated[SecretStr | None, Field(description="Of the role.")] = None
    table: Annotated[
        str,
        Field(
            description="Schema and table of what stands: register.school. The schema is there,"
            " the role may create tables in it; the table is made.",
            pattern=r"^[a-z_][a-z0-9_]{0,40}\.[a-z_][a-z0-9_]{0,40}$",
        ),
    ]

    @field_validator("dsn")
    @classmethod
    def _has_no_password(cls, dsn: str) -> str:
        if "password" in conninfo_to_dict(dsn):
            raise ValueError("the password has a setting of its own: password: {env: NAME}")
        return dsn


class Postgres(Sink[PostgresConfig]):
    """A table that always says what the registry says, and the versions it follows from.

    What the table will not take, for a constraint that its owner has set, say, goes to the table
    `<name>_refused` and stops nothing.
    """

    Config = PostgresConfig
    keeps_positions = True

    def __init__(self, config: PostgresConfig, context: SinkContext) -> None:
        """Take what it writes with."""
        super().__init__(config, context)
        schema, table = config.table.split(".")
        self._layout = Layout(schema=schema, table=table)
        self._entries: Entries | None = None
        self._session: AsyncConnection[Any] | None = None
        self._kept: dict[Partition, int] = {}
        self._is_new = False
        self._lock = asyncio.Lock()

    async def check(self) -> Sequence[Finding]:
        """See `Sink`: whether the role may make tables there."""
        schema = self._layout.schema
        try:
            await self._connect()
            with _faults():
                asked = await self._open_session.execute(
                    "SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace"
                    " WHERE nspname = %s",
                    [schema],
                )
                found = await asked.fetchone()
        finally:
            await self.close()
        if found is None:
            return [finding_at("config.table", "postgres.no_schema", schema=schema)]
        if not found[0]:
            return [finding_at("config.table", "postgres.no_create", schema=schema)]
        return ()

    async def open(self) -> bool:
        """See `Sink`."""
        await self._connect()
        with _faults():
            self._is_new = await self._layout.begin(self._open_session, self.context.connector)
        return self._is_new

    async def prepare(self, columns: Sequence[Column]) -> None:
        """See `Sink`: a column that is new is added, one whose type grows is altered."""
        with _faults():
            await self._layout.fit(self._open_session, columns)
        self._entries = Entries(self._layout, columns, self.context.dataset)

    async def close(self) -> None:
        """See `Sink`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def positions(self) -> Mapping[Partition, int]:
        """See `Sink`."""
        async with self._lock:  # not within a batch that may yet be taken back
            with _faults():
                self._kept = await self._layout.positions(
                    self._open_session, self.context.connector
                )
        return dict(self._kept)

    async def write(self, batch: DeliveredBatch) -> Taken:
        """See `Sink`."""
        count = sum(map(len, batch.units))
        async with self._lock:
            with _faults():
                try:
                    async with self._open_session.transaction():
                        await self._apply(batch.units)
                        await self._move(batch.behind)
                    refused = 0
                except (DataError, IntegrityError):
                    # Why again: one record of thousands must not hold up the others.
                    async with self._open_session.transaction():
                        refused = await self._apply_each(batch.units)
                        await self._move(batch.behind)
            self._kept |= batch.behind
        return Taken(records=count - refused, refused=refused)

    @property
    def _open_session(self) -> AsyncConnection[Any]:
        assert self._session is not None, "opened first"
        return self._session

    async def _connect(self) -> None:
        password = self.config.password
        with _faults():
            self._session = await AsyncConnection.connect(
                self.config.dsn,
                password=None if password is None else password.get_secret_value(),
                autocommit=True,
                application_name=f"bus connector {self.context.connector}",
                connect_timeout=_CONNECT_S,
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
                tcp_user_timeout=10_000,
                options=f"-c statement_timeout={_STATEMENT_S}s -c timezone=UTC",
            )

    async def _apply(self, units: Sequence[Sequence[DeliveredRecord]]) -> None:
        assert self._entries is not None, "prepared first"
        await self._entries.apply(self._open_session, units)

    async def _apply_each(self, units: Sequence[Sequence[DeliveredRecord]]) -> int:
        """Apply unit by unit; gives how many records were refused."""
        refused = 0
        for unit in units:
            try:
                async with self._open_session.transaction():
                    await self._open_session.execute("SET CONSTRAINTS ALL IMMEDIATE")
                    await self._apply([unit])
            except (DataError, IntegrityError) as problem:
                why = f"{problem.sqlstate} {problem.diag.message_primary}"
                rows = [(str(one.record_id), json_line(one), why) for one in unit]
                await self._layout.refuse(self._open_session, rows)
                refused += len(unit)
        return refused

    async def _move(self, behind: Mapping[Partition, int]) -> None:
        """Move the positions in this transaction, from where this session knows them.

        Raises:
            SinkDown: They moved without it: another runner has these partitions now.
        """
        if self._is_new:
            await self._layout.enter(self._open_session, self.context.connector)
        for partition, position in behind.items():
            moved = await self._layout.move(
                self._open_session,
                self.context.connector,
                partition,
                known=self._kept.get(partition),
                to=position,
            )
            if not moved:
                told = {"topic": partition[0], "partition": partition[1]}
                raise SinkDown(message("postgres.moved", **told))


@contextmanager
def _faults() -> Iterator[None]:
    """Tell faults of PostgreSQL, without the values that its details may quote.

    Raises:
        SinkDown: It may pass.
        DocumentError: It will not.
    """
    try:
        yield
    except psycopg.Error as problem:
        told = problem.diag.message_primary or ("" if problem.sqlstate else str(problem).strip())
        words = {"code": problem.sqlstate or "-", "problem": told}
        if isinstance(problem, (psycopg.ProgrammingError, DataError, IntegrityError)):
            raise DocumentError(message("postgres.refused", **words)) from None
        raise SinkDown(message("postgres.down", **words)) from None
