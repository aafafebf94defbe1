"""The twin of `postgres-outbox`: an application that writes its changes into an outbox."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final, Literal, Self

from psycopg import AsyncConnection, sql
from pydantic import SecretStr

from connectors.kit.twin import CANARY, Twin
from connectors.sources.postgres_outbox import OutboxConfig, ddl
from connectors.twins.changes_engine import Engine, engine

_NUMBERS: Final = itertools.count(1)


class PostgresOutboxTwin(Twin):
    """The outbox; the application's own tables do not matter."""

    when_done: ClassVar[Literal["delete", "keep"]] = "delete"

    def __init__(self) -> None:
        """Name a schema of its own."""
        super().__init__()
        self._schema = f"application_{next(_NUMBERS)}"
        self._has_name = True
        self.session: AsyncConnection[Any]

    @property
    def engine(self) -> Engine:
        """The engine that the outbox is in."""
        return engine()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(engine)
        self.session = await self._opened()
        await self.session.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))
        await self.session.execute(ddl().encode())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.execute(
            sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(self._schema))
        )
        await self.session.close()

    async def _opened(self) -> AsyncConnection[Any]:
        opened = await self.engine.session()
        await opened.execute("SELECT set_config('search_path', %s, false)", [self._schema])
        return opened

    @property
    def config(self) -> OutboxConfig:
        """See `Twin`."""
        return OutboxConfig(
            dsn=self.engine.dsn,
            password=SecretStr(CANARY),
            table=f"{self._schema}.bus_outbox",
            when_done=self.when_done,
            poll_s=0.02,
        )

    async def _write(
        self, session: AsyncConnection[Any], key: str, row: object, operation: str | None = None
    ) -> None:
        await session.execute(
            "SELECT bus_outbox_put(%s, %s::jsonb, %s)", [key, json.dumps(row), operation]
        )

    def _row(self, key: str, name: str) -> dict[str, str]:
        return {"number": key, "name": name} if self._has_name else {"number": key}

    async def put(self, rows: Mapping[str, str]) -> None:
        """Tell each row in a transaction of its own."""
        for key, name in rows.items():
            await self._write(self.session, key, self._row(key, name))
            self.rows[key] = {"number": key, "name": name}

    async def put_together(self, rows: Mapping[str, str]) -> None:
        """Tell rows in one transaction."""
        async with self.session.transaction(), self.session.pipeline():
            for key, name in rows.items():
                await self._write(self.session, key, self._row(key, name))
        self.rows |= {key: {"number": key, "name": name} for key, name in rows.items()}

    async def remove(self, key: str) -> None:
        """Tell that an entry has ended."""
        row = self.rows.pop(key, {"number": key, "name": None})
        await self._write(self.session, key, row, "cease")

    @asynccontextmanager
    async def late(self, rows: Mapping[str, str]) -> AsyncIterator[None]:
        """Draw ids now, and commit them on leaving."""
        writer = await self._opened()
        try:
            async with writer.transaction():
                for key, name in rows.items():
                    await self._write(writer, key, self._row(key, name))
                yield
        finally:
            await writer.close()
        self.rows |= {key: {"number": key, "name": name} for key, name in rows.items()}

    async def spoil(self, key: str) -> None:
        """Tell what is no row."""
        await self._write(self.session, key, ["no", "object"])

    async def mend(self, key: str, name: str) -> None:
        """Tell a row of the same entry."""
        await self.put({key: name})

    async def drift(self) -> None:
        """Leave a column out from now on."""
        self._has_name = False
        await self._write(self.session, "drifted", self._row("drifted", ""))

    async def go_down(self) -> None:
        """Let the engine fail."""
        await self.session.close()
        await asyncio.to_thread(self.engine.stop)

    async def come_up(self) -> None:
        """Start it again."""
        await asyncio.to_thread(self.engine.start)
        self.session = await self._opened()

    async def stir(self) -> None:
        """Draw an id that is rolled back."""
        writer = await self._opened()
        async with writer.transaction(force_rollback=True):
            await self._write(writer, "never", {})
        await writer.close()


class KeptOutboxTwin(PostgresOutboxTwin):
    """The same, with rows left where they are."""

    when_done = "keep"
