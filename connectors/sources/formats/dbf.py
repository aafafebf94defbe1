"""DBF of dBase and FoxPro: its header and values by dbfread, its records one by one by ourselves.

Why not dbfread's own loop: a value that can't be read ends it, and with it every row behind.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from dbfread import DBF, FieldParser, MissingMemoFile
from dbfread.codepages import guess_encoding
from dbfread.memo import open_memofile

from bus.client import detect
from connectors.source import Bad, Cell, Row
from connectors.sources.formats.found import Found, Rows, Unreadable
from connectors.sources.formats.options import FileOptions
from connectors.texts import message

MEMO_ENDINGS: Final = (".dbt", ".fpt")
_SAMPLE_RECORDS: Final = 2_000
_END: Final = b"\x1a"
_STANDS: Final = b" "
_FIELDS_MAX: Final = 2_048
_RECORD_BYTES_MAX: Final = 2**20
_UNREADABLE: Final = (ValueError, TypeError, KeyError, IndexError, struct.error, EOFError, OSError)


def read_dbf(path: Path, name: str, options: FileOptions) -> Rows:
    """Read the records that are not deleted.

    Args:
        path: Where it is; its memo file beside it.
        name: What its people call it.
        options: The encoding, where it is stated.

    Raises:
        Unreadable: It is no DBF, or its memo file is not there.
    """
    table = _opened(path, options)
    memo = open_memofile(table.memofilename, table.header.dbversion) if table.memofilename else None
    with path.open("rb") as file, memo or nullcontext():
        parser = FieldParser(table, memo)
        file.seek(table.header.headerlen)
        number = 0
        while number < table.header.numrecords:
            record = file.read(table.header.recordlen)
            if record[:1] in {b"", _END}:
                break
            number += 1
            if len(record) < table.header.recordlen:
                break
            if record[:1] == _STANDS:
                yield _row(table, parser, record, f"{name}:{number}")
        else:
            return
    told = message("folder.dbf_cut", found=number, records=table.header.numrecords)
    yield Bad(raw="", why=told, place=f"{name}:{number + 1}")


def _row(table: Any, parser: Any, record: bytes, place: str) -> Found:  # noqa: ANN401 - dbfread has no types
    cells: dict[str, Cell] = {}
    at = 1
    for field in table.fields:
        content = record[at : at + field.length]
        at += field.length
        if field.type == "0":
            continue  # which fields are null, as FoxPro notes it
        try:
            cells[field.name] = _cell(parser.parse(field, content))
        except _UNREADABLE as problem:
            raw = record[1:].decode(table.encoding, "replace")
            why = message("folder.dbf_value", problem=problem)
            return Bad(raw=raw, why=why, place=place, column=field.name)
    return Row(cells, place=place)


def _cell(value: object) -> Cell:
    match value:
        case str():
            return value.strip() or None
        case Decimal():
            return str(value)
        case float():
            return int(value) if value.is_integer() else value
        case bytes():
            raise ValueError(message("folder.dbf_binary"))
        case None | bool() | int() | datetime() | date():
            return value
        case _:
            raise TypeError(type(value).__name__)


def _opened(path: Path, options: FileOptions) -> Any:  # noqa: ANN401 - dbfread has no types
    try:
        table = DBF(str(path), encoding="latin-1", ignore_missing_memofile=False)
    except MissingMemoFile as problem:
        raise Unreadable(message("folder.dbf_no_memo", memo=path.stem)) from problem
    except (ValueError, TypeError, struct.error, EOFError) as problem:
        raise Unreadable(message("folder.dbf_damaged", problem=problem)) from problem
    width = 1 + sum(field.length for field in table.fields)
    header = table.header
    if not table.fields or header.recordlen != width or header.headerlen < len(table.fields) * 32:
        raise Unreadable(message("folder.dbf_damaged", problem=f"{header.recordlen} != {width}"))
    if len(table.fields) > _FIELDS_MAX or width > _RECORD_BYTES_MAX:
        raise Unreadable(message("folder.dbf_damaged", problem=f"{len(table.fields)} fields"))
    encoding = options.encoding or _encoding(path, table)
    table.encoding = str(encoding)
    for field in table.fields:
        # Why anew: names were taken as they stand, since the encoding was still to be told.
        field.name = field.name.encode("latin-1").decode(table.encoding, "replace").strip()
    names = [field.name for field in table.fields]
    if len(set(names)) < len(names):
        doubled = sorted({name for name in names if names.count(name) > 1})
        raise Unreadable(message("folder.columns_doubled", names=", ".join(doubled)))
    return table


def _encoding(path: Path, table: Any) -> str:  # noqa: ANN401 - dbfread has no types
    """Take the code page of the header, or tell it by the texts where the header has none."""
    driver = table.header.language_driver
    if driver:
        try:
            return str(guess_encoding(driver))
        except LookupError:
            pass
    return str(detect(b"\n".join(_texts(path, table))).encoding)


def _texts(path: Path, table: Any) -> Iterator[bytes]:  # noqa: ANN401 - dbfread has no types
    for field in table.fields:
        yield field.name.encode("latin-1")
    with path.open("rb") as file:
        file.seek(table.header.headerlen)
        for _ in range(_SAMPLE_RECORDS):
            record, at = file.read(table.header.recordlen), 1
            if len(record) < table.header.recordlen:
                return
            for field in table.fields:
                if field.type in "CV":
                    yield record[at : at + field.length].rstrip(b"\0 ")
                at += field.length
