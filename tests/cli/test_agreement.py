from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bus.cli import agreement
from bus.cli.main import app
from bus.errors import DocumentError
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
    command = [*options, "--lang", language, "agreement", *arguments]
    found = CliRunner().invoke(app, command, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found


def lines(folder: Path) -> list[str]:
    """Give what was added to the document."""
    before = small_region()[AGREEMENT].decode()
    after = (folder / AGREEMENT).read_text(encoding="utf-8")
    assert after.startswith(before), "all else stands as it stood"
    return after.removeprefix(before).splitlines()


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


SUSPEND = ("suspend", "health-shelters", "--side", "provider", "--by", 'Head of "shelters"')
END = ("end", "health-shelters", "--side", "consumer", "--by", "Head of planning")


def state(folder: Path) -> str:
    (found,) = json.loads(bus(folder, "list", "--json").output)
    return str(found["state"])


def test_an_agreement_rests_goes_on_rests_again_and_ends_line_by_line(folder: Path) -> None:
    told = bus(folder, *SUSPEND, "--at", "2026-07-01T10:00:00")
    assert "bus catalogue apply" in told.output
    assert state(folder) == "suspended"
    bus(folder, "resume", "health-shelters", "--at", "2026-07-01T11:00:00Z")
    assert state(folder) == "in_force"
    bus(folder, *SUSPEND)
    assert json.loads(bus(folder, *END, "--json").output)["state"] == "ended"
    by = 'by: "Head of \\"shelters\\""'
    assert lines(folder) == [
        "suspended:",
        f"  - {{side: provider, {by}, from: 2026-07-01T10:00:00Z, to: 2026-07-01T11:00:00Z}}",
        f"  - {{side: provider, {by}, from: 2026-07-01T12:00:00Z}}",
        'ended: {side: consumer, by: "Head of planning", at: 2026-07-01T12:00:00Z}',
    ]


def test_a_further_suspension_stands_behind_the_first_though_an_end_follows(folder: Path) -> None:
    bus(folder, *SUSPEND, "--at", "2026-07-01T10:00:00")
    bus(folder, *END, "--at", "2027-01-01T00:00:00")
    bus(folder, "resume", "health-shelters", "--at", "2026-07-01T11:00:00")
    bus(folder, *SUSPEND)
    assert [line.split(" ")[0] or line.strip()[:3] for line in lines(folder)] == [
        "suspended:",
        "- {",
        "- {",
        "ended:",
    ]
    assert state(folder) == "suspended"


@pytest.mark.parametrize(
    ("given", "command", "said"),
    [
        ("", ("resume", "health-shelters"), "has no suspension without an end"),
        ("", ("resume", "no-such"), "there is no agreement no-such; there are health-shelters"),
        (
            "ended: {side: provider, by: П, at: 2026-08-01T00:00:00Z}",
            END,
            "has ended, or ends, at 2026-08-01T00:00:00Z",
        ),
        ("suspended: [{side: provider, by: П, from: 2026-06-30T00:00:00Z}]", SUSPEND, "rests then"),
        (
            "suspended: [{side: provider, by: П, from: 2026-06-30T00:00:00Z}]",
            ("resume", "health-shelters"),
            "not written on a line of its own",
        ),
        (
            "suspended:\n  - {side: provider, by: П, from: 2026-06-30T00:00:00Z}",
            ("resume", "health-shelters", "--at", "2026-06-01T00:00:00"),
            "nothing is written",
        ),
        ("", (*END, "--at", "2029-01-01T00:00:00"), "nothing is written"),
    ],
)
def test_a_decision_that_can_not_be_written_leaves_the_document_alone(
    folder: Path, given: str, command: tuple[str, ...], said: str
) -> None:
    if given:
        add(folder, given)
    before = (folder / AGREEMENT).read_bytes()
    with pytest.raises(DocumentError) as caught:
        bus(folder, *command)
    assert said in str(caught.value)
    assert (folder / AGREEMENT).read_bytes() == before
