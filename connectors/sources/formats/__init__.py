"""Files of tables as rows, whatever they are: each row and each bad one with its place."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bus.client import workbook_kind
from bus.errors import DocumentError
from connectors.source import Bad
from connectors.sources.formats.archive import read_archive
from connectors.sources.formats.dbf import MEMO_ENDINGS, read_dbf
from connectors.sources.formats.found import Found, Rows, Unreadable
from connectors.sources.formats.json_document import read_json_document
from connectors.sources.formats.options import FileOptions
from connectors.sources.formats.sheets import read_sheets
from connectors.sources.formats.xml import read_xml
from connectors.texts import message

__all__ = ["ENDINGS", "MEMO_ENDINGS", "FileOptions", "Found", "Rows", "Unreadable", "read_file"]

ENDINGS: Final = (
    "csv", "tsv", "txt", "json", "jsonl", "ndjson", "xlsx", "xls", "ods", "dbf", "xml", "zip",
)  # fmt: skip
_ZIP: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_START_BYTES: Final = 4096


def read_file(path: Path, name: str, options: FileOptions, spool: Path) -> Rows:
    """Read one file; told by its content, and by its name where that tells nothing.

    Args:
        path: Where it is.
        name: What its people call it; the places of its rows begin with it.
        options: What is stated of it.
        spool: Where what is packed in it may be unpacked while it is read.

    Returns: Its rows in their order; a file that can't be read is one `Bad` with its name.

    Raises:
        OSError: It can't be got at.
    """
    with _plainly_named(path, spool) as plain:
        try:
            yield from _rows(plain, name, options, spool)
        except Unreadable as problem:
            yield Bad(raw="", why=problem.why, place=name)


@contextmanager
def _plainly_named(path: Path, spool: Path) -> Iterator[Path]:
    """Give a file whose name is no UTF-8 another one: readers of workbooks take no other.

    A DBF keeps its own: its memo file is found by it.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        if path.suffix.lower() == ".dbf":
            yield path
            return
        with TemporaryDirectory(dir=spool, prefix="named-") as folder:
            plain = Path(folder) / f"file{path.suffix}"
            plain.symlink_to(path.absolute())
            yield plain
    else:
        yield path


def _rows(path: Path, name: str, options: FileOptions, spool: Path) -> Rows:
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    ending = Path(name).suffix.lower()
    if not start.strip(b" \t\r\n\0"):
        raise Unreadable(message("folder.file_empty", size=path.stat().st_size))
    if ending == ".dbf":
        return read_dbf(path, name, options)
    if start.startswith((_ZIP, _EMPTY_ZIP)) and not _is_workbook(path, ending):
        return read_archive(
            path, name, spool, lambda inner, called: _rows(inner, called, options, spool)
        )
    sign = _first_sign(start)
    if sign == "<" and ending != ".csv":
        return read_xml(path, name, options)
    if sign == "[" and ending in {".json", ".txt"}:
        return read_json_document(path, name, options)
    return read_sheets(path, name, options)


def _is_workbook(path: Path, ending: str) -> bool:
    try:
        workbook_kind(path)
    except DocumentError:
        return ending in {".xlsx", ".ods"}
    return True


def _first_sign(start: bytes) -> str:
    """Tell the first sign of a text; in UTF-16 every second byte of it is 0."""
    for mark in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        start = start.removeprefix(mark)
    return chr(start.lstrip(b" \t\r\n\0")[0]) if start.strip(b" \t\r\n\0") else ""
