"""Text tables: what is detected, what is refused, and that nothing is lost in silence."""

from __future__ import annotations

import csv
import io
import json
import string
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.errors import DocumentError
from bus.tables.delimited import DELIMITERS, RECORD_LINES_MAX
from bus.tables.encoding import Encoding
from bus.tables.lines import LINE_CHARACTERS_MAX
from bus.tables.opening import open_table
from bus.tables.options import TableOptions
from bus.tables.problems import ProblemKind
from bus.tables.table import BadRow, Format, Row
from tests.tables.table_files import shared

HEADERLESS: Final = TableOptions(header=False)
# Signs that every encoding of the set has, dirt included: quotes, delimiters, line breaks.
SIGNS: Final = string.ascii_letters + string.digits + "абвАБВёЁяЯ" + " ;,|\t\"'-\n\r"


def table_file(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def kinds(bad: BadRow) -> list[ProblemKind]:
    return [problem.kind for problem in bad.problems]


@pytest.mark.parametrize(
    ("name", "encoding", "delimiter", "header", "columns", "rows"),
    [
        ("dirty_tables/fss_4162_data.csv", "windows-1251", ";", True, 6, 687),
        ("dirty_tables/fss_4165_data.csv", "windows-1251", ";", True, 8, 679),
        ("codelists/okved2_20231201.cp1251.csv", "windows-1251", ";", False, 3, 2899),
        ("facilities/mos_521_land_plots.csv", "utf-8", ";", True, 7, 1000),
        ("facilities/mos_541_kindergartens.csv", "utf-8", ";", True, 17, 405),
        ("facilities/mos_611_mfc.csv", "utf-8", ";", True, 11, 57),
        (
            "territories/oktmo_36_samara_municipalities.cp1251.csv",
            *("windows-1251", ";", False, 4, 379),
        ),
        ("territories/oktmo_36_samara_settlements.utf8.csv", "utf-8", ";", False, 3, 1648),
        ("territories/hflabs_region/region.csv", "utf-8", ",", True, 15, 86),
        ("territories/hflabs_city/city.csv", "utf-8", ",", True, 24, 1117),
        ("matching/uk_local_authority_name_variants.tsv", "utf-8", "\t", True, 2, 1275),
        ("matching/ru_dataset_titles_labelled_dev.csv", "utf-8", ",", True, 9, 459),
    ],
)
def test_real_files_are_read_whole_as_detected(
    name: str, encoding: str, delimiter: str, header: bool, columns: int, rows: int
) -> None:
    table = open_table(shared(name), TableOptions(header=header))
    assumed = table.assumptions
    found = list(table)
    assert (assumed.format, assumed.encoding, assumed.delimiter) == (
        Format.DELIMITED,
        encoding,
        delimiter,
    )
    assert assumed.encoding_confidence > 0.99
    assert assumed.header_row == (1 if header else None)
    assert len(table.columns) == columns
    assert len(found) == table.rows_total_hint == rows
    assert all(isinstance(row, Row) for row in found)
    assert [row.number for row in found] == list(range(1 + header, rows + 1 + header))


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize(
    "name",
    [
        "dirty_tables/fss_4162_data.csv",
        "codelists/okved2_20231201.cp1251.csv",
        "territories/oktmo_36_samara_municipalities.cp1251.csv",
    ],
)
def test_a_real_file_reads_alike_in_every_encoding(
    name: str, encoding: Encoding, tmp_path: Path
) -> None:
    original = shared(name)
    copy = tmp_path / "copy.csv"
    # Why: a few typographic signs of windows-1251 have no place in the older code pages.
    text = original.read_text("cp1251").translate({ord(sign): '"' for sign in "«»“”"})
    text = text.replace('"', "").replace("–", "-").replace("№", "N")
    copy.write_bytes(text.encode(encoding))
    table, whole = open_table(copy, HEADERLESS), open_table(original, HEADERLESS)
    assert table.assumptions.encoding is encoding
    assert table.assumptions.delimiter == ";"
    assert len(list(table)) == len(list(whole))


def test_padding_and_unbreakable_spaces_go_and_inner_text_stays(tmp_path: Path) -> None:
    padded = f"  ул  Ленина, \u00a0 д. 1{' ' * 300}"
    path = table_file(tmp_path, f"a;b\n\u00a0{padded}\u00a0;\t 7 \n")
    assert list(open_table(path)) == [
        Row(number=2, cells={"a": "ул  Ленина, \u00a0 д. 1", "b": "7"})
    ]


def test_cells_padded_with_hundreds_of_spaces_in_a_real_file_are_stripped() -> None:
    path = shared("facilities/mos_541_kindergartens.csv")
    assert "   ;" in path.read_text("utf-8-sig")
    texts = [
        str(cell) for row in open_table(path) if isinstance(row, Row) for cell in row.cells.values()
    ]
    assert texts
    assert all(text == text.strip() for text in texts)


def test_empty_cells_are_none_and_empty_rows_are_counted(tmp_path: Path) -> None:
    table = open_table(table_file(tmp_path, "\n\na;b\n1;\n;\n\n  ; \u00a0\n;2\n"))
    assert table.assumptions.header_row == 3
    assert list(table) == [
        Row(number=4, cells={"a": "1", "b": None}),
        Row(number=8, cells={"a": None, "b": "2"}),
    ]
    assert table.empty_rows == 3
    assert len(list(table)) == 2
    assert table.empty_rows == 3


def test_a_column_without_a_name_is_called_by_its_position(tmp_path: Path) -> None:
    table = open_table(table_file(tmp_path, "Год; Число\u00a0\u00a0 детей ;\n2015;7;\n"))
    assert table.columns == ("Год", "Число детей", "3")


def test_a_doubled_column_name_is_refused_with_both_places(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"columns 2 and 4 both named `ИНН`") as error:
        open_table(table_file(tmp_path, "a;ИНН;b; ИНН ;a\n1;2;3;4;5\n"))
    assert [str(finding.found) for finding in error.value.findings] == [
        "columns 2 and 4 both named `ИНН`",
        "columns 1 and 5 both named `a`",
    ]


def test_rows_of_another_width_are_bad_rows_and_their_neighbours_are_read(tmp_path: Path) -> None:
    table = open_table(table_file(tmp_path, "a;b;c\n1;2;3\n1;2;3;4\n1;2\n4;5;6;;\n7;8;9\n"))
    first, many, few, surplus, last = list(table)
    assert isinstance(first, Row)
    assert isinstance(many, BadRow)
    assert (many.number, kinds(many)) == (3, [ProblemKind.TOO_MANY_CELLS])
    assert isinstance(few, BadRow)
    assert (few.number, kinds(few)) == (4, [ProblemKind.TOO_FEW_CELLS])
    assert surplus == Row(number=5, cells={"a": "4", "b": "5", "c": "6"})
    assert last == Row(number=6, cells={"a": "7", "b": "8", "c": "9"})


def test_a_byte_that_the_encoding_does_not_know_costs_its_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{n};Самарская область".encode() for n in range(20)]
    rows[7] = rows[7][:-1]
    path.write_bytes(b"id;name\n" + b"\n".join(rows))
    found = list(open_table(path))
    assert [row.number for row in found if isinstance(row, BadRow)] == [9]
    bad = found[7]
    assert isinstance(bad, BadRow)
    assert kinds(bad) == [ProblemKind.UNREADABLE_SIGN]
    assert bad.problems[0].expected == "utf-8"


def test_a_stated_encoding_is_not_second_guessed(tmp_path: Path) -> None:
    path = table_file(tmp_path, "код;имя\n1;Самара\n", "cp1251")
    with pytest.raises(DocumentError, match="can't be read as utf-8"):
        open_table(path, TableOptions(encoding=Encoding.UTF_8))
    table = open_table(path, TableOptions(encoding=Encoding.KOI8_R, delimiter=";"))
    assert table.assumptions.encoding_confidence == 1.0
    assert table.assumptions.stated == {"encoding", "delimiter"}
    assert table.columns != ("код", "имя")


def test_nul_characters_are_a_bad_row(tmp_path: Path) -> None:
    first, second = list(open_table(table_file(tmp_path, "a;b\n1;x\0y\n2;z\n")))
    assert isinstance(first, BadRow)
    assert kinds(first) == [ProblemKind.NUL_BYTE]
    assert second == Row(number=3, cells={"a": "2", "b": "z"})


def test_quoted_cells_may_span_lines_and_rows_keep_their_line_numbers(tmp_path: Path) -> None:
    text = 'a;b\r\n1;"first\r\nsecond; ""third"""\r\n2;x\r\n'
    assert list(open_table(table_file(tmp_path, text))) == [
        Row(number=2, cells={"a": "1", "b": 'first\r\nsecond; "third"'}),
        Row(number=4, cells={"a": "2", "b": "x"}),
    ]


def test_a_quote_that_is_never_closed_costs_its_row_alone(tmp_path: Path) -> None:
    lines = ["a;b", '1;"open', *(f"{n};plain" for n in range(2, 5 * RECORD_LINES_MAX))]
    found = list(open_table(table_file(tmp_path, "\n".join(lines))))
    assert len(found) == len(lines) - 1
    bad = [row for row in found if isinstance(row, BadRow)]
    assert [(row.number, kinds(row)) for row in bad] == [(2, [ProblemKind.QUOTE_NOT_CLOSED])]
    assert found[-1] == Row(number=len(lines), cells={"a": str(len(lines) - 1), "b": "plain"})


def test_a_quote_left_open_near_the_end_costs_its_row_alone(tmp_path: Path) -> None:
    found = list(open_table(table_file(tmp_path, 'a;b\n1;"open\n2;x\n3;"y"\n4;z\n')))
    bad = [row for row in found if isinstance(row, BadRow)]
    assert [row.number for row in bad] == [2]
    assert found[1:] == [
        Row(number=3, cells={"a": "2", "b": "x"}),
        Row(number=4, cells={"a": "3", "b": "y"}),
        Row(number=5, cells={"a": "4", "b": "z"}),
    ]


def test_a_quoted_cell_that_goes_on_after_its_quote_is_not_read_in_silence(tmp_path: Path) -> None:
    path = table_file(tmp_path, 'a;b\n"Заря" СПК;1\nООО "Мир";2\n')
    first, second = list(open_table(path))
    assert isinstance(first, BadRow)
    assert kinds(first) == [ProblemKind.QUOTE_INSIDE]
    assert second == Row(number=3, cells={"a": 'ООО "Мир"', "b": "2"})
    unquoted = list(open_table(path, TableOptions(quote="")))
    assert unquoted[0] == Row(number=2, cells={"a": '"Заря" СПК', "b": "1"})


def test_a_cell_beyond_the_limit_is_a_bad_row(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    text = f"a;b\n1;{'x' * limit}\n2;{'x' * (limit + 1)}\n3;y\n"
    found = list(open_table(table_file(tmp_path, text)))
    assert [type(row) for row in found] == [Row, BadRow, Row]
    assert isinstance(found[1], BadRow)
    assert kinds(found[1]) == [ProblemKind.CELL_TOO_LARGE]


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = table_file(tmp_path, "a;b\n" + "x" * (LINE_CHARACTERS_MAX + 1))
    with pytest.raises(DocumentError, match=r"table.csv:2: found a line of more than 4,194,304"):
        open_table(path)


def test_rows_above_the_header_are_skipped_when_stated(tmp_path: Path) -> None:
    path = table_file(tmp_path, "Отчёт за 2016 год\n\nкод,имя\n1,Самара\n")
    table = open_table(path, TableOptions(skip_rows=2))
    assert (table.columns, table.assumptions.header_row) == (("код", "имя"), 3)
    assert list(table) == [Row(number=4, cells={"код": "1", "имя": "Самара"})]


def test_decimal_commas_and_commas_in_texts_do_not_pass_for_delimiters(tmp_path: Path) -> None:
    text = "Год;Число, ед.;Доля, %\n" + "".join(f"20{n};{n},5;1,{n}\n" for n in range(10, 20))
    assert open_table(table_file(tmp_path, text)).assumptions.delimiter == ";"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b" \r\n \n", "an empty file"),
        (b"\x1f\x8b\x08\x00", "a compressed file"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04nothing", "a damaged archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1nothing", "a damaged workbook"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "an HTML or XML document"),
        (b'\xef\xbb\xbf[{"a": 1}]', "one JSON document"),
    ],
)
def test_what_is_not_a_table_is_refused_with_the_next_step(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(DocumentError, match=words) as error:
        open_table(path)
    assert error.value.findings[0].remedy


def test_a_file_that_is_not_there_is_a_document_error(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="can't be opened"):
        open_table(tmp_path / "absent.csv")


def test_json_lines_keep_their_types_and_gather_all_names(tmp_path: Path) -> None:
    lines = [{"a": " x ", "b": 1}, {"b": 2.5, "c": True}, {"a": "", "b": None}]
    text = "\n".join(json.dumps(line) for line in lines) + "\n\n"
    table = open_table(table_file(tmp_path, text))
    assert table.assumptions.format is Format.JSON_LINES
    assert table.columns == ("a", "b", "c")
    assert list(table) == [
        Row(number=1, cells={"a": "x", "b": 1}),
        Row(number=2, cells={"b": 2.5, "c": True}),
    ]
    assert table.empty_rows == 2


def test_lists_and_objects_are_cells_as_they_stand(tmp_path: Path) -> None:
    line = {"a": {"b": [" x ", {}], "c": {"d": None}}, "e": []}
    (row,) = open_table(table_file(tmp_path, json.dumps(line)))
    assert isinstance(row, Row)
    assert row.cells == line


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('{"a": 1', ProblemKind.NOT_A_JSON_OBJECT),
        ("[1, 2]", ProblemKind.NOT_A_JSON_OBJECT),
        ("7", ProblemKind.NOT_A_JSON_OBJECT),
        ('{"a": NaN}', ProblemKind.NOT_A_JSON_OBJECT),
        ("[" * 100_000, ProblemKind.NOT_A_JSON_OBJECT),
        ('{"a": 1, "a": 2}', ProblemKind.DOUBLED_NAME),
        ('{"a": [{"b": 1, "b": 2}]}', ProblemKind.DOUBLED_NAME_INSIDE),
        ('{"a": [[NaN]]}', ProblemKind.NOT_A_JSON_OBJECT),
        ('{"a": ' + "[" * 600 + "]" * 600 + "}", ProblemKind.NOT_A_JSON_OBJECT),
        ('{"a": "x\\u0000"}', ProblemKind.NUL_BYTE),
        ('{"a": {"b": ["x\\u0000"]}}', ProblemKind.NUL_BYTE),
        ('{"a": {"x\\u0000": 1}}', ProblemKind.NUL_BYTE),
    ],
)
def test_a_line_that_is_no_sound_object_is_a_bad_row(
    line: str, kind: ProblemKind, tmp_path: Path
) -> None:
    found = list(open_table(table_file(tmp_path, f'{{"a": 0}}\n{line}\n{{"a": 2}}\n')))
    assert [type(row) for row in found] == [Row, BadRow, Row]
    assert isinstance(found[1], BadRow)
    assert kinds(found[1]) == [kind]


def test_real_json_in_windows_1251_is_told_to_be_a_document_not_lines() -> None:
    with pytest.raises(DocumentError, match="one JSON object a line"):
        open_table(shared("codelists/okopf.cp1251.json"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.text(SIGNS, max_size=12), min_size=width, max_size=width),
            min_size=1,
            max_size=8,
        )
    ),
    delimiter=st.sampled_from(DELIMITERS),
    encoding=st.sampled_from(list(Encoding)),
    quote=st.sampled_from(('"', "'")),
    ending=st.sampled_from(("\n", "\r\n")),
)
def test_any_table_written_as_csv_is_read_back_equal(
    rows: list[list[str]],
    delimiter: str,
    encoding: Encoding,
    quote: str,
    ending: str,
    tmp_path: Path,
) -> None:
    written = io.StringIO(newline="")
    header = [f"c{n}" for n in range(len(rows[0]))]
    writer = csv.writer(
        written,
        delimiter=delimiter,
        quotechar=quote,
        quoting=csv.QUOTE_ALL,
        lineterminator=ending,
    )
    writer.writerows([header, *rows])
    path = tmp_path / "any.csv"
    path.write_bytes(written.getvalue().encode(encoding))
    options = TableOptions.model_validate(
        {"delimiter": delimiter, "encoding": encoding, "quote": quote}
    )
    table = open_table(path, options)
    read = list(table)
    expected = [[cell.strip() or None for cell in row] for row in rows]
    assert table.columns == tuple(header)
    assert all(isinstance(row, Row) for row in read)
    assert [list(row.cells.values()) for row in read if isinstance(row, Row)] == [
        row for row in expected if any(row)
    ]
    assert table.empty_rows == sum(not any(row) for row in expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(min_size=1, max_size=300))
def test_any_bytes_make_rows_or_a_document_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.bin"
    path.write_bytes(content)
    try:
        found = list(open_table(path, HEADERLESS))
    except DocumentError:
        return
    numbers = [row.number for row in found]
    assert numbers == sorted(set(numbers))
