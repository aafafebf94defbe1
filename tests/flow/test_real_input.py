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
        0,
    ),
    "organisations": (
        "organisations/rosstat_boo_2012_1000.xls",
        "egrul-feed",
        "organisations",
        "rosstat-boo",
        1000,
        0,
    ),
    "municipalities": (
        "territories/oktmo_36_samara_municipalities.cp1251.csv",
        "territory-registry",
        "municipalities",
        "oktmo",
        341,
        0,
    ),
    "service centres": (
        "facilities/mos_611_mfc.csv",
        "centres-registry",
        "service-centres",
        "mos-611",
        57,
        0,
    ),
    "land plots": (
        "facilities/mos_521_land_plots.csv",
        "land-registry",
        "land-plots",
        "mos-521",
        1000,
        16,
    ),
    "economic activities": (
        "codelists/okved2_20231201.cp1251.csv",
        "classifiers",
        "economic-activities",
        "okved2",
        2878,
        0,
    ),
}
"""Name → file, system, dataset, mapping; records; records that a rule sets aside."""


async def published(installation: Installation, name: str) -> Mapping[str, Any]:
    file, system, dataset, mapping, *_ = FILES[name]
    arguments = ["publish", str(SHARED / file), "--unchecked", "--as", system, "--dataset", dataset]
    code, out, talk = await asyncio.to_thread(
        bus, installation, *arguments, "--mapping", mapping, "--json"
    )
    assert code in {0, 1}, talk
    assert out, talk
    document: Mapping[str, Any] = json.loads(out)
    return document


async def test_real_tables_are_judged_row_by_row_and_repeat_the_second_time(
    installation: Installation,
) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here: real tables of others are not part of the product")
    async with path.supervised(installation):
        for name, (*_, count, set_aside) in FILES.items():
            first = await published(installation, name)
            assert first["report"]["rows"] == first["report"]["sent"] == count, (name, first)
            outcome = first["outcome"]
            assert outcome["accepted"] == count - set_aside, (name, outcome)
            assert sum(outcome["quarantined"].values()) == set_aside, (name, outcome)
            again = await published(installation, name)
            assert again["report"]["repeats"] == count, (name, again)
            assert again["report"]["sent"] == 0, (name, again)
        await path.settled(installation)
    code, out, talk = bus(installation, "verify", "--json")
    assert (code, json.loads(out)["holds"]) == (0, True), talk
