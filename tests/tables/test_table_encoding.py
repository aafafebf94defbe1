"""Encodings told on real texts of agencies, re-encoded into each code page."""

from __future__ import annotations

import codecs
import gzip
from functools import cache
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.tables.encoding import SINGLE_BYTE, Encoding, detect, survey
from tests.tables.table_files import shared

TEXTS: Final = {
    "dirty_tables/fss_4162_data.csv": "cp1251",
    "dirty_tables/fss_4165_data.csv": "cp1251",
    "codelists/okved2_20231201.cp1251.csv": "cp1251",
    "codelists/okopf.cp1251.json": "cp1251",
    "facilities/mos_521_land_plots.csv": "utf-8-sig",
    "facilities/mos_541_kindergartens.csv": "utf-8-sig",
    "facilities/mos_611_mfc.csv": "utf-8-sig",
    "territories/oktmo_36_samara_municipalities.cp1251.csv": "cp1251",
    "territories/oktmo_36_samara_settlements.utf8.csv": "utf-8",
    "territories/hflabs_region/region.csv": "utf-8",
    "territories/hflabs_city/city.csv": "utf-8",
    "dataset_passports/datagovru_federal_sample.csv.gz": "utf-8",
    "matching/ru_dataset_titles_labelled_dev.csv": "utf-8",
}
ROWS_IN_EXTRACT: Final = 20
CAPITAL_ROWS_WRONG_SHARE_MAX: Final = 0.01


@pytest.fixture(params=sorted(TEXTS))
def text(request: pytest.FixtureRequest) -> str:
    return real_text(request.param)


@cache
def real_text(name: str) -> str:
    content = shared(name).read_bytes()
    return (gzip.decompress(content) if name.endswith(".gz") else content).decode(TEXTS[name])


@cache
def russian_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if sum("а" <= c <= "я" for c in line.lower()) > 2]


@pytest.mark.parametrize("encoding", list(Encoding))
def test_every_real_file_is_told_in_every_encoding(text: str, encoding: Encoding) -> None:
    content = text.encode(encoding, "ignore")
    assert detect(content).encoding is encoding


@pytest.mark.parametrize("encoding", SINGLE_BYTE)
def test_extracts_and_single_rows_are_told(text: str, encoding: Encoding) -> None:
    lines = russian_lines(text)
    step = max(len(lines) // 40, 1)
    for start in range(0, len(lines), step):
        extract = "\n".join(lines[start : start + ROWS_IN_EXTRACT])
        assert detect(extract.encode(encoding, "ignore")).encoding is encoding, extract
        assert detect(lines[start].encode(encoding, "ignore")).encoding is encoding, lines[start]


@pytest.mark.parametrize("encoding", SINGLE_BYTE)
def test_texts_in_capitals_are_told(text: str, encoding: Encoding) -> None:
    # Why: a capital of windows-1251 is a small letter of KOI8-R, so case alone would mislead.
    assert detect(text.upper().encode(encoding, "ignore")).encoding is encoding


def test_single_rows_in_capitals_are_told_but_for_one_in_a_hundred() -> None:
    right = wrong = 0
    for name in TEXTS:
        if name.endswith(".gz"):
            continue
        lines = russian_lines(real_text(name))
        for line in lines[:: max(len(lines) // 40, 1)]:
            for encoding in SINGLE_BYTE:
                told = detect(line.upper().encode(encoding, "ignore")).encoding is encoding
                right, wrong = right + told, wrong + (not told)
    assert right > 1000
    assert wrong / (right + wrong) <= CAPITAL_ROWS_WRONG_SHARE_MAX


def test_one_broken_byte_does_not_turn_utf_8_into_a_code_page() -> None:
    content = "Муниципальный район Алексеевский\n".encode() * 3 + b"\xff\n"
    guess = detect(content)
    assert guess.encoding is Encoding.UTF_8
    assert 0.9 < guess.confidence < 1.0


def test_a_letter_in_the_last_line_alone_decides() -> None:
    plain = [b"a;b;c\n" * 100_000] * 2
    found = survey([*plain, "Самара и Тольятти".encode("cp1251")])
    assert found.guess.encoding is Encoding.WINDOWS_1251
    assert found.lines == 200_001


def test_ascii_alone_is_utf_8_and_sure() -> None:
    guess = detect(b"id;name\n1;x\n")
    assert (guess.encoding, guess.confidence) == (Encoding.UTF_8, 1.0)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, Encoding.UTF_8),
        (codecs.BOM_UTF16_LE, Encoding.UTF_16_LE),
        (codecs.BOM_UTF16_BE, Encoding.UTF_16_BE),
    ],
)
def test_a_byte_order_mark_is_believed(mark: bytes, encoding: Encoding) -> None:
    guess = detect(mark + "ИНН".encode(encoding))
    assert (guess.encoding, guess.confidence) == (encoding, 1.0)


def test_little_evidence_is_told_as_little_confidence() -> None:
    assert detect("Щ".encode("koi8-r")).confidence < 0.9
    assert detect("Муниципальное образование".encode("koi8-r")).confidence > 0.99


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("cp1251", Encoding.WINDOWS_1251),
        ("CP866", Encoding.IBM866),
        ("utf8", Encoding.UTF_8),
        ("utf-8-sig", Encoding.UTF_8),
        ("utf-16", Encoding.UTF_16_LE),
        ("koi8_r", Encoding.KOI8_R),
    ],
)
def test_usual_names_of_encodings_are_understood(name: str, encoding: Encoding) -> None:
    assert Encoding(name) is encoding


def test_an_encoding_that_is_not_told_apart_is_refused() -> None:
    with pytest.raises(ValueError, match="mac-cyrillic"):
        Encoding("mac-cyrillic")
    with pytest.raises(ValueError, match="no-such"):
        Encoding("no-such")


@given(st.binary(max_size=400), st.integers(1, 200))
def test_any_bytes_in_any_chunks_have_a_guess_and_a_count_of_lines(
    content: bytes, half: int
) -> None:
    size = 2 * half
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    whole, cut = survey([content]), survey(chunks)
    assert 0.0 <= whole.guess.confidence <= 1.0
    assert cut.lines == whole.lines
