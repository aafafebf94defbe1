"""A real folder of CSV files, as an exporter writes them: one file for each export."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from connectors.kit.twin import Twin
from connectors.sources.folder import FolderConfig

_EARLIER_NS = 3_600 * 10**9


class FolderTwin(Twin):
    """Each export is a new file in windows-1251; a mended one is written anew under its name."""

    def __init__(self) -> None:
        """Make no folder yet."""
        super().__init__()
        self._around = TemporaryDirectory(prefix="twin-folder-")
        self._folder = Path(self._around.name) / "exports"
        self._number = 0
        self._spoilt: dict[str, Path] = {}

    async def __aenter__(self) -> Self:
        self._folder.mkdir()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._around.cleanup()

    @property
    def config(self) -> FolderConfig:
        """Read it as anybody would: nothing is stated."""
        return FolderConfig(folder=self._folder)

    async def put(self, rows: Mapping[str, str]) -> None:
        """Export some rows."""
        self._export(rows)
        await asyncio.sleep(0)

    async def put_together(self, rows: Mapping[str, str]) -> None:
        """Export some rows: what is in one file came together."""
        await self.put(rows)

    @asynccontextmanager
    async def late(self, rows: Mapping[str, str]) -> AsyncIterator[None]:
        """Write a file that gets its name later than others, with an earlier time than theirs."""
        path = self._next()
        unfinished = path.with_name(f"{path.name}.part")
        unfinished.write_bytes(_content(rows))
        yield
        now = unfinished.stat().st_mtime_ns
        os.utime(unfinished, ns=(now - _EARLIER_NS, now - _EARLIER_NS))
        unfinished.rename(path)
        self._now_stand(rows)

    async def spoil(self, key: str) -> None:
        """Export a row with cells too many between two others."""
        path = self._next()
        good = {f"{key}-before": "good", f"{key}-after": "good"}
        lines = _content(good).decode("cp1251").splitlines()
        lines.insert(2, f"{key};школа;лишнее;и ещё")
        path.write_bytes("\r\n".join(lines).encode("cp1251"))
        self._now_stand(good)
        self._spoilt[key] = path

    async def mend(self, key: str, name: str) -> None:
        """Export the same file with the row put right."""
        rows = {f"{key}-before": "good", key: name, f"{key}-after": "good"}
        self._write(self._spoilt.pop(key), rows)
        self._now_stand(rows)

    async def drift(self) -> None:
        """Export without the column."""
        self._next().write_bytes("number;тип\r\nd-1;школа\r\n".encode("cp1251"))

    async def go_down(self) -> None:
        """Take the share away."""
        self._folder.rename(self._folder.with_name("away"))

    async def come_up(self) -> None:
        """Bring it back."""
        self._folder.with_name("away").rename(self._folder)

    async def stir(self) -> None:
        """Export nothing but a header."""
        self._export({})

    def _export(self, rows: Mapping[str, str]) -> None:
        self._write(self._next(), rows)
        self._now_stand(rows)

    def _next(self) -> Path:
        self._number += 1
        return self._folder / f"export-{self._number:06d}.csv"

    def _write(self, path: Path, rows: Mapping[str, str]) -> None:
        unfinished = path.with_name(f".{path.name}")
        unfinished.write_bytes(_content(rows))
        unfinished.rename(path)

    def _now_stand(self, rows: Mapping[str, str]) -> None:
        for key, name in rows.items():
            self.rows[key] = {"number": key, "name": name}


def _content(rows: Mapping[str, str]) -> bytes:
    lines = ["number;name", *(f"{key};{name}" for key, name in rows.items())]
    return ("\r\n".join(lines) + "\r\n").encode("cp1251")
