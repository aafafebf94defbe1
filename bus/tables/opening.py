"""The one door to table files: tells the kind of a file and what else must be known to read it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bus.errors import DocumentError, Finding
from bus.tables.delimited import DelimitedFile, Dialect, sniff_delimiter, sniffed_lines
from bus.tables.encoding import Encoding, Survey, survey
from bus.tables.excel import SheetRows, read_sheet
from bus.tables.json_lines import JsonLinesFile
from bus.tables.lines import read_lines
from bus.tables.options import TableOptions
from bus.tables.table import Assumptions, Format, Grid, Table
from bus.texts import finding_at, message

_CHUNK_BYTES: Final = 2**20
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_GZIP: Final = b"\x1f\x8b"
_QUOTE: Final = '"'
_AS_DETECTED: Final = TableOptions()


def open_grid(path: Path, options: TableOptions = _AS_DETECTED) -> Grid | Table:
    """Open a file whose header is the caller's business; `header` and `skip_rows` do not count.

    Args:
        path: As for `open_table`.
        options: What the sender states of encoding, delimiter, quote and sheet.

    Returns: Its rows as they stand; of JSON Lines, which have no header, the table.

    Raises: DocumentError: no such file, an empty one, another kind of file.
    """
    options = options.model_copy(update={"header": False, "skip_rows": 0})
    start = _start_of(path)
    if start.startswith((_OLE, _ZIP)):
        kind = Format.XLS if start.startswith(_OLE) else workbook_kind(path)
        sheet = read_sheet(path, sheet=options.sheet, header=False, skip_rows=0)
        return Grid(
            assumptions=_of_sheet(sheet, kind, options, None),
            merged=sheet.merged,
            first_rows=lambda count: list(sheet.rows[:count]),
            rows_below=sheet.found_rows,
        )
    table_or_file = _open_text(path, start, options)
    if isinstance(table_or_file, Table):
        return table_or_file
    file, found = table_or_file
    return Grid(
        assumptions=_of_delimited(file, found, options, None),
        merged=(),
        first_rows=file.first_rows,
        rows_below=file.rows,
    )


def open_table(path: Path, options: TableOptions = _AS_DETECTED) -> Table:
    """Find out how a file is to be read; its rows are read when the table is iterated.

    Args:
        path: CSV, TSV, JSON Lines, XLSX, XLS or ODS; told by content, not by name.
        options: What the sender states; it is not second-guessed.

    Returns: A table that says what was assumed.

    Raises: DocumentError: no such file, an empty one, another kind of file, doubled column names.
    """
    start = _start_of(path)
    if start.startswith(_OLE):
        return _open_excel(path, Format.XLS, options)
    if start.startswith(_ZIP):
        return _open_excel(path, workbook_kind(path), options)
    opened = _open_text(path, start, options)
    if isinstance(opened, Table):
        return opened
    file, found = opened
    columns, header_row = file.columns()
    return Table(
        assumptions=_of_delimited(file, found, options, header_row),
        columns=columns,
        rows_total_hint=max(found.lines - (header_row or options.skip_rows), 0),
        read=lambda: file.rows(columns, header_row),
    )


def _open_text(
    path: Path, start: bytes, options: TableOptions
) -> Table | tuple[DelimitedFile, Survey]:
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
    return _delimited_file(path, encoding, options), found


def _delimited_file(path: Path, encoding: Encoding, options: TableOptions) -> DelimitedFile:
    quote = _QUOTE if options.quote is None else options.quote
    sample = sniffed_lines(path, encoding, skip_rows=options.skip_rows)
    delimiter = options.delimiter or sniff_delimiter(sample, quote)
    return DelimitedFile(
        path=path,
        encoding=encoding,
        dialect=Dialect(delimiter=delimiter, quote=quote),
        header=options.header,
        skip_rows=options.skip_rows,
    )


def _of_delimited(
    file: DelimitedFile, found: Survey, options: TableOptions, header_row: int | None
) -> Assumptions:
    return Assumptions(
        format=Format.DELIMITED,
        encoding=file.encoding,
        encoding_confidence=_confidence(found, options),
        delimiter=file.dialect.delimiter,
        quote=file.dialect.quote,
        header_row=header_row,
        stated=options.stated,
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
    return Table(
        assumptions=_of_sheet(sheet, kind, options, header_row),
        columns=columns,
        rows_total_hint=len(sheet.rows) - (header_row is not None),
        read=lambda: sheet.found_rows(columns, header_row),
    )


def _of_sheet(
    sheet: SheetRows, kind: Format, options: TableOptions, header_row: int | None
) -> Assumptions:
    last_above_data = options.skip_rows if header_row is None else header_row
    return Assumptions(
        format=kind,
        header_row=header_row,
        sheet=sheet.name,
        other_sheets=sheet.other_names,
        merged_ranges=sum(one.first_row > last_above_data for one in sheet.merged),
        stated=options.stated,
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


def workbook_kind(path: Path) -> Format:
    """Tell which kind of workbook a zip archive is.

    Raises: DocumentError: it is damaged, or none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise _other_kind(path, "error.tables.damaged_archive") from error
    if any(name.startswith("xl/") for name in names):
        return Format.XLSX
    if {"mimetype", "content.xml"} <= set(names):
        return Format.ODS
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
