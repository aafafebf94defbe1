"""The sample region's documents are right, and its contracts take real files."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import fastavro
import pytest

from bus.catalogue.agreement import ConditionOperator
from bus.catalogue.documents import proposed_documents, read_documents
from bus.catalogue.lint import lint
from bus.catalogue.lock import render
from bus.catalogue.region import Region, parse_region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.views import drafted_views_of, view_of
from bus.contracts.compile import CompiledSchema, compile_schema
from bus.contracts.contract import Classification, top_level_fields
from bus.contracts.encode import Encode, decoder, encoder
from bus.contracts.gate import RefusalReason, may_publish
from bus.contracts.passport import ProcessState, lacking
from bus.contracts.rules import Rule
from bus.fund.columns import columns_of
from bus.fund.columns import findings_of as column_findings
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Examined, Severity
from bus.provision.contract_publish import gate_refusals
from bus.tables.binding import bind
from bus.tables.mapping import read_mapping
from bus.tables.opening import open_table
from bus.tables.table import BadRow
from bus.wire.frame import frame
from tests.catalogue.sample_records import VALID

REGION = Path("deploy/samara/region.yaml")
CONTRACTS = Path("schemas/avro")
DATA = Path("../shared/data")
NOVEMBER_2026_MS = 1_795_000_000_000
NOTHING: Mapping[str, object] = MappingProxyType({})


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


def test_every_dataset_has_a_provider_and_some_have_several(region: Region) -> None:
    assert {dataset: region.providers_of(dataset) for dataset in region.contracts} == {
        "births": ("civil-samara",),
        "deaths": ("civil-samara",),
        "documents": ("archive-samara",),
        "economic-activities": ("economy-samara",),
        "educational-institutions": ("education-samara", "education-tolyatti"),
        "land-plots": ("administration-tolyatti", "land-samara"),
        "municipal-services": ("administration-syzran", "administration-tolyatti"),
        "municipalities": ("economy-samara",),
        "organisations": ("tax-samara",),
        "probes": ("digital-samara",),
        "residents-registrations": ("migration-samara",),
        "service-centres": ("mfc-samara", "mfc-tolyatti"),
    }


def test_processes_are_on_every_step_and_each_has_its_documents(region: Region) -> None:
    assert {passport.state for passport in region.passports.values()} == set(ProcessState)
    for passport in region.passports.values():
        assert lacking(passport) == ()
        if passport.diagram_sha256 is not None:
            diagram = REGION.parent / "passports" / f"{passport.process}.mmd"
            assert passport.diagram_sha256 == hashlib.sha256(diagram.read_bytes()).hexdigest()


def test_contract_that_is_proposed_beside_the_region_is_refused() -> None:
    documents = read_documents(REGION, None) | proposed_documents(REGION)
    (refused,) = gate_refusals(parse_region(documents))
    assert (refused.dataset, refused.refusal.reason) == ("subsidies", RefusalReason.NOT_OPTIMISED)
    assert refused.post == "Начальник отдела субсидий и льгот"


def test_health_receives_no_staff_and_no_other_city(region: Region) -> None:
    (agreement,) = [found for found in region.agreements if found.id == "health-institutions"]
    contract = region.contracts[agreement.dataset]
    view = view_of(agreement, contract)
    assert view is not None
    assert not {"director", "phone", "email"} & set(view.fields)
    assert [(row.field, row.values) for row in view.rows] == [("oktmo", ("36701",))]


def test_personal_fields_go_only_to_those_who_decide_on_persons(region: Region) -> None:
    given: dict[str, set[str]] = {}
    for agreement in region.agreements:
        contract = region.contracts[agreement.dataset]
        granted = contract.field_names if agreement.fields is None else agreement.fields
        personal = {
            name for name in granted if contract.classification[name] is Classification.PERSONAL
        }
        if personal:
            given[agreement.id] = personal
    assert given == {
        "mfc-registrations": {"person_pseudonym"},
        "migration-deaths": {"person_pseudonym"},
        "social-births": {"child_pseudonym", "born_on", "parents"},
        "social-deaths": {"person_pseudonym"},
        "social-documents": {"subject_pseudonym"},
        "social-registrations": {"person_pseudonym"},
    }


def test_every_way_of_granting_is_shown(region: Region) -> None:
    full = [agreement.id for agreement in region.agreements if agreement.is_full]
    assert full == [
        "mfc-municipal-services",
        "portal-municipalities",
        "portal-organisations",
        "portal-service-centres",
        "probe-of-the-bus",
        "tax-economic-activities",
    ]
    rest = [agreement for agreement in region.agreements if not agreement.is_full]
    assert [one.id for one in rest if one.fields is None] == ["portal-services-tolyatti"]
    assert {one.id for one in rest if one.history_from} == {
        "portal-institutions-tolyatti",
        "social-deaths",
        "social-documents",
    }
    assert {row.op for one in rest for row in one.rows} >= {
        ConditionOperator.PREFIX,
        ConditionOperator.ONE_OF,
    }
    # Two agreements that grant the same share one view.
    assert len(drafted_views_of(region)) == len(rest) - 1


def test_every_kind_of_rule_is_shown_in_both_severities(region: Region) -> None:
    rules: list[Rule] = [
        rule for contract in region.contracts.values() for rule in contract.newest.rules
    ]
    assert {rule.kind for rule in rules} == {
        "required", "pattern", "range", "length", "enumeration", "code_list", "check_digits",
        "compare", "event_time", "cel",
    }  # fmt: skip
    assert {rule.severity for rule in rules} == set(Severity)


def test_no_key_is_personal_and_every_field_can_be_a_column(region: Region) -> None:
    for contract in region.contracts.values():
        assert contract.classification[contract.key_field] is Classification.PUBLIC
        assert not column_findings(contract.dataset, columns_of(contract.newest.schema))


def _tools(region: Region, dataset: DatasetCode, number: int) -> tuple[Encode, CompiledSchema]:
    contract = region.contracts[dataset]
    version = contract.schema_versions[number - 1]
    compiled = compile_schema(
        dataset=dataset,
        key_field=contract.key_field,
        version=version,
        schema_id=1,
        wanted=frozenset(),
    )
    return encoder(version.schema, 1), compiled


def broken(
    region: Region,
    dataset: str,
    changed: Mapping[str, object] = NOTHING,
    *,
    version: int | None = None,
) -> dict[str, Severity]:
    """Judge a valid record with some values changed; give the rules that it breaks."""
    code = DatasetCode(dataset)
    number = region.contracts[code].newest.number if version is None else version
    encode, compiled = _tools(region, code, number)
    names = top_level_fields(region.contracts[code].schema_versions[number - 1].schema)
    values = {name: value for name, value in ({**VALID[code], **changed}).items() if name in names}
    result = compiled.examine(encode(values), NOVEMBER_2026_MS)
    assert isinstance(result, Examined), result
    return {violation.rule: violation.severity for violation in result.violations}


@pytest.mark.parametrize("dataset", list(VALID))
def test_valid_record_breaks_nothing_and_comes_back_whole(
    region: Region, dataset: DatasetCode
) -> None:
    assert broken(region, dataset) == {}
    schema = region.contracts[dataset].newest.schema
    values = VALID[dataset]
    assert decoder(schema)(encoder(schema, 1)(values)) == values


@pytest.mark.parametrize(
    ("dataset", "changed", "rules"),
    [
        ("births", {"born_on": date(2026, 3, 21)}, {"born-before-act": "quarantine"}),
        ("births", {"born_on": date(2025, 3, 1)}, {"registered-within-a-year": "observe"}),
        ("births", {"children_born": 9}, {"children-born-plausible": "quarantine"}),
        (
            "births",
            {"office": {"code": "6399", "name": "Отдел", "oktmo": "3670100"}},
            {"office-oktmo-form": "quarantine"},
        ),
        ("deaths", {"died_on": date(2026, 3, 12)}, {"registered-in-time": "observe"}),
        ("deaths", {"act_number": "63-B-2026-000045"}, {"act-number-form": "quarantine"}),
        ("residents-registrations", {"registered_until": None}, {"stay-has-an-end": "quarantine"}),
        ("residents-registrations", {"basis": "friend"}, {"basis-known": "quarantine"}),
        ("land-plots", {"valued_on": None}, {"value-has-its-day": "quarantine"}),
        (
            "land-plots",
            {"cadastral_number": "77:07:04003:053"},
            {"cadastral-number-form": "quarantine"},
        ),
        (
            "land-plots",
            {"area_m2": Decimal(0), "area_error_m2": None},
            {"area-positive": "quarantine"},
        ),
        (
            "land-plots",
            {"category": "not_established", "registered_on": date(2025, 1, 1)},
            {"category-valid": "quarantine"},
        ),
        ("municipal-services", {"is_paid": False}, {"fee-only-when-paid": "quarantine"}),
        ("municipal-services", {"fee_roubles": Decimal(0)}, {"fee-only-when-paid": "quarantine"}),
        ("municipal-services", {"sphere": "territory"}, {"sphere-valid": "quarantine"}),
        (
            "municipal-services",
            {"channels": []},
            {"channels-given": "quarantine", "channels-counted": "quarantine"},
        ),
        ("documents", {"is_machine_readable": True}, {"machine-readable-is-data": "quarantine"}),
        ("documents", {"document_type": "licence"}, {"document-type-valid": "quarantine"}),
        ("service-centres", {"windows": None}, {"windows-given": "quarantine"}),
    ],
)  # fmt: skip
def test_rules_of_the_region_find_what_they_are_for(
    region: Region, dataset: str, changed: dict[str, object], rules: dict[str, str]
) -> None:
    assert broken(region, dataset, changed) == rules


def test_old_rules_hold_for_the_old_schema_version_until_its_end(region: Region) -> None:
    contract = region.contracts[DatasetCode("service-centres")]
    first, second = contract.schema_versions
    assert (first.accepted_until, second.accepted_until) == (date(2027, 6, 30), None)
    assert broken(region, "service-centres", {"windows": None}, version=1) == {}
    assert broken(region, "service-centres", {"windows": 0}, version=1) == {
        "windows-plausible": Severity.OBSERVE
    }
    assert broken(region, "service-centres", {"windows": 0}, version=2) == {
        "windows-counted": Severity.QUARANTINE
    }


@pytest.mark.parametrize(
    ("dataset", "mapping", "file", "records", "passed_over", "broken_rules"),
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
        (
            "service-centres",
            "services/service-centre/mapping.mos-611.yaml",
            "facilities/mos_611_mfc.csv",
            57,
            0,
            {"territory-code-form": 1},
        ),
        (
            "land-plots",
            "land/land-plot/mapping.mos-521.yaml",
            "facilities/mos_521_land_plots.csv",
            1000,
            0,
            {"cadastral-number-form": 8, "quarter-form": 8, "area-positive": 12},
        ),
        (
            "economic-activities",
            "economy/economic-activity/mapping.okved2.yaml",
            "codelists/okved2_20231201.cp1251.csv",
            2878,
            21,
            {},
        ),
    ],
)
def test_real_file_becomes_records_and_its_faults_are_found(
    region: Region,
    dataset: DatasetCode,
    mapping: str,
    file: str,
    records: int,
    passed_over: int,
    broken_rules: dict[str, int],
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
    assert Counter(violation.rule for violation in violations) == broken_rules
