"""One planted error for each rule; the finding is asserted whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bus.catalogue.sources import LOCK_FILE
from bus.errors import Finding
from tests.catalogue.linting import found, lint, relocked
from tests.catalogue.small_region import (
    AGREEMENT,
    CONTRACT,
    KEY,
    PASSPORT,
    SCHEMA,
    line,
    planted,
    small_region,
)

SECOND_SCHEMA = SCHEMA.replace("v1", "v2")


def with_second_schema(change: Callable[[list[Any]], None]) -> dict[str, bytes]:
    """Add a schema version 2 with changed fields."""
    documents = small_region()
    schema = json.loads(documents[SCHEMA])
    change(schema["fields"])
    documents[SECOND_SCHEMA] = json.dumps(schema, indent=1).encode()
    return relocked(documents)


def test_small_region_has_no_findings() -> None:
    assert lint(small_region()) == ()


def test_what_reading_finds_is_told_too() -> None:
    documents = planted(small_region(), AGREEMENT, "dataset: shelters", "dataset: shelter")
    assert [finding.found for finding in lint(documents)] == ["unknown dataset `shelter`"]


# contract and schema agree


def test_record_has_the_name_it_has_in_avro() -> None:
    findings, place = found(CONTRACT, "- name: Shelter\n", "- name: Shelters\n")
    assert findings == [
        Finding(
            path=f"{place} schema[0].name",
            found="`Shelters`",
            expected="`Shelter`, the record's in Avro",
            remedy="Make the two agree.",
        )
    ]


def test_topic_is_that_of_the_dataset() -> None:
    findings, place = found(CONTRACT, "accepted.shelters", "accepted.shelter")
    assert findings == [
        Finding(
            path=f"{place} schema[0].physicalName",
            found="`accepted.shelter`",
            expected="`accepted.shelters`",
            remedy="Make the two agree.",
        )
    ]


def test_field_that_the_contract_does_not_describe_is_found_in_the_schema() -> None:
    findings, place = found(
        CONTRACT,
        "      - name: keeper\n        businessName: Ответственный\n"
        "        logicalType: string\n        classification: personal\n",
        "",
        marker="id: shelters",
    )
    assert place.startswith(CONTRACT)
    assert findings == [
        Finding(
            path=f"{SCHEMA}:{line(small_region()[SCHEMA], 'keeper')} fields[3].name",
            found="field `keeper`, which contract.yaml doesn't describe",
            expected="a property `keeper` with its class and rules",
            remedy="Describe the field in contract.yaml.",
        )
    ]


def test_property_that_no_schema_has_is_found() -> None:
    findings, place = found(
        CONTRACT,
        "      - name: keeper\n",
        "      - name: kepper\n        businessName: Опечатка\n        logicalType: string\n"
        "        classification: public\n      - name: keeper\n",
        marker="kepper",
    )
    assert findings == [
        Finding(
            path=f"{place} schema[0].properties[3].name",
            found="property `kepper`, which no `.avsc` has",
            expected="a field of the schema: address, closed_on, keeper, number, oktmo, opened_on",
            remedy="Remove it.",
        )
    ]


def test_misspelt_property_is_answered_with_the_field_that_is_left() -> None:
    findings, place = found(CONTRACT, "- name: keeper\n", "- name: keper\n")
    misspelt, undescribed = findings
    assert misspelt.path == f"{place} schema[0].properties[3].name"
    assert misspelt.remedy == "Did you mean `keeper`?"
    assert undescribed.path.startswith(SCHEMA)


def test_property_twice_is_found() -> None:
    findings, place = found(
        CONTRACT,
        "      - name: keeper\n",
        "      - name: keeper # first\n        businessName: Ответственный\n"
        "        logicalType: string\n        classification: personal\n      - name: keeper\n",
        marker="- name: keeper\n",
    )
    assert findings == [
        Finding(
            path=f"{place} schema[0].properties[4].name",
            found="`keeper` a second time",
            expected="each field once",
            remedy="Remove one.",
        )
    ]


def test_logical_type_agrees_with_avro() -> None:
    findings, place = found(
        CONTRACT,
        "businessName: Открыто\n        logicalType: date",
        "businessName: Открыто\n        logicalType: string",
        marker="logicalType: string\n        classification: public\n      - name: closed_on",
    )
    assert findings == [
        Finding(
            path=f"{place} schema[0].properties[4].logicalType",
            found="string",
            expected="date, as Avro has the field",
            remedy="Make the two agree.",
        )
    ]


def test_field_that_is_never_null_is_required() -> None:
    findings, place = found(
        CONTRACT,
        "        required: true\n        quality:",
        "        required: false\n        quality:",
        marker="required: false",
    )
    assert findings == [
        Finding(
            path=f"{place} schema[0].properties[1].required",
            found="`required: false`",
            expected="true: in Avro the field is never null",
            remedy="Make the two agree.",
        )
    ]


def test_field_that_is_optional_is_not_required() -> None:
    findings, place = found(
        CONTRACT,
        "classification: personal\n",
        "classification: personal\n        required: true\n",
        marker="required: true\n      - name: opened_on",
    )  # fmt: skip
    assert findings == [
        Finding(
            path=f"{place} schema[0].properties[3].required",
            found="`required: true`",
            expected="false: in Avro the field is optional, or gone from the newest version",
            remedy="Make the two agree.",
        )
    ]


# key, immutable fields, personal data


def test_key_must_be_a_field() -> None:
    findings, place = found(CONTRACT, "value: number\n", "value: numbre\n")
    assert findings[0] == Finding(
        path=f"{place} customProperties[1].value",
        found="`numbre`, which is no field",
        expected="a field of the contract",
        remedy="Did you mean `number`?",
    )


def test_key_can_not_be_null() -> None:
    documents = planted(small_region(), CONTRACT, "value: number\n", "value: oktmo\n")
    documents = planted(documents, CONTRACT, "        primaryKey: true\n", "")
    documents = planted(
        documents,
        CONTRACT,
        "businessName: Код ОКТМО\n",
        "businessName: Код ОКТМО\n        primaryKey: true\n",
    )
    assert list(lint(documents)) == [
        Finding(
            path=f"{CONTRACT}:{line(documents[CONTRACT], 'value: oktmo')} "
            "customProperties[1].value",
            found="TextShape or null",
            expected="a string, int or long that is never null",
            remedy="Name another field, or change the schema in a new version.",
        )
    ]


def test_personal_field_is_no_key() -> None:
    findings, place = found(
        CONTRACT,
        "        classification: public\n        required: true\n        primaryKey: true",
        "        classification: personal\n        required: true\n        primaryKey: true",
        marker="value: number\n",
    )
    assert findings == [
        Finding(
            path=f"{place} customProperties[1].value",
            found="`number`, a personal field, as the key",
            expected="the agency's own registry number",
            remedy="Keys stand in topics and logs: choose a number that names no person.",
        )
    ]


def test_primary_key_is_marked_at_the_key() -> None:
    findings, place = found(CONTRACT, "        primaryKey: true\n", "", marker="- name: number\n")
    assert findings == [
        Finding(
            path=f"{place} schema[0].properties[0].primaryKey",
            found="`primaryKey` at none",
            expected="it at `number` alone, which `bus.keyField` names",
            remedy="Make the two agree.",
        )
    ]


def test_immutable_field_must_exist() -> None:
    findings, place = found(CONTRACT, "value: [number, oktmo]", "value: [number, oktmo, adress]")
    assert findings == [
        Finding(
            path=f"{place} customProperties[4].value",
            found="`adress`, which is no field",
            expected="fields of the contract",
            remedy="Did you mean `address`?",
        )
    ]


def test_identifier_of_a_person_is_marked_personal() -> None:
    findings, place = found(CONTRACT, "algorithm: oktmo", "algorithm: snils")
    assert findings == [
        Finding(
            path=f"{place} schema[0].properties[2].quality[0].implementation.algorithm",
            found="snils for `oktmo`, which is not personal",
            expected="`classification: personal` for what can identify a person",
            remedy="Mark the field personal, or use inn10 or ogrn if it is an organisation's.",
        )
    ]


def test_field_named_like_personal_data_is_marked_personal() -> None:
    documents = small_region()
    for path in (CONTRACT, SCHEMA):
        documents[path] = documents[path].replace(b"keeper", b"keeper_surname")
    documents = relocked(planted(documents, CONTRACT, "classification: personal", (
        "classification: internal"
    )))  # fmt: skip
    place = f"{CONTRACT}:{line(documents[CONTRACT], 'internal')}"
    assert list(lint(documents)) == [
        Finding(
            path=f"{place} schema[0].properties[3].classification",
            found="internal for `keeper_surname`",
            expected="personal, by the field's name",
            remedy="Make the two agree.",
        )
    ]


# rules


def test_rule_that_can_not_judge_its_field_is_found_at_its_place() -> None:
    findings, place = found(
        CONTRACT, "kind: length\n              minimum: 5", "kind: event_time", marker="id: address"
    )
    (finding,) = findings
    assert finding.path == f"{place} schema[0].properties[1].quality[0]"
    assert finding.remedy == (
        "Mend the rule, or name the schema versions it holds for in `versions`."
    )


def test_pattern_that_could_be_tried_for_hours_is_found() -> None:
    old = "kind: length\n              minimum: 5\n"
    findings, place = found(
        CONTRACT,
        old,
        "kind: pattern\n              pattern: '(\\w+ ?)+'\n",
        marker="pattern: '(",
    )
    (finding,) = findings
    assert finding.path.startswith(f"{place} schema[0].properties[1].quality[0].implementation")
    assert "address.matches(" in str(finding.remedy)


def test_rule_that_holds_for_no_version_is_found() -> None:
    findings, place = found(CONTRACT, "field: opened_on", "field: opend_on", marker="kind: compare")
    assert findings == [
        Finding(
            path=f"{int_line_before(place)} schema[0].quality[0].implementation",
            found="rule `opened-before-closed`, which holds for no schema version: it reads "
            "opend_on",
            expected="a rule about fields that a version has",
            remedy="Did you mean `opened_on`?",
        )
    ]


def int_line_before(place: str) -> str:
    """Name the line before: `implementation:` stands over the rule's first part."""
    path, _, number = place.rpartition(":")
    return f"{path}:{int(number) - 1}"


def test_rule_names_versions_that_exist() -> None:
    findings, place = found(CONTRACT, "minimum: 5", "minimum: 5\n              versions: [1, 3]",
                            marker="versions")  # fmt: skip
    assert findings == [
        Finding(
            path=f"{place} schema[0].properties[1].quality[0].implementation.versions",
            found="schema version 3",
            expected="one of: 1",
            remedy="Make the two agree.",
        )
    ]


# schemas


@pytest.mark.parametrize(
    ("old", "new", "place", "found_text", "expected", "remedy"),
    [
        (
            '"namespace": "region.civil"',
            '"namespace": "region.civil-defence"',
            "namespace",
            "`region.civil-defence`",
            "Latin letters, digits and `_`, not a digit first",
            "Rename it: Avro readers refuse such a name.",
        ),
        (
            '"type": ["null", "string"], "default": null},\n    {"name": "opened',
            '"type": ["null", "string"]},\n    {"name": "opened',
            "fields[3]",
            "optional field `keeper` without a default",
            '`"default": null`',
            "Add it: without it the field can never be left out or added compatibly.",
        ),
        (
            '"keeper", "type": ["null", "string"]',
            '"keeper", "type": ["string", "null"]',
            "fields[3].default",
            "default None",
            "a value of the type, of a union's first branch",
            "Put the default's branch first: `null` first for `default: null`.",
        ),
        (
            '"keeper", "type"',
            '"keeper", "logicalType": "uuid", "type"',
            "fields[3].logicalType",
            "`logicalType` beside the type of `keeper`",
            '`"type": {"type": …, "logicalType": …}`',
            "Move it inside the type: here Avro ignores it.",
        ),
        (
            '"keeper", "type": ["null", "string"]',
            '"keeper", "type": ["null", {"type": "string", "logicalType": "uuuid"}]',
            "fields[3].type[1].logicalType",
            "logical type `uuuid`",
            "one of: date, decimal, local-timestamp-micros, local-timestamp-millis, "
            "local-timestamp-nanos, time-micros, time-millis, timestamp-micros, "
            "timestamp-millis, timestamp-nanos, uuid",
            "Did you mean `uuid`?",
        ),
        (
            '"keeper", "type": ["null", "string"]',
            '"keeper", "type": ["null", {"type": "string", "logicalType": "date"}]',
            "fields[3].type[1].logicalType",
            "logical type `date` on string",
            "it on int",
            "Change the type: here Avro ignores the logical type.",
        ),
        (
            '"keeper", "type": ["null", "string"]',
            '"keeper", "type": ["null", {"type": "enum", "name": "K-1", "symbols": ["A"]}]',
            "fields[3].type[1].name",
            "`K-1`",
            "Latin letters, digits and `_`, not a digit first",
            "Rename it: Avro readers refuse such a name.",
        ),
    ],
)
def test_schema_that_readers_would_misread_is_found(
    old: str, new: str, place: str, found_text: str, expected: str, remedy: str
) -> None:
    documents = relocked(planted(small_region(), SCHEMA, old, new))
    findings = [finding for finding in lint(documents) if finding.path.startswith(SCHEMA)]
    assert findings == [
        Finding(
            path=f"{SCHEMA}:{line(documents[SCHEMA], new)} {place}",
            found=found_text,
            expected=expected,
            remedy=remedy,
        )
    ]


def test_record_needs_a_namespace() -> None:
    documents = planted(small_region(), SCHEMA, '  "namespace": "region.civil",\n', "")
    assert list(lint(relocked(documents))) == [
        Finding(
            path=f"{SCHEMA}:1",
            found="a record without a namespace",
            expected="`namespace`, such as `region.education`",
            remedy="Add one; name it after the domain, since agencies are reorganised.",
        )
    ]


def test_versions_that_can_not_live_side_by_side_are_found() -> None:
    def widen(fields: list[Any]) -> None:
        fields[4]["type"] = ["null", {"type": "long", "logicalType": "timestamp-millis"}]

    documents = with_second_schema(widen)
    findings = [finding for finding in lint(documents) if finding.path.startswith(SECOND_SCHEMA)]
    text = documents[SECOND_SCHEMA].decode()
    number = text[: text.index("timestamp-millis")].count("\n")
    # Backward a day may be read as a wider number, but not as a moment; forward nothing fits.
    assert findings[0] == Finding(
        path=f"{SECOND_SCHEMA}:{number - 1} fields[4].type[1]",
        found="timestamp-millis on long (backward with version 1)",
        expected="date on int",
        remedy="Restore it, or add a field beside it and let the old one run out.",
    )
    assert len(findings) == 2


def test_compatible_second_version_has_no_findings() -> None:
    documents = with_second_schema(lambda fields: fields.pop(3))
    findings = lint(documents)
    assert findings == ()


# gate, passports, keys


def test_contract_in_force_needs_a_passport() -> None:
    documents = small_region()
    del documents[PASSPORT]
    place = f"{CONTRACT}:{line(documents[CONTRACT], 'value: shelters-register')}"
    assert list(lint(documents)) == [
        Finding(
            path=f"{place} customProperties[5].value",
            found="no passport of process shelters-register",
            expected="an approved passport of the process that makes the dataset",
            remedy="Write passports/shelters-register.yaml and have it approved.",
        )
    ]


def test_draft_contract_may_wait_for_its_passport() -> None:
    documents = planted(small_region(), CONTRACT, "status: active", "status: draft")
    del documents[PASSPORT]
    assert lint(documents) == ()


def test_approved_passport_names_its_act() -> None:
    documents = planted(
        small_region(),
        PASSPORT,
        'act: {number: "7", date: 2025-12-01, title: Приказ об утверждении паспорта}\n',
        "",
    )
    assert Finding(
        path=f"{PASSPORT}:1 act",
        found="state approved without an act",
        expected="the act that approved the passport",
        remedy="Write the act's number, date and title, or set the state back.",
    ) in lint(documents)


def test_inventory_says_what_the_process_consumes() -> None:
    documents = planted(small_region(), PASSPORT, "consumes: []\n", "")
    assert Finding(
        path=f"{PASSPORT}:1 consumes",
        found="an inventory without the datasets that the process consumes",
        expected="`consumes`: their codes, or [] if it needs none",
        remedy="List them: whoever changes one of them must see who depends on it.",
    ) in lint(documents)


def test_process_may_be_described_before_its_dataset_has_a_contract() -> None:
    described = small_region()[PASSPORT].decode().replace("shelters-register", "sirens-register")
    described = described.replace("state: approved", "state: described")
    described = described.replace("produces: [shelters]", "produces: [sirens]")
    path = "passports/sirens-register.yaml"
    documents = {**small_region(), path: described.encode()}
    assert lint(documents) == ()
    approved = {**documents, path: documents[path].replace(b"described", b"approved")}
    assert "unknown dataset `sirens`" in [finding.found for finding in lint(approved)]


def test_optimised_process_leaves_something_out() -> None:
    findings, place = found(
        PASSPORT, "target_model: [Осмотр, Запись]", "target_model: [Осмотр, Письмо, Запись]"
    )
    assert (
        Finding(
            path=f"{place} target_model",
            found="every step and data element of the current model",
            expected="at least one of them left out",
            remedy="Optimise the process, or set the state back to described.",
        )
        in findings
    )


def test_key_is_named_by_its_system() -> None:
    findings, place = found(KEY, "\nsystem: shelter-list", "\nsystem: health-maps",
                            marker="system: health-maps")  # fmt: skip
    assert findings == [
        Finding(
            path=f"{place} system",
            found="system `health-maps`",
            expected="`shelter-list`, which the key's id begins with",
            remedy="Name the key by its system: `<system>.<label>`.",
        )
    ]


def test_key_ends_after_it_begins() -> None:
    findings, place = found(
        KEY, "valid_from: 2026-01-01T00:00:00Z\n",
        "valid_from: 2026-01-01T00:00:00Z\nvalid_to: 2026-01-01T00:00:00Z\n", marker="valid_to",
    )  # fmt: skip
    assert findings == [
        Finding(
            path=f"{place} valid_to",
            found="2026-01-01T00:00:00+00:00",
            expected="a moment after valid_from, 2026-01-01T00:00:00+00:00",
            remedy="Correct one of the two.",
        )
    ]


# agreements


def test_agreement_ends_after_it_begins() -> None:
    findings, place = found(AGREEMENT, "valid_to: 2027-12-31", "valid_to: 2026-01-31")
    assert findings == [
        Finding(
            path=f"{place} valid_to",
            found="2026-01-31",
            expected="a day from valid_from, 2026-02-01, on",
            remedy="Correct one of the two.",
        )
    ]


def test_history_begins_before_the_agreement_ends() -> None:
    findings, place = found(AGREEMENT, "rows:", "history_from: 2028-01-01\nrows:",
                            marker="history_from")  # fmt: skip
    assert findings == [
        Finding(
            path=f"{place} history_from",
            found="2028-01-01",
            expected="a day not after valid_to, 2027-12-31",
            remedy="Correct one of the two: as it is, nothing is granted.",
        )
    ]


def test_first_and_last_day_of_an_agreement_may_be_the_same() -> None:
    documents = planted(small_region(), AGREEMENT, "valid_to: 2027-12-31", (
        "valid_to: 2026-02-01\nhistory_from: 2026-02-01"
    ))  # fmt: skip
    assert lint(relocked(documents)) == ()


def test_name_twice_in_an_agreement_is_found() -> None:
    findings, place = found(AGREEMENT, "[number, address, oktmo]", "[number, address, number]")
    assert findings == [
        Finding(
            path=f"{place} fields[2]",
            found="`number` a second time",
            expected="each name once",
            remedy="Remove it.",
        )
    ]


def test_agency_needs_no_agreement_with_itself() -> None:
    documents = planted(
        small_region(), AGREEMENT, "consumer: health-small", "consumer: civil-small"
    )
    documents = relocked(planted(documents, AGREEMENT, "[health-maps]", "[shelter-list]"))
    assert list(lint(documents)) == [
        Finding(
            path=f"{AGREEMENT}:2 providers",
            found="civil-small as the only provider of its own agreement",
            expected="another agency",
            remedy="An agency needs no agreement to use its own data.",
        )
    ]


# lock


def test_schema_without_an_id_is_found() -> None:
    documents = small_region()
    documents[LOCK_FILE] = b"{}"
    findings = lint(documents)
    assert findings[0] == Finding(
        path=LOCK_FILE,
        found="no entry for schema shelters version 1",
        expected="an id for every schema of the region",
        remedy="Run `bus contract publish`, and commit the lock.",
    )
    assert len(findings) == 2  # the view's is the other


def test_schema_that_was_changed_after_it_got_its_id_is_found() -> None:
    documents = planted(
        small_region(), SCHEMA, '"name": "keeper",', '"name": "keeper", "doc": "changed",'
    )
    (finding,) = lint(documents)
    assert finding.path == f"{LOCK_FILE}:3 shelters.1"
    assert str(finding.found).startswith("schema shelters version 1 with sha256 ")
    assert finding.remedy == "Restore version 1, and put the change into a new version."


COMPARISON = (
    "kind: compare\n          field: opened_on\n          operator: le\n          other: closed_on"
)


@pytest.mark.parametrize(
    ("expression", "part", "told"),
    [
        ("opend_on != null", ".implementation", "it reads opend_on; expected"),
        ("opened_on <= closed_on", "", "which fails where opened_on is null"),
        ("number == 7", "", "line 1, column 8: found no matching overload for '_==_'"),
    ],
)
def test_expression_that_can_not_judge_is_found_at_its_place(
    expression: str, part: str, told: str
) -> None:
    cel = f"kind: cel\n          field: opened_on\n          expression: {expression}"
    findings, _ = found(CONTRACT, COMPARISON, cel, marker="id: opened-before-closed")
    (finding,) = findings
    assert finding.path.endswith(f" schema[0].quality[0]{part}")
    assert told in str(finding)
