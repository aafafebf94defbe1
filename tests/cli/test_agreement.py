from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bus.cli import agreement, context
from bus.cli.main import app
from bus.errors import DocumentError
from tests.catalogue.deciding import both_approve
from tests.catalogue.small_region import AGREEMENT, CONTRACT, drafted_region, planted
from tests.cli.homes import enrolled_home

SUMMER = datetime(2026, 7, 1, 12, tzinfo=UTC)
ID = "health-shelters"
PROVIDER = ("--as", "shelter-list", "--by", 'Head of "shelters"')
CONSUMER = ("--as", "health-maps", "--by", "Head of planning")


def write(folder: Path, documents: dict[str, bytes]) -> None:
    for path, content in documents.items():
        root = folder / "home" if path.startswith(("keys/", "decisions/")) else folder
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


@pytest.fixture
def drafted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small region with its agreement as a draft, and both systems' keys."""
    write(tmp_path, drafted_region())
    enrolled_home(tmp_path / "home", "shelter-list", "health-maps")
    for module in (agreement, context):
        monkeypatch.setattr(module, "now", lambda: SUMMER)
    return tmp_path


@pytest.fixture
def folder(drafted: Path) -> Path:
    """The same, the agreement approved by both."""
    write(drafted, both_approve(drafted_region()))
    return drafted


def bus(folder: Path, *arguments: str, language: str = "en") -> Result:
    options = ["--home", str(folder / "home"), "--region", str(folder / "region.yaml")]
    command = [*options, "--lang", language, "agreement", *arguments]
    found = CliRunner().invoke(app, command, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found


def state(folder: Path) -> str:
    (found,) = json.loads(bus(folder, "list", "--json").output)
    return str(found["state"])


def test_list_tells_each_agreement_and_what_it_comes_to(folder: Path) -> None:
    told = bus(folder, "list").output
    assert ID in told
    assert "3 fields of some rows" in told
    assert "in force" in told
    (found,) = json.loads(bus(folder, "list", "--json").output)
    assert (found["state"], found["ends_at"]) == ("in_force", "2028-01-01T00:00:00+00:00")
    assert found["rows"] == [{"field": "oktmo", "op": "prefix", "values": ["36701"]}]
    assert found["approvals"]["provider"]["standing"] == "given"
    assert "действует" in bus(folder, "list", language="ru").output


def test_the_matrix_has_a_row_for_each_agency_and_a_column_for_each_dataset(folder: Path) -> None:
    head, row = bus(folder, "matrix").output.splitlines()[-2:]
    assert head.split() == ["consumer", "shelters"]
    assert row.split() == ["health-small", *["3", "fields", "of", "some", "rows"]]


def test_the_matrix_holds_nothing_that_is_not_approved(drafted: Path) -> None:
    assert json.loads(bus(drafted, "matrix", "--json").output) == {}
    assert "draft" in bus(drafted, "list").output
    assert "проект" in bus(drafted, "list", language="ru").output


def test_others_agreements_are_left_out_on_request(folder: Path) -> None:
    assert json.loads(bus(folder, "list", "--consumer", "civil-small", "--json").output) == []
    assert json.loads(bus(folder, "list", "--dataset", "births", "--json").output) == []
    assert len(json.loads(bus(folder, "list", "--dataset", "shelters", "--json").output)) == 1


NEW = (
    *("draft", "health-all", "--system", "health-maps", "--dataset", "shelters"),
    *("--purpose-ru", "Учёт: мест", "--purpose-en", "Count of places"),
    *("--legal-basis", "Order 1", "--valid-from", "2026-03-01", "--valid-to", "2026-12-31"),
)


def test_an_agreement_is_drafted_approved_changed_and_approved_again(drafted: Path) -> None:
    told = bus(drafted, *NEW, "--field", "number", "--row", "oktmo territory 36701000,36740000")
    assert "state: draft" in told.output
    written = (drafted / "agreements/health-all.yaml").read_text(encoding="utf-8")
    assert written.splitlines() == [
        "agreement: health-all",
        "consumer: health-small",
        "systems: [health-maps]",
        "dataset: shelters",
        "fields: [number]",
        "rows:",
        '  - {field: oktmo, op: territory, values: ["36701000", "36740000"]}',
        'purpose: {ru: "Учёт: мест", en: "Count of places"}',
        'legal_basis: "Order 1"',
        "valid_from: 2026-03-01",
        "valid_to: 2026-12-31",
    ]

    def now() -> str:
        found = json.loads(bus(drafted, "list", "--json").output)
        return str(next(one["state"] for one in found if one["agreement"] == "health-all"))

    bus(drafted, "approve", "health-all", *CONSUMER)
    assert now() == "draft"
    last = bus(drafted, "approve", "health-all", *PROVIDER, "--json")
    assert json.loads(last.output)["state"] == "in_force"
    bus(drafted, "change", "health-all", "--valid-to", "2030-12-31")
    assert now() == "to_approve"
    bus(drafted, "approve", "health-all", *PROVIDER)
    bus(drafted, "refuse", "health-all", *CONSUMER, "--why", "Too long")
    assert now() == "refused"
    shown = bus(drafted, "show", "health-all").output
    assert "refused: Too long" in shown
    assert "signature holds, for other terms" in shown
    bus(drafted, "change", "health-all", "--valid-to", "2029-12-31")
    bus(drafted, "approve", "health-all", *PROVIDER)
    bus(drafted, "approve", "health-all", *CONSUMER)
    assert now() == "in_force"


def test_a_change_keeps_remarks_and_all_that_was_not_named(folder: Path) -> None:
    file = folder / AGREEMENT
    file.write_text("# For shelters.\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    bus(folder, "change", ID, "--field", "number", "--field", "oktmo")
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# For shelters.\nagreement: health-shelters\n")
    assert "fields: [number, oktmo]\n" in text
    assert "legal_basis: " in text
    assert '{field: oktmo, op: prefix, values: ["36701"]}' in text
    assert "providers: [civil-small]" in text
    assert state(folder) == "to_approve"


def test_show_says_in_words_what_is_granted_and_each_step(folder: Path) -> None:
    told = bus(folder, "show", ID).output
    for words in (
        "Planning",
        "rows where oktmo = 36701…",
        "number, address, oktmo",
        "civil-small: approved on 2026-01-10",
        "health-small: approved on 2026-01-10",
        "decisions/health-shelters.consumer.yaml",
        "signature holds",
        "shelter-list.9",
    ):
        assert words in told, words
    spoken = bus(folder, "show", ID, language="ru").output
    assert "согласовано 10.01.2026" in spoken
    assert "подпись верна" in spoken
    found = json.loads(bus(folder, "show", ID, "--json").output)
    assert [(one["side"], one["decision"], one["proof"]) for one in found["steps"]] == [
        ("provider", "approve", "holds"),
        ("consumer", "approve", "holds"),
    ]
    assert found["steps"][0]["terms_sha256"] == found["terms_sha256"]
    assert set(found["documents"]) == {
        AGREEMENT,
        "decisions/health-shelters.consumer.yaml",
        "decisions/health-shelters.provider.yaml",
    }


def test_show_names_the_field_that_the_contract_changed(folder: Path) -> None:
    write(folder, planted(drafted_region(), CONTRACT, "businessName: Адрес", "businessName: Место"))
    assert "the contract has changed since: address" in bus(folder, "show", ID).output
    assert state(folder) == "to_approve"


def test_an_agreement_rests_goes_on_rests_again_and_ends(folder: Path) -> None:
    before = (folder / AGREEMENT).read_bytes()
    told = bus(folder, "suspend", ID, *PROVIDER, "--at", "2026-07-01T10:00:00")
    assert "bus catalogue apply" in told.output
    assert state(folder) == "suspended"
    bus(folder, "resume", ID, *PROVIDER, "--at", "2026-07-01T11:00:00Z")
    assert state(folder) == "in_force"
    bus(folder, "suspend", ID, *PROVIDER)
    bus(folder, "suspend", ID, *CONSUMER)
    bus(folder, "resume", ID, *PROVIDER, "--at", "2026-07-01T12:00:01")
    assert state(folder) == "suspended", "by the other side"
    assert json.loads(bus(folder, "end", ID, *CONSUMER, "--json").output)["state"] == "ended"
    assert (folder / AGREEMENT).read_bytes() == before, "the terms are what they were"
    shown = json.loads(bus(folder, "show", ID, "--json").output)
    assert [one["decision"] for one in shown["steps"] if one["side"] == "provider"] == [
        *("approve", "suspend", "resume", "suspend", "resume"),
    ]
    assert {one["proof"] for one in shown["steps"]} == {"holds"}


def test_an_end_to_come_leaves_room_for_rests_before_it(folder: Path) -> None:
    bus(folder, "end", ID, *PROVIDER, "--at", "2026-12-01T00:00:00")
    assert state(folder) == "in_force"
    bus(folder, "suspend", ID, *PROVIDER)
    assert state(folder) == "suspended"
    assert "2026-12-01T00:00:00Z" in bus(folder, "show", ID).output


@pytest.mark.parametrize(
    ("before", "command", "said"),
    [
        ((), ("resume", ID, *PROVIDER), "a side resumes what it suspended itself"),
        ((), ("approve", "no-such", *PROVIDER), "there is no agreement no-such; there are health-"),
        ((), ("approve", ID, *PROVIDER), "has approved it as it stands"),
        ((), ("approve", ID, "--as", "bus", "--by", "Head"), "speaks for no side of agreement"),
        ((("suspend", ID, *PROVIDER),), ("suspend", ID, *PROVIDER), "rests then already"),
        (
            (("suspend", ID, *PROVIDER),),
            ("resume", ID, *CONSUMER),
            "does not rest by decision of its consumer",
        ),
        (
            (("suspend", ID, *PROVIDER),),
            ("resume", ID, *PROVIDER, "--at", "2026-06-01T00:00:00"),
            "rests from 2026-07-01T12:00:00Z",
        ),
        ((("end", ID, *PROVIDER),), ("end", ID, *CONSUMER), "has ended, or ends, at 2026-07-01"),
        ((("end", ID, *PROVIDER),), ("approve", ID, *CONSUMER), "draft another agreement"),
        ((("end", ID, *PROVIDER),), ("change", ID, "--valid-to", "2031-01-01"), "has ended"),
        ((), ("end", ID, *CONSUMER, "--at", "2029-01-01T00:00:00"), "ends by itself then"),
        (
            (("refuse", ID, *CONSUMER, "--why", "No"),),
            ("refuse", ID, *CONSUMER, "--why", "No"),
            "has refused it as it stands",
        ),
        ((), ("change", ID, "--field", "adress"), "Did you mean `address`"),
        ((), ("change", ID, "--valid-to", "2025-01-01"), "nothing is written"),
        ((), (*NEW[:1], ID, *NEW[2:]), "is there already"),
        ((), (*NEW[:1], "../etc", *NEW[2:]), "can't name an agreement"),
        ((), (*NEW[:3], "no-such", *NEW[4:]), "no-such"),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    folder: Path, before: tuple[tuple[str, ...], ...], command: tuple[str, ...], said: str
) -> None:
    for one in before:
        bus(folder, *one)
    files = {file: file.read_bytes() for file in folder.rglob("*.yaml")}
    with pytest.raises(DocumentError) as caught:
        bus(folder, *command)
    assert said in str(caught.value)
    assert {file: file.read_bytes() for file in folder.rglob("*.yaml")} == files


def test_a_row_is_written_in_three_parts(drafted: Path) -> None:
    options = ["--home", str(drafted / "home"), "--region", str(drafted / "region.yaml")]
    found = CliRunner().invoke(app, [*options, "agreement", *NEW, "--row", "oktmo prefix"])
    assert found.exit_code == 2
    assert "no demand on a row" in found.output


def test_a_revoked_key_signs_nothing(folder: Path) -> None:
    key = folder / "home/keys/health-maps.1.yaml"
    revoked = SUMMER - timedelta(days=1)
    key.write_text(key.read_text(encoding="utf-8") + f"revoked_at: {revoked.isoformat()}\n")
    with pytest.raises(DocumentError) as caught:
        bus(folder, "suspend", ID, *CONSUMER)
    assert "key health-maps.1 may not sign any more" in str(caught.value)


def test_a_rehearsal_approves_for_everybody_once(drafted: Path) -> None:
    told = bus(drafted, "approve-all", "--json").output
    assert json.loads(told) == {"written": [f"{ID}.consumer.yaml", f"{ID}.provider.yaml"]}
    assert state(drafted) == "in_force"
    assert json.loads(bus(drafted, "approve-all", "--json").output) == {"written": []}


def test_the_linter_advises_what_lacks_an_approval_and_fails_for_none(drafted: Path) -> None:
    options = ["--home", str(drafted / "home"), "--region", str(drafted / "region.yaml")]
    linted = [*options, "--lang", "en", "contract", "lint"]
    found = CliRunner().invoke(app, linted, catch_exceptions=False)
    assert found.exit_code == 0
    assert f"bus agreement approve {ID}" in found.output
    told = json.loads(CliRunner().invoke(app, [*linted, "--json"]).output)
    assert (len(told["findings"]), len(told["unapproved"])) == (0, 2)
