"""What lies in files: formats, encodings, headers, and what can't be read of them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connectors.source import Bad, Item
from tests.connectors.folder_files import (
    bad_of,
    cells_of,
    folder,
    items_of,
    last_position,
    names_in,
    places_of,
    write_dbf,
)
from tests.tables.table_files import write_ods, write_xlsx

TEXT = "номер;название\n1;Школа № 5 имени Ёлкина\n2;Детский сад «Солнышко»\n"
ROWS = [
    {"номер": "1", "название": "Школа № 5 имени Ёлкина"},
    {"номер": "2", "название": "Детский сад «Солнышко»"},
]


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    path = tmp_path / "exports"
    path.mkdir()
    return path


async def read(exports: Path, **config: Any) -> list[Item]:  # noqa: ANN401 - as the configuration
    return await items_of(folder(exports, **config))


@pytest.mark.parametrize("encoding", ["cp1251", "cp866", "koi8-r", "utf-8-sig", "utf-8", "utf-16"])
async def test_no_encoding_need_be_told(exports: Path, encoding: str) -> None:
    text = TEXT.replace("«", '"').replace("»", '"') if encoding in {"cp866", "koi8-r"} else TEXT
    text = text.replace("№", "N") if encoding == "koi8-r" else text
    (exports / "a.csv").write_bytes(text.replace('"', "'").encode(encoding))
    cells = cells_of(await read(exports))
    assert [row["номер"] for row in cells] == ["1", "2"]
    assert str(cells[0]["название"]).endswith("имени Ёлкина")


async def test_one_folder_holds_every_format(exports: Path) -> None:
    table = [line.split(";") for line in TEXT.splitlines()]
    write_xlsx(exports / "a.xlsx", {"Лист": table})
    write_ods(exports / "b.ods", table)
    (exports / "c.tsv").write_bytes(TEXT.replace(";", "\t").encode("cp1251"))
    lines = [f'{{"номер": "{row["номер"]}", "название": "{row["название"]}"}}' for row in ROWS]
    (exports / "d.jsonl").write_text("\n".join(lines))
    (exports / "e.json").write_bytes(f"[{','.join(lines)}]".encode("cp1251"))
    xml = "".join(
        f"<р><номер>{r['номер']}</номер><название>{r['название']}</название></р>" for r in ROWS
    )
    head = '<?xml version="1.0" encoding="windows-1251"?>'
    (exports / "f.xml").write_bytes(f"{head}<реестр>{xml}</реестр>".encode("cp1251"))
    with zipfile.ZipFile(exports / "g.zip", "w") as archive:
        archive.writestr("внутри/h.csv", TEXT.encode("cp1251"))
    found = await read(exports, order="name")
    assert bad_of(found) == []
    assert cells_of(found) == ROWS * 7
    assert places_of(found)[::2] == [
        "a.xlsx[Лист]:2", "b.ods[Лист1]:2", "c.tsv:2", "d.jsonl:1", "e.json:1", "f.xml:1",
        "g.zip/внутри/h.csv:2",
    ]  # fmt: skip


@pytest.mark.parametrize(("code_page", "encoding"), [(0, "cp866"), (0, "cp1251"), (0x65, "cp866")])
async def test_a_dbf_is_read_in_its_code_page_or_in_the_one_its_texts_show(
    exports: Path, code_page: int, encoding: str
) -> None:
    fields = [("NUM", "N", 6), ("NAME", "C", 30), ("OPENED", "D", 8), ("PUBLIC", "L", 1)]
    names = ["Средняя общеобразовательная школа", "Детский сад общего вида"]
    rows = [
        [b"     1", names[0].encode(encoding)[:30], b"20010901", b"T"],
        [b"   2.5", names[1].encode(encoding)[:30], b"        ", b"?"],
        [b"     3", b"", b"20019901", b"F"],
    ]
    write_dbf(exports / "a.dbf", fields, rows, code_page=code_page)
    found = await read(exports)
    cells = cells_of(found)
    assert [(row["NUM"], row["NAME"], row["PUBLIC"]) for row in cells] == [
        (1, names[0][:30].strip(), True),
        (2.5, names[1], None),
    ]
    assert str(cells[0]["OPENED"]) == "2001-09-01"
    assert [(place, "invalid date" in why) for place, why in bad_of(found)] == [("a.dbf:3", True)]


async def test_a_dbf_without_its_memo_is_refused_and_read_once_both_are_there(
    exports: Path,
) -> None:
    fields = [("NUM", "N", 4), ("NOTE", "M", 10)]
    write_dbf(exports / "a.dbf", fields, [[b"   1", b"         1"]], version=0x83)
    found = await read(exports)
    assert [place for place, _ in bad_of(found)] == ["a.dbf"]
    memo = b"\0" * 512 + "Закрыта на ремонт".encode("cp866") + b"\x1a\x1a"
    (exports / "a.dbt").write_bytes(memo.ljust(1024, b"\0"))
    source = folder(exports, encoding="cp866", when_done="move")
    items = await items_of(source, last_position(found))
    assert cells_of(items) == [{"NUM": 1, "NOTE": "Закрыта на ремонт"}]
    await source.acked(last_position(items))
    assert names_in(exports / "done") == ["a.dbf", "a.dbt"]


async def test_a_dbf_that_is_cut_gives_its_whole_records_and_says_how_many_are_missing(
    exports: Path,
) -> None:
    path = write_dbf(exports / "a.dbf", [("NUM", "N", 4)], [[b"   1"], [b"   2"], [b"   3"]])
    path.write_bytes(path.read_bytes()[:-4])
    found = await read(exports)
    assert [row["NUM"] for row in cells_of(found)] == [1, 2]
    assert "of the 3" in bad_of(found)[0][1]


async def test_rows_of_xml_are_attributes_paths_and_lists(exports: Path) -> None:
    (exports / "a.xml").write_text(
        '<r xmlns="urn:x"><дата>2026</дата><ю ИНН="77" пусто=" "><адрес><г>Самара</г></адрес>'
        "<оквэд>01.1</оквэд><оквэд>01.2</оквэд></ю><ю ИНН='78'/><ю/></r>"
    )
    found = await read(exports, row_element="ю")
    assert cells_of(found) == [
        {"@ИНН": "77", "@пусто": None, "адрес/г": "Самара", "оквэд": ["01.1", "01.2"]},
        {"@ИНН": "78"},
    ]
    assert bad_of(found) == [("a.xml:3", "an element without any value")]
    assert "row_element" in bad_of(await read(exports, row_element="нет"))[0][1]


async def test_broken_and_hostile_xml_costs_no_row_before_it(exports: Path, tmp_path: Path) -> None:
    (exports / "a.xml").write_text("<r><x><n>1</n></x><x><n>2</n></x><x><n>3")
    secret = tmp_path / "secret.txt"
    secret.write_text("s3cr3t")
    (exports / "b.xml").write_text(
        f'<!DOCTYPE r [<!ENTITY e SYSTEM "{secret}">]><r><x><n>&e;</n></x></r>'
    )
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    (exports / "c.xml").write_text(
        f'<!DOCTYPE r [<!ENTITY l0 "ha">{laughs}]><r><x><n>&l11;</n></x></r>'
    )
    found = await read(exports, order="name")
    assert [row["n"] for row in cells_of(found)] == ["1", "2"]
    assert [place for place, _ in bad_of(found)] == ["a.xml:3", "b.xml", "c.xml"]
    assert "s3cr3t" not in repr(list(found))


PREAMBLE = (
    "Сведения о школах;;;;\nна 01.09.2025;;;;\n;;;;\n№;Школа;Мест;;Адрес\n;;план;факт;\n"
    "1;2;3;4;5\n1;Первая;100;90;Мира\nВсего;;100;90;\n2;Итоговая;7;7;Лесная\n"
    "Итого по району:;;107;97;\n"
)


async def test_preamble_header_of_two_rows_column_numbers_and_totals_are_found(
    exports: Path,
) -> None:
    (exports / "a.csv").write_bytes(PREAMBLE.encode("cp1251"))
    found = await read(exports)
    assert bad_of(found) == []
    assert cells_of(found) == [
        {"№": "1", "Школа": "Первая", "Мест / план": "100", "Мест / факт": "90", "Адрес": "Мира"},
        {"№": "2", "Школа": "Итоговая", "Мест / план": "7", "Мест / факт": "7", "Адрес": "Лесная"},
    ]  # fmt: skip
    assert places_of(found) == ["a.csv:7", "a.csv:9"]


async def test_what_is_stated_of_a_header_is_not_second_guessed(exports: Path) -> None:
    (exports / "a.csv").write_bytes(PREAMBLE.encode("cp1251"))
    stated = {"skip_rows": 6, "header_rows": 0, "totals": ()}
    assert [row["2"] for row in cells_of(await read(exports, **stated))] == [
        "Первая", None, "Итоговая", None,
    ]  # fmt: skip
    (exports / "a.csv").write_text("a;b;c\n1;2;3\n4;5;6\n")
    assert len(cells_of(await read(exports))) == 2, "three numbers may well be a row"
    assert len(cells_of(await read(exports, column_numbers=True))) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "empty"),
        ("blank.csv", b" \r\n\r\n", "empty"),
        ("zeros.csv", bytes(4096), "empty"),
        ("cut.xlsx", b"PK\x03\x04" + b"\x14\0" * 40, "damaged"),
        ("cut.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\1" * 600, "damaged"),
        ("cut.zip", b"PK\x03\x04" + b"\x14\0" * 40, "damaged"),
        ("no.dbf", b"\x03\x01\x01\x01" + b"\xff" * 100, "DBF"),
        ("twice.csv", "код;код\n1;2\n".encode(), "код"),
        ("broken.json", b'[{"a": 1}, {"a"', "no JSON"),
        ("doubled.json", b'[{"a": 1, "a": 2}]', "no JSON"),
        ("scan.csv", b"%PDF-1.7 ...", "PDF"),
    ],
)
async def test_a_file_that_can_t_be_read_is_told_once_and_the_others_go_on(
    exports: Path, name: str, content: bytes, said: str
) -> None:
    (exports / name).write_bytes(content)
    (exports / "zz.csv").write_text("a;b\n1;2\n")
    found = await read(exports, order="name")
    assert cells_of(found) == [{"a": "1", "b": "2"}]
    ((place, why),) = bad_of(found)
    assert place == name
    assert said in why
    assert str(exports) not in why


async def test_rows_that_can_t_be_read_are_told_as_they_stand(exports: Path) -> None:
    text = (
        "n;name\n1;Школа\n2;лишняя;ячейка\n3\n4;б".encode() + b"\xff\xfe" + "итая\n5;Сад\n".encode()
    )
    (exports / "a.csv").write_bytes(text)
    (exports / "b.jsonl").write_text('{"n": 1}\n{"n": 2\n{"n": 3}\n')
    found = await read(exports, order="name")
    bad = {item.place: item.raw for item in found if isinstance(item, Bad)}
    assert list(bad) == ["a.csv:3", "a.csv:4", "a.csv:5", "b.jsonl:2"]
    assert (bad["a.csv:3"], bad["a.csv:4"], bad["b.jsonl:2"]) == (
        "2;лишняя;ячейка", "3", '{"n": 2',
    )  # fmt: skip
    assert len(cells_of(found)) == 4


async def test_an_archive_gives_each_file_its_place_and_each_refusal_its_reason(
    exports: Path,
) -> None:
    with zipfile.ZipFile(exports / "a.zip", "w") as archive:
        for name, content in _MEMBERS.items():
            archive.writestr(name, content)
    broken = bytearray((exports / "a.zip").read_bytes())
    at = broken.index(b"a;b\n3;4\n")
    broken[at] ^= 1  # its checksum is wrong now
    (exports / "a.zip").write_bytes(bytes(broken))
    found = await read(exports)
    assert cells_of(found) == [{"a": "1", "b": "2"}]
    assert [place for place, _ in bad_of(found)] == [
        "a.zip/broken.csv", "a.zip/empty.csv", "a.zip/inner.zip",
    ]  # fmt: skip


_MEMBERS: Mapping[str, bytes] = {
    "good.csv": b"a;b\n1;2\n",
    "broken.csv": b"a;b\n3;4\n",
    "empty.csv": b"",
    "inner.zip": b"PK\x05\x06" + bytes(18),
    ".hidden.csv": b"a;b\n8;9\n",
}


async def test_a_name_in_an_archive_is_read_in_the_code_page_of_old_programs(
    exports: Path,
) -> None:
    with zipfile.ZipFile(exports / "a.zip", "w") as archive:
        archive.writestr("XXXXX.csv", "a;b\n1;2\n")
    content = (exports / "a.zip").read_bytes().replace(b"XXXXX", "Школы".encode("cp866"))
    (exports / "a.zip").write_bytes(content)
    assert places_of(await read(exports)) == ["a.zip/Школы.csv:2"]


async def test_an_archive_that_would_fill_the_disk_is_refused_unopened(exports: Path) -> None:
    with zipfile.ZipFile(exports / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", bytes(64 * 2**20))
    found = await read(exports)
    assert "not believable" in bad_of(found)[0][1]


async def test_an_archive_that_lies_about_a_size_is_cut_short(exports: Path) -> None:
    with zipfile.ZipFile(exports / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"a;b\n" + b"1;2\n" * 10_000)
    size = (40_004).to_bytes(4, "little")
    content = (exports / "a.zip").read_bytes().replace(size, (4).to_bytes(4, "little"))
    (exports / "a.zip").write_bytes(content)
    found = await read(exports)
    assert cells_of(found) == []
    assert len(bad_of(found)) == 1


async def test_a_name_in_another_code_page_is_read_and_said_as_people_do(exports: Path) -> None:
    raw = os.fsdecode("Школы Самары.xlsx".encode("cp1251"))
    try:
        write_xlsx(exports / raw, {"s": [["a", "b"], ["1", "2"]]})
    except OSError:
        pytest.skip("this file system takes no name but in UTF-8")
    found = await read(exports)
    assert places_of(found) == ["Школы Самары.xlsx[s]:2"]
    assert cells_of(found) == [{"a": "1", "b": "2"}]


async def test_what_is_no_file_does_not_count(exports: Path) -> None:
    os.mkfifo(exports / "pipe.csv")
    (exports / "folder.csv").mkdir()
    (exports / "nowhere.csv").symlink_to(exports / "gone")
    assert await read(exports) == []


async def test_every_sheet_is_read_unless_some_are_named(exports: Path) -> None:
    sheets = {"А": [["a", "b"], ["1", "2"]], "Б": [["a", "b"], ["3", "4"]]}
    write_xlsx(exports / "a.xlsx", sheets)
    assert places_of(await read(exports)) == ["a.xlsx[А]:2", "a.xlsx[Б]:2"]
    assert places_of(await read(exports, sheets=["Б"])) == ["a.xlsx[Б]:2"]
    assert "one of: А, Б" in bad_of(await read(exports, sheets=["В"]))[0][1]
