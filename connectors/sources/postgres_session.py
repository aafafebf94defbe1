"""A session that reads tables of PostgreSQL, and its faults in a connector's words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.sql import Composed
from pydantic import SecretStr

from bus.errors import DocumentError
from connectors.source import SourceDown
from connectors.sources.postgres_cells import load_softly
from connectors.texts import message

_CONNECT_S: Final = 10
_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "1",
    "jit": "off",
}


@asynccontextmanager
async def reading_session(
    dsn: str, password: SecretStr | None, *, connector: str, statement_s: float
) -> AsyncIterator[AsyncConnection[Any]]:
    """Open a session that can only read.

    Args:
        dsn: libpq's connection string or URL, without the password.
        password: Of the role.
        connector: Name that the database's operator sees.
        statement_s: How long one query may take.

    Raises:
        SourceDown: The server does not answer, or not now.
        DocumentError: It refuses what it is asked for.
    """
    with faults():
        session = await AsyncConnection.connect(
            dsn,
            password=None if password is None else password.get_secret_value(),
            autocommit=True,
            application_name=f"bus connector {connector}",
            connect_timeout=_CONNECT_S,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=10_000,
        )
        async with session:
            settings = {**_SETTINGS, "statement_timeout": f"{int(statement_s * 1000)}"}
            await session.execute(
                "SELECT set_config(name, value, false)"
                " FROM unnest(%s::text[], %s::text[]) AS setting(name, value)",
                [list(settings), list(settings.values())],
            )
            load_softly(session)
            yield session


async def fetched(
    session: AsyncConnection[Any], query: str | Composed, values: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Ask, and give all rows."""
    found: list[tuple[Any, ...]] = await (await session.execute(query, values)).fetchall()
    return found


@contextmanager
def faults() -> Iterator[None]:
    """Tell faults of PostgreSQL, without the values that its details may quote.

    Raises:
        SourceDown: It may pass.
        DocumentError: It will not.
    """
    try:
        yield
    except psycopg.Error as problem:
        told = problem.diag.message_primary or ("" if problem.sqlstate else str(problem).strip())
        code = problem.sqlstate or "-"
        if isinstance(problem, (psycopg.ProgrammingError, psycopg.DataError)):
            raise DocumentError(
                message("postgres-table.refused", code=code, problem=told)
            ) from None
        raise SourceDown(message("postgres-table.down", code=code, problem=told)) from None
