"""A folder of files through `bus connector` to the fund, on real engines, and never twice."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bus.wiring import Installation
from tests.factories import ROOT
from tests.flow import path
from tests.flow.command_line import bus

PLOTS = ROOT.parent / "shared/data/facilities/mos_521_land_plots.csv"
MAPPING = ROOT / "schemas/avro/land/land-plot/mapping.mos-521.yaml"
DOCUMENT = """\
connector: plots-folder
source: folder
system: land-registry
dataset: land-plots
mapping: mapping.mos-521.yaml
config: {{folder: {folder}, settle_s: 0.1}}
"""


async def command(installation: Installation, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    code, out, talk = await asyncio.to_thread(bus, installation, *arguments, "--json")
    assert code == 0, talk
    return json.loads(out)


def connected(installation: Installation, folder: Path) -> None:
    """Put an archive and a file that is cut into a folder, and write the connector of it."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "plots.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(PLOTS, "Участки.csv")
    (folder / "cut.xlsx").write_bytes(b"PK\x03\x04" + b"\x14\0" * 40)
    documents = installation.home / "connectors"
    documents.mkdir(exist_ok=True)
    shutil.copy(MAPPING, documents)
    (documents / "plots-folder.yaml").write_text(DOCUMENT.format(folder=folder))


async def test_a_folder_comes_to_the_fund_once_and_what_can_t_be_read_to_quarantine(
    installation: Installation, tmp_path: Path
) -> None:
    if not PLOTS.exists():
        pytest.skip(f"{PLOTS} is not here: real tables of others are not part of the product")
    connected(installation, tmp_path / "exports")
    async with path.supervised(installation):
        first = await command(installation, "connector", "run", "plots-folder", "--once")
        assert (first["rows"], first["sent"], first["unreadable"]) == (1001, 1001, 1)
        os.utime(tmp_path / "exports" / "plots.zip")
        again = await command(installation, "connector", "run", "plots-folder", "--once")
        assert (again["rows"], again["sent"]) == (0, 0)
        await path.settled(installation)
        listed = await command(installation, "quarantine", "list", "--dataset", "land-plots")
    reasons = Counter[str]()
    for cause in listed:
        reasons[cause["reason"]] += cause["count"]
    assert reasons == {"rule_violated": 16, "row_unreadable": 1}, listed
    assert (await command(installation, "verify"))["holds"] is True
