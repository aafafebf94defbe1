"""The one door to table files: tells the kind of a file and what else must be known to read it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bus.errors import DocumentError, Finding
from bus.tables.delimited import DelimitedFile, Dialect, sniff_delimiter, sniffed_lines
from bus.tables.encoding import Encoding, Survey, survey
from bus.tables.excel import read_sheet
from bus.tables.json_lines import JsonLinesFile
from bus.tables.lines import read_lines
from bus.tables.options import TableOptions
from bus.tables.table import Assumptions, Format, Table
from bus.texts import finding_at, message

_CHUNK_BYTES: Final = 2**20
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_GZIP: Final = b"\x1f\x8b"
_QUOTE: Final = '"'
_AS_DETECTED: Final = TableOptions()


def open_table(path: Path, options: TableOptions = _AS_DETECTED) -> Table:
    """Find out how a file is to be read; its rows are read when the table is iterated.

    Args:
        path: CSV, TSV, JSON Lines, XLSX or XLS; told by content, not by name.
        options: What the sender states; it is not second-guessed.

    Returns: A table that says what was assumed.

    Raises: DocumentError: no such file, an empty one, another kind of file, doubled column names.
    """
    start = _start_of(path)
    if start.startswith(_OLE):
        return _open_excel(path, Format.XLS, options)
    if start.startswith(_ZIP):
        _require_workbook(path)
        return _open_excel(path, Format.XLSX, options)
    _refuse_other_kinds(path, start)
    found = survey(_chunks(path))
    encoding = options.encoding or found.guess.encoding
    first = next(read_lines(path, encoding, skip_rows=options.skip_rows), "").lstrip()
    if first.startswith("["):
        raise _other_kind(path, "error.tables.json_document")
    if first.startswith("<"):
        raise _other_kind(path, "error.tables.markup")
    if first.startswith("{"):
        return _open_json_lines(path, encoding, found, options)
    return _open_delimited(path, encoding, found, options)


def _open_delimited(path: Path, encoding: Encoding, found: Survey, options: TableOptions) -> Table:
    quote = _QUOTE if options.quote is None else options.quote
    sample = sniffed_lines(path, encoding, skip_rows=options.skip_rows)
    delimiter = options.delimiter or sniff_delimiter(sample, quote)
    file = DelimitedFile(
        path=path,
        encoding=encoding,
        dialect=Dialect(delimiter=delimiter, quote=quote),
        header=options.header,
        skip_rows=options.skip_rows,
    )
    columns, header_row = file.columns()
    assumptions = Assumptions(
        format=Format.DELIMITED,
        encoding=encoding,
        encoding_confidence=_confidence(found, options),
        delimiter=delimiter,
        quote=quote,
        header_row=header_row,
        stated=options.stated,
    )
    return Table(
        assumptions=assumptions,
        columns=columns,
        rows_total_hint=max(found.lines - (header_row or options.skip_rows), 0),
        read=lambda: file.rows(columns, header_row),
    )


def _open_json_lines(path: Path, encoding: Encoding, found: Survey, options: TableOptions) -> Table:
    file = JsonLinesFile(path=path, encoding=encoding, skip_rows=options.skip_rows)
    assumptions = Assumptions(
        format=Format.JSON_LINES,
        encoding=encoding,
        encoding_confidence=_confidence(found, options),
        stated=options.stated,
    )
    return Table(
        assumptions=assumptions,
        columns=file.columns(),
        rows_total_hint=max(found.lines - options.skip_rows, 0),
        read=file.rows,
    )


def _open_excel(path: Path, kind: Format, options: TableOptions) -> Table:
    sheet = read_sheet(
        path, sheet=options.sheet, header=options.header, skip_rows=options.skip_rows
    )
    columns, header_row = sheet.columns()
    last_above_data = options.skip_rows if header_row is None else header_row
    assumptions = Assumptions(
        format=kind,
        header_row=header_row,
        sheet=sheet.name,
        other_sheets=sheet.other_names,
        merged_ranges=sum(row > last_above_data for row in sheet.merged),
        stated=options.stated,
    )
    return Table(
        assumptions=assumptions,
        columns=columns,
        rows_total_hint=len(sheet.rows) - (header_row is not None),
        read=lambda: sheet.found_rows(columns, header_row),
    )


def _confidence(found: Survey, options: TableOptions) -> float:
    return found.guess.confidence if options.encoding is None else 1.0


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(_CHUNK_BYTES)
    except OSError as error:
        finding = finding_at(str(path), "error.tables.no_file", problem=error.strerror or error)
        raise DocumentError(message("error.tables.not_opened", path=path), (finding,)) from error
    if not start.strip():
        raise _other_kind(path, "error.tables.empty_file")
    return start


def _require_workbook(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            is_workbook = any(name.startswith("xl/") for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise _other_kind(path, "error.tables.damaged_archive") from error
    if not is_workbook:
        raise _other_kind(path, "error.tables.archive")


def _refuse_other_kinds(path: Path, start: bytes) -> None:
    if start.startswith(_GZIP):
        raise _other_kind(path, "error.tables.compressed")
    if start.startswith(b"%PDF"):
        raise _other_kind(path, "error.tables.pdf")


def _other_kind(path: Path, key: str) -> DocumentError:
    """Refuse a file that is no table; `key` names the texts of what it is and of the remedy."""
    finding = Finding(
        path=str(path),
        found=message(f"{key}.found"),
        expected=message("error.tables.table_kinds"),
        remedy=message(f"{key}.remedy"),
    )
    return DocumentError(message("error.tables.not_a_table", path=path), (finding,))
