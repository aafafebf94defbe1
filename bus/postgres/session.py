"""One PostgreSQL session: limits on every wait, and faults in the bus's own words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeAlias
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.types.json import set_json_dumps

from bus.errors import InvariantBroken, Unavailable, Words
from bus.texts import message

Session: TypeAlias = AsyncConnection[tuple[object, ...]]
"""An autocommit connection; what must hold together opens a transaction."""

CONNECT_TIMEOUT_S: Final = 5
TCP_USER_TIMEOUT_MS: Final = 5_000
SETTINGS: Final = {
    # A worker frozen inside its transaction keeps the position's row; its successor waits for it.
    "idle_in_transaction_session_timeout": "3s",
    # Above what a healthy transaction needs, and short, for a successor blocked this long evicts
    # the one that blocks it (`bus.postgres.positions`).
    "lock_timeout": "2s",
    "statement_timeout": "15s",
    "synchronous_commit": "on",
    "tcp_user_timeout": f"{TCP_USER_TIMEOUT_MS}",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
    "jit": "off",  # every query here is short; compiling one costs more than running it
}
BY_INDEX: Final = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
"""For sessions that look up a few thousand rows by index; on a young table without statistics the
planner would read the whole of it each time."""
_LIMIT_EXCEEDED: Final = "54"  # class of program limits: a row too large for an index, and so on
_TERMINATED: Final = "25P03"  # idle_in_transaction_session_timeout


async def connect(
    dsn: str, application: str, settings: Mapping[str, str] = MappingProxyType({})
) -> Session:
    """Open a session under the bus's limits.

    Args:
        dsn: libpq's connection string or URL.
        application: Shown to the database's operator, e.g. `bus fund`.
        settings: PostgreSQL's settings of this session, beside or instead of `SETTINGS`.

    Raises:
        Unavailable: PostgreSQL does not answer or refuses the login.
    """
    async with translated(application):
        session = await AsyncConnection.connect(
            dsn,
            autocommit=True,
            application_name=application,
            connect_timeout=CONNECT_TIMEOUT_S,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=TCP_USER_TIMEOUT_MS,
        )
        set_json_dumps(as_json, session)
        chosen = {**SETTINGS, **settings}
        try:
            await session.execute(
                "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) "
                "AS setting(name, value)",
                [list(chosen), list(chosen.values())],
            )
        except psycopg.Error:
            await session.close()
            raise
    return session


@asynccontextmanager
async def translated(doing: Words) -> AsyncIterator[None]:
    """Turn PostgreSQL's faults into the bus's, without the values that its details may quote.

    Data errors pass: only who wrote the rows can tell whose they are.

    Raises:
        Unavailable: The engine is gone, too slow, or ended the session or the transaction.
        InvariantBroken: It refuses what the bus's own tables were made for.
    """
    try:
        yield
    except psycopg.DataError:
        raise
    except psycopg.Error as error:
        what = error.diag.message_primary or ("" if error.sqlstate else str(error).strip())
        code = error.sqlstate or message("error.postgres.says_nothing")
        told = message("error.postgres.says", doing=doing, sqlstate=code, what=what)
        limit = (error.sqlstate or "").startswith(_LIMIT_EXCEEDED)
        away = isinstance(error, psycopg.OperationalError) and not limit
        if away or error.sqlstate == _TERMINATED:
            raise Unavailable(message("error.postgres.away", told=told)) from None
        hint = "Are the tables of this catalogue applied, and is each key in one partition?"
        raise InvariantBroken(f"{told}. {hint}") from None


def as_json(value: object) -> str:
    """Write a nested Avro value as JSON; times in ISO 8601, decimals and bytes as text."""
    return json.dumps(value, default=_json_default, ensure_ascii=False, separators=(",", ":"))


def _json_default(value: object) -> str:
    match value:
        case date() | datetime() | time():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case bytes():
            return value.hex()
    raise TypeError(f"no JSON form for {type(value).__name__}")
