"""A small table in SQLite as a source: one right connector of a few lines, and three wrong ones."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from connectors import Item, Json, Mark, Row, Source, SourceConfig
from connectors.kit.twin import Twin


class TableConfig(SourceConfig):
    file: Path


class Keyset(Source[TableConfig]):
    """The right one: a change draws a new place, and the position is that place."""

    Config = TableConfig

    async def read(self, position: Json) -> AsyncIterator[Item]:
        with closing(sqlite3.connect(self.config.file)) as database:
            query = "SELECT place, number, name FROM school WHERE place > ? ORDER BY place"
            for place, number, name in database.execute(query, [position or 0]).fetchall():
                yield Row({"number": number, "name": name}, position=place)


class TieBlind(Source[TableConfig]):
    """Wrong: rows have one cursor value together, and each is taken to be the last of it."""

    Config = TableConfig

    async def read(self, position: Json) -> AsyncIterator[Item]:
        with closing(sqlite3.connect(self.config.file)) as database:
            query = "SELECT at, number, name FROM school WHERE at > ? ORDER BY at, place"
            for at, number, name in database.execute(query, [position or 0]).fetchall():
                yield Row({"number": number, "name": name}, position=at)


class CursorOnly(Source[TableConfig]):
    """Wrong: a number that was drawn is taken to be there already."""

    Config = TableConfig

    async def read(self, position: Json) -> AsyncIterator[Item]:
        with closing(sqlite3.connect(self.config.file)) as database:
            query = "SELECT place, number, name FROM seen WHERE place > ? ORDER BY place"
            for place, number, name in database.execute(query, [position or 0]).fetchall():
                yield Row({"number": number, "name": name}, position=place)


class TooEarly(Source[TableConfig]):
    """Wrong: the position is given before the row that it stands for."""

    Config = TableConfig

    async def read(self, position: Json) -> AsyncIterator[Item]:
        with closing(sqlite3.connect(self.config.file)) as database:
            query = "SELECT place, number, name FROM school WHERE place > ? ORDER BY place"
            for place, number, name in database.execute(query, [position or 0]).fetchall():
                yield Mark(place)
                yield Row({"number": number, "name": name})


class TableTwin(Twin):
    """The table; `seen` leaves out what a transaction that is still open has written."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory(prefix="twin-")
        self._file = Path(self._folder.name) / "table.sqlite"
        self._place = self._at = 0

    async def __aenter__(self) -> Self:
        with self._database() as database:
            database.executescript(
                "CREATE TABLE school (number TEXT PRIMARY KEY, name TEXT, place INTEGER,"
                " at INTEGER, is_open INTEGER DEFAULT 0);"
                "CREATE VIEW seen AS SELECT * FROM school WHERE NOT is_open"
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._folder.cleanup()

    @property
    def config(self) -> TableConfig:
        return TableConfig(file=self._file)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file)) as database, database:
            yield database

    async def put(self, rows: Mapping[str, str]) -> None:
        for key, name in rows.items():
            self._at += 1
            self._write({key: name})
        await asyncio.sleep(0)

    async def put_together(self, rows: Mapping[str, str]) -> None:
        self._at += 1
        self._write(rows)
        await asyncio.sleep(0)

    def _write(self, rows: Mapping[str, str], *, is_open: bool = False) -> None:
        with self._database() as database:
            for key, name in rows.items():
                self._place += 1
                database.execute(
                    "INSERT OR REPLACE INTO school VALUES (?, ?, ?, ?, ?)",
                    [key, name, self._place, self._at, is_open],
                )
                self.rows[key] = {"number": key, "name": name}


class OpenTableTwin(TableTwin):
    """The table with writers whose transactions end later than those that began after them."""

    @asynccontextmanager
    async def late(self, rows: Mapping[str, str]) -> AsyncIterator[None]:
        self._at += 1
        self._write(rows, is_open=True)
        yield
        with self._database() as database:
            database.execute("UPDATE school SET is_open = 0")
