"""Tables that others made, through the command line to the fund and back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from bus.wiring import Installation
from tests.factories import ROOT
from tests.flow import path
from tests.flow.command_line import bus

SHARED = ROOT.parent / "shared/data"
FILES = {
    "kindergartens": (
        "facilities/mos_541_kindergartens.csv",
        "edu-registry",
        "educational-institutions",
        "mos-541",
        405,
    ),
    "organisations": (
        "organisations/rosstat_boo_2012_1000.xls",
        "egrul-feed",
        "organisations",
        "rosstat-boo",
        1000,
    ),
    "municipalities": (
        "territories/oktmo_36_samara_municipalities.cp1251.csv",
        "territory-registry",
        "municipalities",
        "oktmo",
        341,
    ),
}


async def published(installation: Installation, name: str) -> Mapping[str, Any]:
    file, system, dataset, mapping, _ = FILES[name]
    arguments = ["publish", str(SHARED / file), "--as", system, "--dataset", dataset]
    code, out, talk = await asyncio.to_thread(
        bus, installation, *arguments, "--mapping", mapping, "--json"
    )
    assert code in {0, 1}, talk
    document: Mapping[str, Any] = json.loads(out)
    return document


@pytest.mark.parametrize("name", list(FILES))
async def test_a_real_table_is_judged_row_by_row_and_repeats_the_second_time(
    installation: Installation, name: str
) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here: real tables of others are not part of the product")
    count = FILES[name][-1]
    async with path.supervised(installation):
        first = await published(installation, name)
        assert first["report"]["rows"] == first["report"]["sent"] == count
        outcome = first["outcome"]
        assert outcome["accepted"] + sum(outcome["quarantined"].values()) == count
        again = await published(installation, name)
        assert again["report"]["repeats"] == count
        assert again["report"]["sent"] == 0
        await path.settled(installation)
    code, out, talk = bus(installation, "verify", "--json")
    assert (code, json.loads(out)["holds"]) == (0, True), talk
