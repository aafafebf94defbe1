"""What the table tests share: real files, and small ones written here."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias
from xml.sax.saxutils import escape

import pytest

SHARED: Final = Path(__file__).parents[3] / "shared" / "data"

StoredCell: TypeAlias = str | bool | float | tuple[float, str] | None
"""Text, number, or a number with a style: `date`, `time`, `moment`."""

_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_STYLES: Final = {"date": 1, "time": 2, "moment": 3}
_STYLE_SHEET: Final = (
    f'<styleSheet xmlns="{_MAIN}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="dd.mm.yyyy"/>'
    '<numFmt numFmtId="165" formatCode="dd.mm.yyyy hh:mm"/></numFmts><cellXfs count="4">'
    '<xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="21"/><xf numFmtId="165"/>'
    "</cellXfs></styleSheet>"
)


def shared(name: str) -> Path:
    """Find a real file; the test is skipped where there is none."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"shared test data are absent: {path}")
    return path


def write_xlsx(path: Path, sheets: Mapping[str, Sequence[Sequence[StoredCell]]]) -> Path:
    """Write the smallest workbook that holds the given sheets; None leaves a cell out."""
    numbered = list(enumerate(sheets.items(), start=1))
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, (name, _) in numbered
    )
    workbook = f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
    parts = [(f"rId{n}", "worksheet", f"worksheets/sheet{n}.xml") for n, _ in numbered]
    top = [("rId1", "officeDocument", "xl/workbook.xml")]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", _content_types())
        archive.writestr("_rels/.rels", _relationships(top))
        archive.writestr("xl/workbook.xml", workbook)
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            _relationships([*parts, ("rId99", "styles", "styles.xml")]),
        )
        archive.writestr("xl/styles.xml", _STYLE_SHEET)
        for n, (_, rows) in numbered:
            archive.writestr(f"xl/worksheets/sheet{n}.xml", _sheet(rows))
    return path


def _content_types() -> str:
    kind = "application/vnd.openxmlformats-"
    return (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="{kind}package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" '
        f'ContentType="{kind}officedocument.spreadsheetml.sheet.main+xml"/></Types>'
    )


def _relationships(parts: Sequence[tuple[str, str, str]]) -> str:
    inner = "".join(
        f'<Relationship Id="{part}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for part, kind, target in parts
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{inner}</Relationships>'


def _sheet(rows: Sequence[Sequence[StoredCell]]) -> str:
    lines = [
        f'<row r="{number}">'
        + "".join(_cell(f"{chr(65 + at)}{number}", cell) for at, cell in enumerate(cells))
        + "</row>"
        for number, cells in enumerate(rows, start=1)
    ]
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def _cell(place: str, cell: StoredCell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    number, style = cell if isinstance(cell, tuple) else (cell, "")
    return f'<c r="{place}" s="{_STYLES.get(style, 0)}"><v>{number}</v></c>'


_OPEN_DOCUMENT: Final = "urn:oasis:names:tc:opendocument:xmlns"


_SPACES: Final = ("office", "table", "text")


def write_ods(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """Write the smallest workbook of OpenDocument that holds these texts."""

    def cell(text: str) -> str:
        held = f"<text:p>{escape(text)}</text:p>"
        return f'<table:table-cell office:value-type="string">{held}</table:table-cell>'

    inner = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
    body = f'<table:table table:name="Лист1">{inner}</table:table>'
    spaces = " ".join(f'xmlns:{one}="{_OPEN_DOCUMENT}:{one}:1.0"' for one in _SPACES)
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr(
            "META-INF/manifest.xml",
            f'<m:manifest xmlns:m="{_OPEN_DOCUMENT}:manifest:1.0">'
            f'<m:file-entry m:full-path="/" m:media-type="{kind}"/></m:manifest>',
        )
        archive.writestr(
            "content.xml",
            f"<office:document-content {spaces}><office:body><office:spreadsheet>{body}"
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return path
