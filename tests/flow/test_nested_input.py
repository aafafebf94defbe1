"""Records with lists and objects, from a file through the command line to the in-topic."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from bus.client.delivered import as_text
from bus.model.identifiers import DatasetCode
from bus.wiring import Installation
from tests.catalogue.sample_records import VALID
from tests.flow.command_line import bus

BIRTHS = DatasetCode("births")


async def test_nested_rows_are_sent_and_their_misfits_told_without_personal_data(
    installation: Installation, tmp_path: Path
) -> None:
    born = VALID[BIRTHS]
    bad = {**born, "act_number": "63-B-2026-000124", "child": {"name": "Образцова", "sex": "?"}}
    file = tmp_path / "births.jsonl"
    file.write_text(
        "\n".join(json.dumps(one, default=as_text, ensure_ascii=False) for one in (born, bad))
    )
    arguments = ["publish", str(file), "--as", "acts-registry", "--dataset", BIRTHS]
    code, out, talk = await asyncio.to_thread(
        bus, installation, *arguments, "--wait-s", "0", "--json"
    )
    assert (code, bool(out)) == (1, True), talk
    report = json.loads(out)["report"]
    assert (report["rows"], report["sent"]) == (2, 1)
    (row,) = report["unsendable"]
    assert [problem["field"] for problem in row["problems"]] == [
        "child.name",
        "child.sex",
        "child.place",
    ]
    assert "Образцова" not in out + talk
