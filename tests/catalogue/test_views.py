from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date
from typing import Any

import fastavro
import pytest

from bus.catalogue.agreement import Agreement, Condition, ConditionOperator
from bus.catalogue.region import Region, parse_region
from bus.catalogue.views import View, view_of, view_schema, views_of
from bus.contracts.avro_types import Schema
from bus.contracts.contract import Contract, SchemaVersion
from bus.model.identifiers import AgencyCode, DatasetCode, is_code
from bus.wire.topics import view as view_topic
from tests.catalogue.small_region import AGREEMENT, small_region

IN_SAMARA = Condition(field="oktmo", op=ConditionOperator.PREFIX, values=("36701",))
SCHOOLS = Condition(field="kind", op=ConditionOperator.ONE_OF, values=("b", "a"))


@pytest.fixture(scope="module")
def region() -> Region:
    return parse_region(small_region())


@pytest.fixture
def contract(region: Region) -> Contract:
    return region.contracts[DatasetCode("shelters")]


@pytest.fixture
def agreement(region: Region) -> Agreement:
    return region.agreements[0]


def full(agreement: Agreement) -> Agreement:
    return replace(agreement, providers=None, fields=None, rows=(), history_from=None)


def view(agreement: Agreement, contract: Contract) -> View:
    found = view_of(agreement, contract)
    assert found is not None
    return found


def test_full_agreement_needs_no_view(agreement: Agreement, contract: Contract) -> None:
    assert view_of(full(agreement), contract) is None


def test_view_has_what_the_agreement_grants(agreement: Agreement, contract: Contract) -> None:
    found = view(agreement, contract)
    assert found.dataset == "shelters"
    assert found.fields == ("number", "address", "oktmo")
    assert found.rows == (IN_SAMARA,)
    assert found.providers == ("civil-small",)
    assert found.history_from is None


def test_code_of_a_view_may_stand_in_a_topic(agreement: Agreement, contract: Contract) -> None:
    code = view(agreement, contract).code
    assert is_code(code)
    assert view_topic(code) == f"view.{code}"


def test_code_is_the_same_for_ever(agreement: Agreement, contract: Contract) -> None:
    # Golden: topics in production carry this name; another one is a cut-over for every consumer.
    assert view(agreement, contract).code == "vf545adc0bd315ec8"


def test_order_of_writing_does_not_matter(agreement: Agreement, contract: Contract) -> None:
    one = replace(agreement, fields=("oktmo", "number"), rows=(IN_SAMARA, SCHOOLS))
    other = replace(
        agreement,
        fields=("number", "oktmo"),
        rows=(replace(SCHOOLS, values=("a", "b", "a")), IN_SAMARA, IN_SAMARA),
    )
    assert view(one, contract) == view(other, contract)
    assert view(one, contract).fields == ("number", "oktmo")


def test_who_reads_and_why_does_not_name_the_view(agreement: Agreement, contract: Contract) -> None:
    other = replace(
        agreement, id="x", consumer=AgencyCode("other"), valid_to=date(2030, 1, 1), legal_basis="y"
    )
    assert view(agreement, contract) == view(other, contract)


@pytest.mark.parametrize(
    "change",
    [
        {"fields": ("number", "address")},
        {"fields": None},
        {"rows": ()},
        {"rows": (replace(IN_SAMARA, values=("36740",)),)},
        {"rows": (replace(IN_SAMARA, op=ConditionOperator.EQUALS),)},
        {"providers": None},
        {"providers": ("a1", "civil-small")},
        {"history_from": date(2026, 6, 1)},
    ],
)
def test_another_grant_is_another_view(
    agreement: Agreement, contract: Contract, change: dict[str, Any]
) -> None:
    assert view(replace(agreement, **change), contract).code != view(agreement, contract).code


def test_all_fields_and_every_field_by_name_are_different_promises(
    agreement: Agreement, contract: Contract
) -> None:
    everything = view(replace(agreement, fields=None), contract)
    by_name = view(replace(agreement, fields=contract.field_names), contract)
    assert everything.fields == by_name.fields == contract.field_names
    assert everything.code != by_name.code


def test_equal_views_are_shared() -> None:
    documents = small_region()
    text = documents[AGREEMENT].decode().replace("health-shelters", "health-shelters-2")
    documents["agreements/health-shelters-2.yaml"] = text.encode()
    region = parse_region(documents)
    assert len(region.agreements) == 2
    assert len(views_of(region)) == 1


def test_schema_of_a_view_has_the_masked_in_fields_in_order(
    agreement: Agreement, contract: Contract
) -> None:
    derived = view_schema(view(agreement, contract), contract.newest)
    assert derived == {
        "type": "record",
        "name": "ShelterView",
        "namespace": "region.civil",
        "fields": [
            {"name": "number", "type": "string"},
            {"name": "address", "type": "string"},
            {"name": "oktmo", "type": ["null", "string"], "default": None},
        ],
    }


def changed_version(contract: Contract, name: str, **change: Schema) -> SchemaVersion:
    schema = json.loads(json.dumps(contract.newest.schema))
    for field in schema["fields"]:
        if field["name"] == name:
            field.update(change)
    return replace(contract.newest, number=2, schema={**schema, "doc": "second"})


def test_schema_of_a_view_changes_only_with_a_masked_in_field(
    agreement: Agreement, contract: Contract
) -> None:
    found = view(agreement, contract)
    before = view_schema(found, contract.newest)
    masked_out = changed_version(contract, "keeper", doc="changed", type=["null", "bytes"])
    masked_in = changed_version(contract, "oktmo", doc="changed")
    assert view_schema(found, masked_out) == before
    assert view_schema(found, masked_in) != before


PLACE = {
    "type": "record",
    "name": "Place",
    "namespace": "region.common",
    "fields": [{"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}}],
}
NAMED = {
    "type": "record",
    "name": "Shelter",
    "namespace": "region.civil",
    "fields": [
        {"name": "first", "type": PLACE},
        {"name": "second", "type": ["null", "region.common.Place"], "default": None},
        {"name": "third", "type": {"type": "array", "items": "region.common.Place"}},
        {"name": "fourth", "type": {"type": "map", "values": "region.common.Kind"}},
    ],
}


@pytest.mark.parametrize(
    "fields",
    [
        ("first", "third"),
        ("second", "fourth"),
        ("third", "fourth"),
        ("fourth",),
        ("second", "third"),
    ],
)
def test_type_defined_in_a_masked_out_field_is_written_at_its_first_use(
    agreement: Agreement, contract: Contract, fields: tuple[str, ...]
) -> None:
    version = SchemaVersion(number=1, schema=NAMED, rules=(), accepted_until=None)
    named = replace(contract, schema_versions=(version,))
    derived = view_schema(view(replace(agreement, fields=fields, rows=()), named), version)
    place = {"kind": "B"}
    record = {"first": place, "second": place, "third": [place, place], "fourth": {"x": "A"}}
    masked = {name: record[name] for name in fields}
    assert encoded(derived, masked) == b"".join(
        encoded(one_field(name), {name: record[name]}) for name in fields
    )


def one_field(name: str) -> dict[str, Any]:
    """Give a schema of one field of NAMED, by way of the original's bytes."""
    types = {
        "first": PLACE,
        "second": ["null", PLACE],
        "third": {"type": "array", "items": PLACE},
        "fourth": {"type": "map", "values": {"type": "enum", "name": "K", "symbols": ["A", "B"]}},
    }
    fields = [{"name": name, "type": types[name]}]
    return {"type": "record", "name": "One", "fields": fields}


def encoded(schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), record)
    return buffer.getvalue()


def test_a_filter_over_what_may_change_makes_another_view(
    agreement: Agreement, contract: Contract
) -> None:
    in_town = replace(agreement, rows=(replace(IN_SAMARA, field="address"),))
    found = view(in_town, contract)
    assert found.is_standing
    assert not view(agreement, contract).is_standing
    marked = replace(contract, immutable_fields=contract.immutable_fields | {"address"})
    assert not view(in_town, marked).is_standing
    assert view(in_town, marked).code != found.code
