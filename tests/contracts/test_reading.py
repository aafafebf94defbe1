from __future__ import annotations

from datetime import date

import pytest

from bus.contracts.contract import Classification, Compatibility, VersionSource
from bus.contracts.reading import ContractSource, read_contract
from bus.contracts.rules import CheckDigitsRule, CodeListRule, CompareRule, LengthRule
from bus.errors import DocumentError, Finding
from bus.model.record import Operation
from bus.model.verdict import Severity
from tests.catalogue.small_region import CONTRACT, SCHEMA, line, planted, small_region
from tests.texts.english import in_english

FOLDER = "contracts/civil/shelter"
ADDRESS_RULE = "schema[0].properties[1].quality[0].implementation"


def files(old: str = "", new: str = "", *, path: str = CONTRACT) -> dict[str, bytes]:
    documents = small_region()
    if old:
        documents = planted(documents, path, old, new)
    prefix = f"{FOLDER}/"
    return {
        path.removeprefix(prefix): content
        for path, content in documents.items()
        if path.startswith(prefix)
    }


def at(contents: dict[str, bytes], snippet: str) -> str:
    """Name file and line of a snippet of contract.yaml."""
    return f"{CONTRACT}:{line(contents['contract.yaml'], snippet)}"


def read(contents: dict[str, bytes]) -> ContractSource:
    return read_contract(FOLDER, contents)


def refused(contents: dict[str, bytes]) -> list[Finding]:
    with pytest.raises(DocumentError) as caught:
        read(contents)
    return list(map(in_english, caught.value.findings))


def test_contract_has_the_meaning_of_its_documents() -> None:
    contract = read(files()).contract
    assert contract.dataset == "shelters"
    assert (contract.title.ru, contract.title.en) == ("Убежища", "Shelters")
    assert contract.owner == "civil-small"
    assert contract.steward == "Начальник отдела убежищ"
    assert contract.key_field == "number"
    assert contract.version_source is VersionSource.PUBLISHER
    assert contract.operations == frozenset(Operation)
    assert contract.immutable_fields == {"number", "oktmo"}
    assert contract.compatibility is Compatibility.FULL_TRANSITIVE
    assert contract.classification["keeper"] is Classification.PERSONAL
    assert contract.sla.latency_s == 60
    assert contract.sla.retention_days == 3650
    assert contract.field_names == (
        "number", "address", "oktmo", "keeper", "opened_on", "closed_on",
    )  # fmt: skip


def test_rules_come_with_the_field_they_stand_under() -> None:
    rules = read(files()).contract.newest.rules
    assert [type(rule) for rule in rules] == [LengthRule, CheckDigitsRule, CompareRule]
    assert [rule.severity for rule in rules] == [
        Severity.QUARANTINE, Severity.OBSERVE, Severity.QUARANTINE,
    ]  # fmt: skip
    assert isinstance(rules[0], LengthRule)
    assert rules[0].field == "address"


def test_rules_hold_for_the_versions_that_have_their_fields() -> None:
    contents = files("    value: Закон о гражданской обороне\n", (
        "    value: Закон о гражданской обороне\n"
        "  - property: bus.acceptedUntil\n"
        "    value: [{version: 1, until: 2027-06-30}]\n"
    ))  # fmt: skip
    first = contents["v1.avsc"].decode()
    without = first.replace('{"name": "oktmo", "type": ["null", "string"], "default": null},', "")
    contents |= {"v1.avsc": without.encode(), "v2.avsc": first.encode()}
    older, newest = read(contents).contract.schema_versions
    assert [rule.id for rule in older.rules] == ["address-length", "opened-before-closed"]
    assert [rule.id for rule in newest.rules] == [
        "address-length", "oktmo-form", "opened-before-closed",
    ]  # fmt: skip
    assert (older.number, older.accepted_until) == (1, date(2027, 6, 30))
    assert newest.accepted_until is None


def test_fields_of_older_versions_come_last() -> None:
    contents = files()
    first = contents["v1.avsc"].decode()
    second = first.replace('"keeper"', '"keeper_post"')
    contents["v2.avsc"] = second.encode()
    names = read(contents).contract.field_names
    assert names[3] == "keeper_post"
    assert names[-1] == "keeper"


def test_code_list_is_taken_from_the_file_beside_the_contract() -> None:
    contents = files("kind: check_digits\n              algorithm: oktmo", (
        "kind: code_list\n              file: places.csv"
    ))  # fmt: skip
    contents["places.csv"] = (
        "\ufeffcode,name,valid_from,valid_to\n36701,Самара,,2026-12-31\n36740,Тольятти,,\n"
    ).encode()
    rule = next(rule for rule in read(contents).contract.newest.rules if rule.id == "oktmo-form")
    assert isinstance(rule, CodeListRule)
    assert [code.code for code in rule.codes] == ["36701", "36740"]
    assert rule.codes[0].valid_to == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "file `places.csv`, which is not there"),
        ("code,title\n1,a\n", "file `places.csv`, which can't be read: columns code, title"),
        ("code,name,valid_from,valid_to\n", "file `places.csv`, which can't be read: code 1: "),
        (
            "code,name,valid_from,valid_to\n1,a,,\n2,b,31.12.2026,\n",
            "file `places.csv`, which can't be read: code 2: ",
        ),
        ("code,name,valid_from,valid_to\n1,a,,,,\n", "file `places.csv`, which can't be read: "),
    ],
)
def test_code_list_that_can_not_be_read_is_told(content: str | None, found: str) -> None:
    contents = files("kind: check_digits\n              algorithm: oktmo", (
        "kind: code_list\n              file: places.csv"
    ))  # fmt: skip
    if content is not None:
        contents["places.csv"] = content.encode()
    (finding,) = refused(contents)
    place = "schema[0].properties[2].quality[0].implementation.file"
    assert finding.path == f"{at(contents, 'file: places.csv')} {place}"
    assert str(finding.found).startswith(found)


def test_text_that_is_no_expression_is_found_where_it_stands() -> None:
    contents = files(
        "kind: length\n              minimum: 5", "kind: cel\n              expression: size("
    )
    (finding,) = refused(contents)
    assert finding.path == f"{at(contents, 'expression: size(')} {ADDRESS_RULE}.expression"
    assert str(finding.expected).startswith("an expression in CEL; line 1, column 6: Syntax error")


def test_unknown_kind_of_rule_is_answered_with_the_near_one() -> None:
    contents = files("kind: length", "kind: lenght")
    assert refused(contents) == [
        Finding(
            path=f"{at(contents, 'lenght')} {ADDRESS_RULE}.kind",
            found="rule kind `lenght`",
            expected="one of: cel, check_digits, code_list, compare, enumeration, event_time, "
            "length, pattern, range, required",
            remedy="Did you mean `length`?",
        )
    ]


def test_misspelt_part_of_a_rule_is_found_at_its_line() -> None:
    contents = files("minimum: 5", "minimun: 5")
    assert refused(contents) == [
        Finding(
            path=f"{at(contents, 'minimun')} {ADDRESS_RULE}.minimun",
            found="unknown name `minimun`",
            expected="one of: field, kind, maximum, minimum, text, versions",
            remedy="Did you mean `minimum`?",
        )
    ]


def test_rule_id_twice_is_refused() -> None:
    contents = files("id: oktmo-form", "id: address-length # twice")
    first = line(contents["contract.yaml"], "id: address-length\n")
    (finding,) = refused(contents)
    assert finding == Finding(
        path=f"{at(contents, '# twice')} schema[0].properties[2].quality[0].id",
        found=f"rule id `address-length`, which stands already at line {first}",
        expected="an id that is unique in the contract",
        remedy="Give it another id: tickets and counters name rules by it.",
    )


def test_severity_belongs_outside_the_implementation() -> None:
    contents = files("minimum: 5", "minimum: 5\n              severity: observe")
    assert refused(contents) == [
        Finding(
            path=f"{at(contents, 'severity: observe')} {ADDRESS_RULE}.severity",
            found="`severity` inside `implementation`",
            expected="`severity` beside `implementation`",
            remedy="Move it out.",
        )
    ]


def test_rule_under_a_property_is_about_that_property() -> None:
    contents = files("minimum: 5", "minimum: 5\n              field: number")
    (finding,) = refused(contents)
    assert finding == Finding(
        path=f"{at(contents, 'field: number')} {ADDRESS_RULE}.field",
        found="`number` under property `address`",
        expected="`address`, or a part of it (`address.…`)",
        remedy="Move the rule to its own property, or to the schema's `quality`.",
    )


def test_custom_property_is_found_at_its_place_in_the_list() -> None:
    contents = files("value: publisher", "value: publihser")
    assert refused(contents) == [
        Finding(
            path=f"{at(contents, 'publihser')} customProperties[2].value",
            found="'publihser'",
            expected="'column', 'change_capture' or 'publisher'",
            remedy="Did you mean `publisher`?",
        )
    ]


def test_misspelt_custom_property_is_two_findings_at_most() -> None:
    contents = files("bus.keyField", "bus.keyFeild")
    assert refused(contents) == [
        Finding(
            path=f"{at(contents, 'customProperties')} customProperties.keyField",
            found="nothing",
            expected="`keyField`",
            remedy="Add `keyField`.",
        ),
        Finding(
            path=f"{at(contents, 'value: number')} customProperties[1].value",
            found="unknown name `keyFeild`",
            expected="one of: acceptedUntil, answerWorkingDays, compatibility, example, "
            "immutableFields, keyField, legalBasis, nameEn, operations, process, searchable, "
            "versionSource",
            remedy="Did you mean `keyField`?",
        ),
    ]


def test_custom_property_of_somebody_else_is_refused() -> None:
    contents = files("value: number\n", "value: number\n  - {property: colour, value: red}\n")
    (finding,) = refused(contents)
    place = f"{at(contents, 'colour')} customProperties[2].property"
    assert (finding.path, finding.found) == (place, "`colour`")


def test_promised_figure_in_another_unit_is_refused() -> None:
    contents = files("latency, value: 60, unit: s", "latency, value: 1, unit: min")
    assert refused(contents) == [
        Finding(
            path=f"{at(contents, 'min}')} slaProperties[0].unit",
            found="'min'",
            expected="'s' for latency",
            remedy="Convert the value to this unit.",
        )
    ]


def test_share_above_the_whole_is_refused() -> None:
    contents = files("completeness, value: 90", "completeness, value: 101")
    (finding,) = refused(contents)
    place = f"{at(contents, '101')} slaProperties[3].value"
    assert (finding.path, finding.expected) == (place, "at most 100 percent")


def test_missing_figure_is_refused() -> None:
    contents = files("  - {property: validity, value: 99, unit: percent}\n", "")
    (finding,) = refused(contents)
    place = f"{at(contents, 'slaProperties')} slaProperties"
    assert (finding.path, finding.found) == (place, "no validity")


def test_one_post_is_the_steward() -> None:
    contents = files("role: steward", "role: helper")
    (finding,) = refused(contents)
    assert finding == Finding(
        path=f"{at(contents, 'members')} team.members",
        found="0 members with role `steward`",
        expected="exactly one: the post that answers for the data",
        remedy="Give the role to one post.",
    )


def test_part_of_the_standard_that_nothing_keeps_is_refused() -> None:
    (finding,) = refused(files("domain: civil", "domain: civil\nprice: {priceAmount: 5}"))
    assert (finding.path, finding.found) == (f"{CONTRACT}:8 price", "unknown name `price`")


def test_contract_is_about_one_record() -> None:
    contents = files("slaProperties:", (
        "  - name: Second\n    physicalName: x\n    physicalType: topic\n    logicalType: object\n"
        "    properties:\n      - {name: a, businessName: a, logicalType: string,"
        " classification: public}\nslaProperties:"
    ))  # fmt: skip
    (finding,) = refused(contents)
    place = f"{at(contents, 'schema:')} schema"
    assert (finding.path, finding.found) == (place, "a list of 2")


def test_versions_count_without_gaps() -> None:
    contents = files()
    contents["v3.avsc"] = contents["v1.avsc"]
    assert refused(contents) == [
        Finding(
            path=f"{FOLDER}/v2.avsc",
            found="no such file",
            expected="a file v2.avsc in the contract's folder",
            remedy="Versions count from 1 without gaps; old ones stay.",
        )
    ]


def test_contract_without_any_schema_is_refused() -> None:
    contents = files()
    del contents["v1.avsc"]
    assert [finding.path for finding in refused(contents)] == [f"{FOLDER}/v1.avsc"]


def test_schemas_without_a_contract_are_refused() -> None:
    contents = files()
    del contents["contract.yaml"]
    assert [finding.path for finding in refused(contents)] == [f"{FOLDER}/contract.yaml"]


def test_newest_version_has_no_end() -> None:
    contents = files("    value: shelters-register\n", (
        "    value: shelters-register\n"
        "  - property: bus.acceptedUntil\n"
        "    value: [{version: 1, until: 2027-06-30}]\n"
    ))  # fmt: skip
    (finding,) = refused(contents)
    place = f"{at(contents, '2027-06-30')} customProperties[6].value[0].version"
    assert (finding.path, finding.expected) == (place, "a version before the newest, 1")


def test_recursive_schema_is_refused_at_its_field() -> None:
    contents = files('"keeper", "type": ["null", "string"]', (
        '"keeper", "type": ["null", "Shelter"]'
    ), path=SCHEMA)  # fmt: skip
    (finding,) = refused(contents)
    assert finding.path == f"{SCHEMA}:9 keeper"
    assert finding.expected == "no recursion"


def test_array_of_items_without_bytes_is_refused() -> None:
    contents = files('"keeper", "type": ["null", "string"]', (
        '"keeper", "type": ["null", {"type": "array", "items": "null"}]'
    ), path=SCHEMA)  # fmt: skip
    (finding,) = refused(contents)
    assert (finding.path, finding.found) == (
        f"{SCHEMA}:9 keeper", "array of items without bytes",
    )  # fmt: skip


def test_all_problems_of_all_files_are_told_at_once() -> None:
    contents = files("role: steward", "role: helper")
    contents["contract.yaml"] = contents["contract.yaml"].replace(b"kind: length", b"kind: long")
    contents["v1.avsc"] = b"{"
    assert [finding.path for finding in refused(contents)] == [
        f"{FOLDER}/v1.avsc:1",
        f"{at(contents, 'kind: long')} {ADDRESS_RULE}.kind",
        f"{at(contents, 'members')} team.members",
    ]
