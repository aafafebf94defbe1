"""Whether a folder can be read as it is configured, and what tables lie in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape
from itertools import islice
from threading import Event
from typing import Final

from bus.errors import Finding
from connectors.source import Cell, Row, Stream
from connectors.sources.folder_files import Look, Place
from connectors.sources.formats import Rows
from connectors.sources.formats.inference import key_of, type_of
from connectors.texts import finding_at

_FILES_LOOKED_AT: Final = 100
_ROWS_LOOKED_AT: Final = 1_000
_SAMPLES: Final = 5


def findings_of(place: Place, takes_away: bool) -> Sequence[Finding]:  # noqa: FBT001 - one question
    """Find what keeps a folder from being read."""
    folder = place.folder
    if not folder.is_dir():
        return [finding_at(str(folder), "folder.check.no_folder")]
    rights = os.R_OK | os.X_OK | (os.W_OK if takes_away else 0)
    if not os.access(folder, rights):
        return [finding_at(str(folder), "folder.check.no_right")]
    names = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    if names and not place.look():
        told = {"files": ", ".join(names[:3]), "patterns": ", ".join(place.patterns)}
        return [finding_at(str(folder), "folder.check.none_fits", **told)]
    return []


@dataclass(slots=True)
class _Columns:
    """What is seen of one table."""

    file: Look
    rows: list[Mapping[str, Cell]] = field(default_factory=list)


def discover_in(
    looks: Mapping[str, Look], read: Callable[[Look], Rows], stopped: Event
) -> Sequence[Stream]:
    """Look at the first rows of the newest files, and tell the tables that are there."""
    newest = sorted(looks.values(), key=lambda one: one.modified_ns, reverse=True)
    tables: dict[str, _Columns] = {}
    for look in newest[:_FILES_LOOKED_AT]:
        if stopped.is_set():
            break
        rows = read(look)
        for row in islice(_rows(rows), _ROWS_LOOKED_AT):
            table = row.place.rpartition(":")[0]
            tables.setdefault(table, _Columns(look)).rows.append(row.cells)
        rows.close()  # type: ignore[attr-defined]  # a generator
    return [_stream(name, seen) for name, seen in sorted(tables.items())]


def _rows(rows: Rows) -> Iterator[Row]:
    return (row for row in rows if isinstance(row, Row))


def _stream(name: str, seen: _Columns) -> Stream:
    values: dict[str, list[Cell]] = {}
    for row in seen.rows:
        for column, cell in row.items():
            values.setdefault(column, []).append(cell)
    folder = seen.file.path.parents[seen.file.name.count("/")]
    return Stream(
        name=name,
        key=key_of(values, len(seen.rows)),
        columns={column: type_of(cells) for column, cells in values.items()},
        samples=seen.rows[:_SAMPLES],
        config={"folder": str(folder), "files": [escape(seen.file.path.name)]},
    )
