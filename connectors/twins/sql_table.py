"""A real table of SQLite, which SQLAlchemy reads as it reads any other."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from connectors.kit.twin import Twin
from connectors.sources.sql_table_config import SqlTableConfig

_PRESENT = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
_TABLE = """
    CREATE TABLE school (number TEXT PRIMARY KEY, name TEXT, born DATE,
        updated DATETIME NOT NULL, is_deleted BOOLEAN NOT NULL DEFAULT 0);
    CREATE INDEX school_updated ON school (updated)"""
_PUT = f"""
    INSERT INTO school (number, name, born, updated)
    VALUES (?, ?, ?, coalesce(?, {_PRESENT}))
    ON CONFLICT (number) DO UPDATE SET name = excluded.name, born = excluded.born,
        updated = excluded.updated, is_deleted = 0"""  # noqa: S608 - our own words


class SqlTableTwin(Twin):
    """The table, read by its column `updated`."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        super().__init__()
        self._folder = TemporaryDirectory(prefix="twin-")
        self.file = Path(self._folder.name) / "register.sqlite"

    async def __aenter__(self) -> Self:
        with self.database() as database:
            database.executescript(_TABLE)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._folder.cleanup()

    @property
    def config(self) -> SqlTableConfig:
        """See `Twin.config`."""
        return SqlTableConfig(
            # Why read-only: it would make an empty file where there is none.
            url=f"sqlite:///file:{self.file}?mode=ro&uri=true",
            table="school",
            columns=("number", "name", "born"),
            cursor="updated",
            settle_s=0.02,
            clock_sql=_PRESENT,
            deleted_column="is_deleted",
        )

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """Write into it, in one transaction."""
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute("PRAGMA synchronous = OFF")
            yield database

    async def put(self, rows: Mapping[str, str]) -> None:
        """See `Twin.put`."""
        with self.database() as database:
            for key, name in rows.items():
                self._write(database, key, name)
        await asyncio.sleep(0)

    async def put_together(self, rows: Mapping[str, str]) -> None:
        """See `Twin.put_together`: with one value of the cursor."""
        with self.database() as database:
            (at,) = database.execute(f"SELECT {_PRESENT}").fetchone()
            for key, name in rows.items():
                self._write(database, key, name, at=at)
        await asyncio.sleep(0)

    def _write(
        self,
        database: sqlite3.Connection,
        key: str,
        name: str,
        *,
        born: str | None = None,
        at: str | None = None,
    ) -> None:
        database.execute(_PUT, [key, name, born, at])
        if born is None:
            self.rows[key] = {"number": key, "name": name, "born": None}

    async def remove(self, key: str) -> None:
        """See `Twin.remove`: it is marked."""
        with self.database() as database:
            query = f"UPDATE school SET is_deleted = 1, updated = {_PRESENT} WHERE number = ?"  # noqa: S608 - our own words
            database.execute(query, [key])
        del self.rows[key]

    @asynccontextmanager
    async def late(self, rows: Mapping[str, str]) -> AsyncIterator[None]:
        """See `Twin.late`: an application takes the time, and writes when it has done its work."""
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")  # noqa: TID251 - plays an application
        yield
        with self.database() as database:
            for key, name in rows.items():
                self._write(database, key, name, at=at)

    async def spoil(self, key: str) -> None:
        """See `Twin.spoil`: SQLite takes any text as a day."""
        with self.database() as database:
            self._write(database, key, "spoilt", born="31 June")

    async def mend(self, key: str, name: str) -> None:
        """See `Twin.mend`."""
        await self.put({key: name})

    async def drift(self) -> None:
        """See `Twin.drift`."""
        with self.database() as database:
            database.execute("ALTER TABLE school DROP COLUMN name")

    async def go_down(self) -> None:
        """See `Twin.go_down`: its disk is gone."""
        self.file.rename(self.file.with_suffix(".away"))

    async def come_up(self) -> None:
        """See `Twin.come_up`."""
        self.file.with_suffix(".away").rename(self.file)


class WholeTableTwin(SqlTableTwin):
    """The table without a cursor; rows that are gone have come to an end."""

    @property
    def config(self) -> SqlTableConfig:
        """See `Twin.config`."""
        changes: dict[str, Any] = {
            **super().config.model_dump(),
            "mode": "whole",
            "cursor": None,
            "deleted_column": None,
            "vanished": "cease",
        }
        return SqlTableConfig(**changes)

    async def remove(self, key: str) -> None:
        """See `Twin.remove`."""
        with self.database() as database:
            database.execute("DELETE FROM school WHERE number = ?", [key])
        del self.rows[key]
