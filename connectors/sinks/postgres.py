"""A consumer's PostgreSQL: a table of what stands, kept by the fund's own rules, exactly once.

Beside the table `<name>` with a row for each entry that stands, `<name>_versions` keeps every
version, which is what a late, annulled or held record is merged with, and `<name>_refused` what the
table will not take, with the database's words. Rows and positions change in one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, field_validator

from bus.client import Column, DeliveredBatch, DeliveredRecord, KeptState, json_line
from bus.errors import DocumentError, Finding
from connectors.sink import Sink, SinkConfig, SinkContext, SinkDown, Taken
from connectors.sinks.postgres_entries import Entries
from connectors.sinks.postgres_layout import Layout
from connectors.texts import finding_at, message

_CONNECT_S: Final = 10
_STATEMENT_S: Final = 300
_SHOWN_AGAIN: Final = 1_000
"""Entries at a time."""
_OF_RECORD: Final = ("22", "23", "44", "54", "P0")
"""Classes of SQLSTATE that speak of values: data, constraints, check options, sizes, triggers."""


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
        try:
            parts = conninfo_to_dict(dsn)
        except Exception:  # noqa: BLE001 - its words would quote what may be a password
            raise ValueError("it is no connection string of PostgreSQL") from None
        if {"password", "sslpassword"} & parts.keys():
            raise ValueError("the password belongs into config.password")
        return dsn


class Postgres(Sink[PostgresConfig]):
    """A table that always says what the registry says, and the versions it follows from.

    What the table will not take, for a constraint that its owner has set, say, goes to the table
    `<name>_refused` and stops nothing.
    """

    Config = PostgresConfig
    keeps_state = True

    def __init__(self, config: PostgresConfig, context: SinkContext) -> None:
        """Take what it writes with."""
        super().__init__(config, context)
        schema, table = config.table.split(".")
        self._layout = Layout(
            sink=context.connector, dataset=context.dataset, schema=schema, table=table
        )
        self._entries: Entries | None = None
        self._session: AsyncConnection[Any] | None = None
        self._kept = KeptState(positions={}, load=None)
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

    async def open(self) -> None:
        """See `Sink`."""
        await self._connect()
        with _faults():
            await self._layout.begin(self._open_session)

    async def prepare(self, columns: Sequence[Column]) -> None:
        """See `Sink`: a column that is new is added and filled, one whose type grows is altered."""
        entries = self._entries = Entries(self._layout, columns, self.context.dataset)
        with _faults():
            if await self._layout.fit(self._open_session, columns):
                async for names in entries.all_names(self._open_session, _SHOWN_AGAIN):
                    async with self._open_session.transaction():
                        await entries.show_again(self._open_session, names)

    async def close(self) -> None:
        """See `Sink`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def state(self) -> KeptState:
        """See `Sink`."""
        async with self._lock:  # not within a batch that may yet be taken back
            with _faults():
                self._kept = await self._layout.state(self._open_session)
        return self._kept

    async def write(self, batch: DeliveredBatch) -> Taken:
        """See `Sink`."""
        count, refused = sum(map(len, batch.units)), 0
        async with self._lock:
            with _faults():
                try:
                    async with self._open_session.transaction():
                        await self._apply(batch.units)
                        await self._move(batch)
                except psycopg.Error as problem:
                    if not _is_of_record(problem):
                        raise
                    # Why again: one record of thousands must not hold up the others.
                    async with self._open_session.transaction():
                        for unit in batch.units:
                            refused += await self._apply_softly(unit)
                        await self._move(batch)
            self._kept = KeptState(
                positions={**self._kept.positions, **batch.behind},
                load=self._kept.load if batch.load is None else batch.load,
            )
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

    async def _apply_softly(self, unit: Sequence[DeliveredRecord]) -> int:
        """Apply a unit; gives how many of its records the table did not take.

        Their versions are kept all the same where that goes, for later ones follow from them.
        """
        try:
            async with self._open_session.transaction():
                await self._open_session.execute("SET CONSTRAINTS ALL IMMEDIATE")
                await self._apply([unit])
        except psycopg.Error as problem:
            if not _is_of_record(problem):
                raise
            why = f"{problem.sqlstate} {problem.diag.message_primary}"
        else:
            return 0
        assert self._entries is not None, "prepared first"
        try:
            async with self._open_session.transaction():
                await self._entries.apply(self._open_session, [unit], is_shown=False)
        except psycopg.Error as problem:
            if not _is_of_record(problem):
                raise
        rows = [(str(one.record_id), json_line(one), why) for one in unit]
        await self._layout.refuse(self._open_session, rows)
        return len(unit)

    async def _move(self, batch: DeliveredBatch) -> None:
        """Move what is kept in this transaction, from where this session knows it.

        Raises:
            SinkDown: It moved without it: another runner has these partitions now.
        """
        for partition, position in batch.behind.items():
            moved = await self._layout.move(
                self._open_session,
                partition,
                known=self._kept.positions.get(partition),
                to=position,
            )
            if not moved:
                place = f"{partition[0]}/{partition[1]}"
                raise SinkDown(message("postgres.moved", place=place))
        if batch.load is not None and not await self._layout.note_load(
            self._open_session, known=self._kept.load, to=batch.load
        ):
            raise SinkDown(message("postgres.moved", place=self.context.dataset))


def _is_of_record(problem: psycopg.Error) -> bool:
    return (problem.sqlstate or "")[:2] in _OF_RECORD


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
        is_lasting = isinstance(problem, (psycopg.ProgrammingError, psycopg.NotSupportedError))
        if is_lasting or _is_of_record(problem):
            raise DocumentError(message("postgres.refused", **words)) from None
        raise SinkDown(message("postgres.down", **words)) from None
