"""Tables that others made, read from a folder without being told how: the figures of the page."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.connectors import real_input
from tests.connectors.real_input import SHARED, TABLES, RealTable, ingest
from tests.factories import ROOT

PAGE = ROOT / "docs" / "explanation" / "real-input.md"

KNOWN: dict[str, tuple[int, int, int, dict[str, int], dict[str, int], int]] = {
    "fss_4162_data.csv": (687, 0, 8, {"plausible-thousands": 679}, {}, 0),
    "fss_4165_data.csv": (679, 0, 679, {}, {}, 0),
    "infogorod_table1.xls": (24, 6, 18, {}, {}, 9),
    "infogorod_table7.xls": (28, 0, 28, {}, {}, 0),
    "okopf.cp1251.json": (127, 0, 127, {}, {}, 0),
    "okved2_20231201.cp1251.csv": (2899, 21, 2878, {}, {}, 0),
    "mos_541_kindergartens.csv": (405, 0, 405, {}, {"website-form": 9}, 0),
    "mos_521_land_plots.csv": (
        1000, 0, 984, {"area-positive": 8, "cadastral-number-form": 8}, {}, 0,
    ),
    "mos_611_mfc.csv": (57, 0, 57, {}, {"territory-code-form": 1}, 0),
    "rosstat_boo_2012_1000.xls": (1000, 0, 1000, {}, {"okopf-valid": 5}, 0),
}  # fmt: skip
"""File → rows, passed over, accepted, in quarantine by reason, observed by rule, repeats."""


@pytest.mark.parametrize("table", TABLES, ids=[Path(one.file).name for one in TABLES])
async def test_a_table_of_others_becomes_what_the_page_says(table: RealTable) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here: real tables of others are not part of the product")
    found = await ingest(table)
    rows, passed_over, accepted, quarantined, observed, repeats = KNOWN[Path(table.file).name]
    assert (found.rows, found.passed_over, found.accepted) == (rows, passed_over, accepted)
    assert (found.quarantined, found.observed) == (Counter(quarantined), Counter(observed))
    assert found.repeats == repeats
    assert found.told() in PAGE.read_text(encoding="utf-8")


async def test_a_contract_and_a_mapping_are_there_for_every_table() -> None:
    for table in TABLES:
        assert (table.contract / table.mapping).is_file()
        assert real_input.contract_of(table).key_field
