"""The rows that a table had when it was read whole, so that those that vanish are noticed.

A file in the connector's own folder. Where it is lost, what vanished meanwhile is not noticed;
nothing is ever taken to have vanished that is there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_FILE: Final = "rows.sqlite"
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS row"
    " (key TEXT PRIMARY KEY, run INTEGER NOT NULL, cells TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS begun (run INTEGER PRIMARY KEY)",
)
_NOTE: Final = """
    INSERT INTO row VALUES (?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET run = excluded.run, cells = excluded.cells"""


@dataclass(frozen=True, slots=True)
class KeyMemory:
    """What each run saw."""

    folder: Path

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.folder / _FILE)) as database, database:
            for table in _TABLES:
                database.execute(table)
            yield database

    def begin(self, run: int | None) -> tuple[int, bool]:
        """Begin a run, or go on with the one that began last.

        Args:
            run: That a position names; None: it names none.

        Returns: The run, and whether it goes on. A position of any other run (it was set by hand,
            or this file was lost) begins a new one: what that run had seen is not known here.
        """
        with self._database() as database:
            (last,) = database.execute("SELECT coalesce(max(run), 0) FROM begun").fetchone()
            if run is not None and run == last:
                return run, True
            database.execute("DELETE FROM begun")
            database.execute("INSERT INTO begun VALUES (?)", [last + 1])
            return last + 1, False

    def note(self, run: int, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Note that a run saw rows: key → cells."""
        with self._database() as database:
            database.executemany(
                _NOTE,
                [
                    (key, run, json.dumps(cells, ensure_ascii=False, default=str))
                    for key, cells in rows.items()
                ],
            )

    def vanished(self, run: int) -> tuple[int, Sequence[tuple[str, Mapping[str, Any]]]]:
        """Tell how many rows are known, and those that a run which has ended did not see."""
        with self._database() as database:
            (known,) = database.execute("SELECT count(*) FROM row").fetchone()
            query = "SELECT key, cells FROM row WHERE run < ? ORDER BY key"
            return known, [
                (key, json.loads(cells)) for key, cells in database.execute(query, [run])
            ]

    def forget(self, run: int) -> None:
        """Forget rows that the last run did not see, and whose end is durable on the bus."""
        with self._database() as database:
            query = "DELETE FROM row WHERE run < ? AND EXISTS (SELECT 1 FROM begun WHERE run = ?)"
            database.execute(query, [run, run])
