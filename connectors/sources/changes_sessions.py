"""Connecting to a PostgreSQL of an agency: who we are, and what we read it as."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

from psycopg import AsyncConnection, ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, field_validator

from connectors.source import SourceConfig
from connectors.sources.changes_cells import AS_WRITTEN
from connectors.sources.changes_errors import translated

Connection = AsyncConnection[tuple[Any, ...]]

_CONNECT_S: Final = 5


class ServerConfig(SourceConfig):
    """How a PostgreSQL is reached."""

    dsn: Annotated[
        str,
        Field(
            description="Connection string of PostgreSQL without its password: "
            "`host=db.example dbname=registry user=bus`"
        ),
    ]
    password: Annotated[SecretStr | None, Field(description="Password of the user.")] = None

    @field_validator("dsn")
    @classmethod
    def _is_readable(cls, dsn: str) -> str:
        try:
            known = conninfo_to_dict(dsn)
        except ProgrammingError:
            raise ValueError("no connection string of PostgreSQL") from None
        if "password" in known:
            raise ValueError("the password is a setting of its own, `password`")
        return dsn


@asynccontextmanager
async def session(
    config: ServerConfig, application: str, *, is_of_log: bool = False
) -> AsyncIterator[Connection]:
    """Open a session of the agency's database, and close it.

    Args:
        config: Where.
        application: Shown to the database's operator.
        is_of_log: For START_REPLICATION.

    Raises:
        SourceDown: It does not answer.
        DocumentError: It refuses.
    """
    known: dict[str, Any] = dict(conninfo_to_dict(config.dsn))
    known["options"] = f"{known.get('options') or ''} {AS_WRITTEN}".strip()
    known |= {"application_name": application, "client_encoding": "UTF8"}
    known.setdefault("connect_timeout", _CONNECT_S)
    known |= {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    if config.password is not None:
        known["password"] = config.password.get_secret_value()
    if is_of_log:
        known["replication"] = "database"
    async with translated():
        opened = await AsyncConnection.connect(**known, autocommit=True)
    try:
        async with translated():
            yield opened
    finally:
        await opened.close()
