"""Our contracts against the standard itself: its JSON Schema and its own Python model."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from bus.contracts.odcs import SLA_UNITS, ContractDocument
from bus.contracts.yaml_document import read_yaml

CONTRACTS = sorted(Path("schemas/avro").glob("*/*/contract.yaml"))


@pytest.fixture(scope="module")
def standard() -> jsonschema.Draft201909Validator:
    package = importlib.resources.files("open_data_contract_standard")
    schema = json.loads((package / "schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft201909Validator.check_schema(schema)
    return jsonschema.Draft201909Validator(schema)


def test_there_are_contracts_to_check() -> None:
    assert len(CONTRACTS) >= 3


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.parent.name)
def test_contract_meets_the_json_schema_of_the_standard(
    path: Path, standard: jsonschema.Draft201909Validator
) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    errors = [f"{error.json_path}: {error.message}" for error in standard.iter_errors(content)]
    assert errors == []


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.parent.name)
def test_the_standards_own_model_reads_what_ours_reads(path: Path) -> None:
    theirs = OpenDataContractStandard.from_file(str(path))
    document = read_yaml(str(path), path.read_bytes())
    ours = ContractDocument.model_validate(document.value)
    assert theirs.schema_ is not None
    (record,) = theirs.schema_
    assert record.properties is not None
    assert [field.name for field in record.properties] == [
        field.name for field in ours.record[0].properties
    ]
    rules = [rule.id for field in record.properties for rule in field.quality or ()]
    assert rules == [rule.id for field in ours.record[0].properties for rule in field.quality]
    assert (theirs.id, theirs.version, theirs.status) == (ours.id, ours.version, ours.status)


def test_each_promised_figure_has_a_unit() -> None:
    assert len(SLA_UNITS) == len(set(SLA_UNITS)) == 6
