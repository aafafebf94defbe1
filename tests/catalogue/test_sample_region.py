"""The sample region's documents are right, and its contracts take real files."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from pathlib import Path

import fastavro
import pytest

from bus.catalogue.documents import read_documents
from bus.catalogue.lint import lint
from bus.catalogue.lock import render
from bus.catalogue.region import Region, parse_region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.views import view_of, views_of
from bus.contracts.compile import compile_schema
from bus.contracts.contract import Classification
from bus.contracts.gate import may_publish
from bus.contracts.rules import Rule
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Examined, Severity
from bus.tables.binding import bind
from bus.tables.mapping import read_mapping
from bus.tables.opening import open_table
from bus.tables.table import BadRow
from bus.wire.frame import frame

REGION = Path("deploy/samara/region.yaml")
CONTRACTS = Path("schemas/avro")
DATA = Path("../shared/data")
NOVEMBER_2026_MS = 1_795_000_000_000


@pytest.fixture(scope="module")
def region() -> Region:
    return parse_region(read_documents(REGION, None))


def test_sample_region_has_no_findings() -> None:
    findings = lint(read_documents(REGION, None))
    assert [str(finding) for finding in findings] == []


def test_lock_is_complete_and_as_rendered(region: Region) -> None:
    assert complete_lock(region) == region.lock
    assert (CONTRACTS / "registry.lock.json").read_bytes() == render(region.lock)


def test_every_contract_may_be_in_force(region: Region) -> None:
    for contract in region.contracts.values():
        assert may_publish(contract, region.passports.get(contract.process)) is None


def test_every_dataset_has_a_provider(region: Region) -> None:
    assert {dataset: region.providers_of(dataset) for dataset in region.contracts} == {
        "educational-institutions": ("education-samara", "education-tolyatti"),
        "municipalities": ("economy-samara",),
        "organisations": ("tax-samara",),
    }


def test_digest_of_a_diagram_is_that_of_its_file(region: Region) -> None:
    for passport in region.passports.values():
        diagram = REGION.parent / "passports" / f"{passport.process}.mmd"
        assert passport.diagram_sha256 == hashlib.sha256(diagram.read_bytes()).hexdigest()


def test_health_receives_no_staff_and_no_other_city(region: Region) -> None:
    (agreement,) = [found for found in region.agreements if found.id == "health-institutions"]
    contract = region.contracts[agreement.dataset]
    view = view_of(agreement, contract)
    assert view is not None
    assert not {"director", "phone", "email"} & set(view.fields)
    assert [(row.field, row.values) for row in view.rows] == [("oktmo", ("36701",))]


def test_no_agreement_hands_over_personal_fields(region: Region) -> None:
    for agreement in region.agreements:
        contract = region.contracts[agreement.dataset]
        granted = contract.field_names if agreement.fields is None else agreement.fields
        classes = {contract.classification[name] for name in granted}
        assert Classification.PERSONAL not in classes


def test_both_ways_of_serving_an_agreement_are_shown(region: Region) -> None:
    full = [agreement.id for agreement in region.agreements if agreement.is_full]
    assert full == ["portal-municipalities", "portal-organisations"]
    assert len(views_of(region)) == 2


def test_most_kinds_of_rules_are_shown_in_both_severities(region: Region) -> None:
    rules: list[Rule] = [
        rule for contract in region.contracts.values() for rule in contract.newest.rules
    ]
    assert {rule.kind for rule in rules} == {
        "required", "pattern", "range", "length", "enumeration", "code_list", "check_digits",
        "compare", "event_time",
    }  # fmt: skip
    assert {rule.severity for rule in rules} == set(Severity)


@pytest.mark.parametrize(
    ("dataset", "mapping", "file", "records", "passed_over", "observed"),
    [
        (
            "educational-institutions",
            "education/educational-institution/mapping.mos-541.yaml",
            "facilities/mos_541_kindergartens.csv",
            405,
            0,
            {"website-form": 9},
        ),
        (
            "organisations",
            "economy/organisation/mapping.rosstat-boo.yaml",
            "organisations/rosstat_boo_2012_1000.xls",
            1000,
            0,
            {"okopf-valid": 5},
        ),
        (
            "municipalities",
            "territory/municipality/mapping.oktmo.yaml",
            "territories/oktmo_36_samara_municipalities.cp1251.csv",
            341,
            38,
            {},
        ),
    ],
)
def test_real_file_becomes_records_that_meet_their_contract(
    region: Region,
    dataset: DatasetCode,
    mapping: str,
    file: str,
    records: int,
    passed_over: int,
    observed: dict[str, int],
) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"the real file is not at {DATA / file}")
    contract = region.contracts[dataset]
    compiled = compile_schema(
        dataset=dataset,
        key_field=contract.key_field,
        version=contract.newest,
        schema_id=1,
        wanted=frozenset(),
    )
    read = read_mapping(mapping, (CONTRACTS / mapping).read_bytes())
    table = open_table(DATA / file, read.mapping.table)
    binding = bind(table.columns, contract.newest.schema, mapping=read)
    schema = fastavro.parse_schema(dict(contract.newest.schema))
    examined: list[Examined] = []
    others: Counter[str] = Counter()
    for row in table:
        mapped = row if isinstance(row, BadRow) else binding.apply(row)
        if mapped is None:
            others["passed over"] += 1
            continue
        assert not isinstance(mapped, BadRow), mapped
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, schema, dict(mapped.values), strict_allow_default=True)
        result = compiled.examine(frame(1, buffer.getvalue()), NOVEMBER_2026_MS)
        assert isinstance(result, Examined), result
        examined.append(result)
    violations = [violation for result in examined for violation in result.violations]
    assert len(examined) == len({result.key for result in examined}) == records
    assert others == ({"passed over": passed_over} if passed_over else {})
    assert Counter(violation.rule for violation in violations) == observed
    assert {violation.severity for violation in violations} <= {Severity.OBSERVE}
