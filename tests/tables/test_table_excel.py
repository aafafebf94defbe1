"""Workbooks: real ones of agencies, and small ones written for each case."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest

from bus.errors import DocumentError
from bus.tables.excel import UNPACKED_BYTES_MAX
from bus.tables.opening import open_table
from bus.tables.options import TableOptions
from bus.tables.problems import ProblemKind
from bus.tables.table import BadRow, Format, Row
from tests.tables.table_files import StoredCell, shared, write_ods, write_xlsx

WHOLE_DAY = 45000.0
"""15 March 2023 in Excel's count of days."""


def test_a_real_xls_of_a_thousand_organisations_is_read_whole() -> None:
    table = open_table(shared("organisations/rosstat_boo_2012_1000.xls"))
    rows = list(table)
    assert table.assumptions.format is Format.XLS
    assert (table.assumptions.sheet, table.assumptions.header_row) == ("Sheet1", 1)
    assert (len(rows), table.rows_total_hint, len(table.columns)) == (1000, 1000, 53)
    first = rows[0]
    assert isinstance(first, Row)
    assert first.number == 2
    assert (first.cells["inn"], first.cells["okpo"]) == ("2457009983", "00002565")
    assert (first.cells["unit"], first.cells["title"]) == (
        384,
        "РОССИЙСКОЕ АКЦИОНЕРНОЕ ОБЩЕСТВО ПО ПРОИЗВОДСТВУ ЦВЕТНЫХ И ДРАГОЦЕННЫХ МЕТАЛЛОВ "
        '"НОРИЛЬСКИЙ НИКЕЛЬ"',
    )


@pytest.mark.parametrize(
    ("name", "columns", "rows", "merged"),
    [
        ("dirty_tables/infogorod_table1.xls", 10, 24, 5),
        ("dirty_tables/infogorod_table7.xls", 8, 28, 13),
    ],
)
def test_a_real_xls_with_a_header_of_three_rows_is_read_below_it(
    name: str, columns: int, rows: int, merged: int
) -> None:
    table = open_table(shared(name), TableOptions(header=False, skip_rows=3))
    found = list(table)
    assert table.columns == tuple(str(n) for n in range(1, columns + 1))
    assert len(found) == rows
    assert found[0].number == 4
    # Merged cells are a fact to tell: all but the first of each are read as empty.
    assert table.assumptions.merged_ranges >= merged


def test_numbers_days_and_times_get_their_types(tmp_path: Path) -> None:
    path = write_xlsx(
        tmp_path / "t.xlsx",
        {
            "Лист1": [
                ["ИНН", "дата", "момент", "время", "доля", "да", "текст"],
                [
                    *(6315000000.0, (WHOLE_DAY, "date"), (WHOLE_DAY + 0.25, "moment")),
                    *((0.5, "time"), 1.5, True, " 0042 \u00a0"),
                ],
            ]
        },
    )
    table = open_table(path)
    assert table.assumptions.format is Format.XLSX
    assert list(table) == [
        Row(
            number=2,
            cells={
                "ИНН": 6315000000,
                "дата": date(2023, 3, 15),
                "момент": datetime(2023, 3, 15, 6, 0),  # noqa: DTZ001 - Excel has no zones
                "время": "12:00:00",
                "доля": 1.5,
                "да": True,
                "текст": "0042",
            },
        )
    ]


def test_a_moment_at_midnight_is_a_day(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", {"s": [["d"], [(WHOLE_DAY, "moment")]]})
    assert list(open_table(path)) == [Row(number=2, cells={"d": date(2023, 3, 15)})]


def test_a_number_that_excel_has_rounded_is_refused(tmp_path: Path) -> None:
    rows: list[list[StoredCell]] = [
        ["счёт"],
        [40702810900000012345.0],
        [999_999_999_999_999.0],
        [10.0**15],
    ]
    found = list(open_table(write_xlsx(tmp_path / "t.xlsx", {"s": rows})))
    assert [type(row) for row in found] == [BadRow, Row, BadRow]
    assert isinstance(found[0], BadRow)
    problem = found[0].problems[0]
    assert (problem.kind, problem.column) == (ProblemKind.DIGITS_LOST, "счёт")


def test_the_first_sheet_with_data_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    sheets: dict[str, list[list[str]]] = {
        "пусто": [],
        "первый": [["a"], ["1"]],
        "второй": [["b"], ["2"]],
    }
    path = write_xlsx(tmp_path / "t.xlsx", sheets)
    table = open_table(path)
    assert (table.assumptions.sheet, table.assumptions.other_sheets) == ("первый", ("второй",))
    assert open_table(path, TableOptions(sheet="второй")).columns == ("b",)
    with pytest.raises(DocumentError, match="expected one of: пусто, первый, второй"):
        open_table(path, TableOptions(sheet="третий"))
    with pytest.raises(DocumentError, match="sheet `пусто` without data"):
        open_table(path, TableOptions(sheet="пусто"))


def test_empty_rows_above_and_between_are_passed_and_numbers_are_those_of_the_sheet(
    tmp_path: Path,
) -> None:
    rows = [[], [None, "a", "b"], [], [None, "1", "2"], [None, " ", None], [None, None, "3"]]
    table = open_table(write_xlsx(tmp_path / "t.xlsx", {"s": rows}))
    assert table.assumptions.header_row == 2
    assert list(table) == [
        Row(number=4, cells={"a": "1", "b": "2"}),
        Row(number=6, cells={"a": None, "b": "3"}),
    ]
    assert table.empty_rows == 2


def test_a_doubled_column_name_names_the_sheet(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", {"Реестр": [["a", "a"], ["1", "2"]]})
    with pytest.raises(DocumentError, match=r"\[Реестр\]:1: found columns 1 and 2 both named `a`"):
        open_table(path)


def test_an_archive_that_would_fill_the_memory_is_refused_before_it_is_unpacked(
    tmp_path: Path,
) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", {"s": [["a"], ["1"]]})
    zeros = bytes(2**24)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/bomb.bin", "w", force_zip64=True) as member,
    ):
        for _ in range(UNPACKED_BYTES_MAX // len(zeros) + 1):
            member.write(zeros)
    with pytest.raises(DocumentError, match="Save the sheet as CSV"):
        open_table(path)


def test_an_archive_without_a_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table.csv", "a;b\n")
    with pytest.raises(DocumentError, match="an archive that is not a workbook"):
        open_table(path)


def test_a_workbook_of_open_document_is_read(tmp_path: Path) -> None:
    table = open_table(write_ods(tmp_path / "t.ods", [["код", "имя"], ["01", "Школа № 1"]]))
    assert table.assumptions.format is Format.ODS
    assert [row.cells for row in table if isinstance(row, Row)] == [
        {"код": "01", "имя": "Школа № 1"}
    ]


def test_a_cell_far_away_from_the_others_is_refused_before_room_is_made_for_all_between(
    tmp_path: Path,
) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", {"s": [["a", "b"], ["1", "2"]]})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for cell, is_read in (('s="1"/>', True), ('t="n"><v>1</v></c>', False)):
        far = f'<row r="1048576"><c r="XFD1048576" {cell}</row></sheetData>'.encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content.replace(b"</sheetData>", far))
        if is_read:  # a cell that has a style alone takes no room
            assert len(list(open_table(path))) == 1
        else:
            with pytest.raises(DocumentError, match=r"17,179,869,184 cells"):
                open_table(path)
