from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bus.cli import agreement
from bus.cli.main import app
from tests.catalogue.small_region import AGREEMENT, small_region

SUMMER = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path, content in small_region().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    monkeypatch.setattr(agreement, "now", lambda: SUMMER)
    return tmp_path


def bus(folder: Path, *arguments: str, language: str = "en") -> Result:
    options = ["--home", str(folder / "home"), "--region", str(folder / "region.yaml")]
    found = CliRunner().invoke(app, [*options, "--lang", language, "agreement", *arguments])
    assert found.exit_code == 0, found.output
    return found


def add(folder: Path, line: str) -> None:
    file = folder / AGREEMENT
    file.write_text(file.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


def test_list_tells_each_agreement_and_what_it_comes_to(folder: Path) -> None:
    told = bus(folder, "list").output
    assert "health-shelters" in told
    assert "3 fields of some rows" in told
    assert "in force" in told
    (found,) = json.loads(bus(folder, "list", "--json").output)
    assert (found["state"], found["ends_at"]) == ("in_force", "2028-01-01T00:00:00+00:00")
    assert found["rows"] == [{"field": "oktmo", "op": "prefix", "values": ["36701"]}]
    assert "действует" in bus(folder, "list", language="ru").output


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("ended: {side: provider, by: П, at: 2026-06-30T00:00:00Z}", "ended"),
        ("suspended: [{side: provider, by: П, from: 2026-06-30T00:00:00Z}]", "suspended"),
        ("ended: {side: provider, by: П, at: 2026-07-02T00:00:00Z}", "in force"),
    ],
)
def test_what_rests_or_has_ended_is_told(folder: Path, line: str, state: str) -> None:
    add(folder, line)
    assert f" {state} " in bus(folder, "list").output
    receives = json.loads(bus(folder, "matrix", "--json").output)
    assert receives == (
        {"health-small": {"shelters": ["health-shelters"]}} if state == "in force" else {}
    )


def test_the_matrix_has_a_row_for_each_agency_and_a_column_for_each_dataset(folder: Path) -> None:
    head, row = bus(folder, "matrix").output.splitlines()[-2:]
    assert head.split() == ["consumer", "shelters"]
    assert row.split() == ["health-small", *["3", "fields", "of", "some", "rows"]]


def test_others_agreements_are_left_out_on_request(folder: Path) -> None:
    assert json.loads(bus(folder, "list", "--consumer", "civil-small", "--json").output) == []
    assert json.loads(bus(folder, "list", "--dataset", "births", "--json").output) == []
    assert len(json.loads(bus(folder, "list", "--dataset", "shelters", "--json").output)) == 1
