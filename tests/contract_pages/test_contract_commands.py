"""`bus contract show`, `diff` and `docs` as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bus.cli.main import app
from bus.errors import DocumentError
from tests.catalogue.small_region import SCHEMA, small_region

DAY = """\
{"name": "closed_on", "type": ["null", {"type": "int", "logicalType": "date"}],
     "default": null}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = small_region()
    first = documents[SCHEMA].decode()
    more = '{"name": "beds", "type": ["null", "int"], "default": null}'
    documents[SCHEMA.replace("v1", "v2")] = first.replace(DAY, more).encode()
    for path, content in documents.items():
        of_home = path.startswith(("keys/", "decisions/"))
        file = tmp_path / "home" / path if of_home else tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path


def bus(folder: Path, *arguments: str) -> Result:
    options = ["--home", str(folder / "home"), "--region", str(folder / "region.yaml")]
    runner = CliRunner(env={"COLUMNS": "80"})
    return runner.invoke(app, [*options, "--lang", "en", "contract", *arguments])


def test_show_tells_a_contract_to_people_and_to_programs(folder: Path) -> None:
    told = bus(folder, "show", "shelters")
    assert told.exit_code == 0
    for words in ("Civil protection", "opened-before-closed", "health-small", "closed_on"):
        assert words in told.output
    content = json.loads(bus(folder, "show", "shelters", "--json").output)
    assert content["dataset"] == "shelters"
    assert [field["path"] for field in content["fields"]][-1] == "closed_on"
    assert content["process"]["state"] == "approved"


def test_show_compiled_prints_the_python_that_judges(folder: Path) -> None:
    (folder / SCHEMA.replace("v1", "v2")).unlink()
    told = bus(folder, "show", "shelters", "--compiled")
    assert told.output.startswith("def examine(value, append_time_ms):")
    assert "# opened-before-closed" in told.output


def test_diff_compares_the_last_two_versions_and_names_what_does_not_fit(folder: Path) -> None:
    told = bus(folder, "diff", "shelters", "--json")
    content = json.loads(told.output)
    assert content["compatible"] == "FULL"
    assert content["difference"]["added"] == {"beds": "int or null"}
    assert content["difference"]["removed"] == {"closed_on": "date on int or null"}
    assert content["difference"]["rules_removed"] == ["opened-before-closed"]
    assert told.exit_code == 0
    v2 = folder / SCHEMA.replace("v1", "v2")
    v2.write_text(v2.read_text().replace('["null", "int"], "default": null', '"int"'))
    told = bus(folder, "diff", "shelters", "2", "1")
    assert told.exit_code == 1
    assert "the newer can't read the older" in told.output


@pytest.mark.parametrize("numbers", [("1", "3"), ("2", "2")])
def test_diff_of_versions_that_are_not_there_is_a_wrong_usage(
    folder: Path, numbers: tuple[str, str]
) -> None:
    told = bus(folder, "diff", "shelters", *numbers)
    assert told.exit_code == 2
    assert "has schema versions 1, 2" in told.output


def test_misspelt_dataset_is_answered_with_the_near_one(folder: Path) -> None:
    told = bus(folder, "show", "shelter")
    assert isinstance(told.exception, DocumentError)
    assert "did you mean 'shelters'?" in str(told.exception)


def test_docs_writes_a_page_for_each_contract_and_language(folder: Path) -> None:
    out = folder / "site"
    told = bus(folder, "docs", "--out", str(out), "--json")
    written = [str(Path(page).relative_to(out)) for page in json.loads(told.output)["pages"]]
    assert written == [
        "index.html", "en/index.html", "en/shelters.html", "ru/index.html", "ru/shelters.html",
    ]  # fmt: skip
    for page in written:
        assert (out / page).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
