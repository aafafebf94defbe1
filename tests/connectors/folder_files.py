"""What the tests of the folder share: reading one, and files that are hard to come by."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors import Bad, Context, Item, Json, Mark, Row
from connectors.source import NOT_HERE
from connectors.sources.folder import Folder, FolderConfig


async def no_wait(_seconds: float) -> None:
    return None


def folder(
    path: Path,
    *,
    sleep: Callable[[float], Awaitable[None]] = no_wait,
    **config: Any,  # noqa: ANN401 - as the configuration
) -> Folder:
    path.mkdir(exist_ok=True)
    context = Context(
        connector="test",
        spool=path.with_name("spool"),
        clock=lambda: datetime(2026, 1, 5, tzinfo=UTC),
        sleep=sleep,
    )
    return Folder(FolderConfig(folder=path, **config), context)


async def items_of(source: Folder, position: Json = None) -> list[Item]:
    return [item async for item in source.read(position)]


def last_position(items: Iterable[Item], before: Json = None) -> Json:
    given = [one.position for one in items if one.position is not NOT_HERE]
    return given[-1] if given else before


def cells_of(items: Iterable[Item]) -> list[Mapping[str, object]]:
    return [item.cells for item in items if isinstance(item, Row)]


def bad_of(items: Iterable[Item]) -> list[tuple[str, str]]:
    return [(item.place, str(item.why)) for item in items if isinstance(item, Bad)]


def places_of(items: Iterable[Item]) -> list[str]:
    return [item.place for item in items if not isinstance(item, Mark)]


def names_in(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir())


def opened_files() -> set[str]:
    found = set()
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(str(one.readlink()))
    return found


def write_dbf(
    path: Path,
    fields: Sequence[tuple[str, str, int]],
    rows: Sequence[Sequence[bytes]],
    *,
    code_page: int = 0,
    version: int = 3,
) -> Path:
    """Write a DBF file: fields are name, type and length, rows are cells as they stand."""
    width = 1 + sum(length for *_, length in fields)
    header = struct.pack(
        "<BBBBIHH17xBxx", version, 126, 1, 5, len(rows), 33 + 32 * len(fields), width, code_page
    )
    described = b"".join(
        struct.pack("<11scIBB14x", name.encode("cp866"), kind.encode(), 0, length, 0)
        for name, kind, length in fields
    )
    lengths = [length for *_, length in fields]
    records = b"".join(
        b" " + b"".join(cell.ljust(n) for cell, n in zip(row, lengths, strict=True)) for row in rows
    )
    path.write_bytes(header + described + b"\r" + records + b"\x1a")
    return path
