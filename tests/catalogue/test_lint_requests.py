"""What data requests add to documents, with an error planted in each."""

from __future__ import annotations

import pytest

from bus.errors import DocumentError, Finding
from tests.catalogue.linting import found, lint, relocked
from tests.catalogue.small_region import CONTRACT, PASSPORT, planted, small_region

IMMUTABLE = "    value: [number, oktmo]\n"


def searchable(fields: str) -> str:
    return f"{IMMUTABLE}  - property: bus.searchable\n    value: [{fields}]\n"


def test_texts_and_days_that_name_no_person_may_be_searched_by() -> None:
    documents = planted(small_region(), CONTRACT, IMMUTABLE, searchable("address, opened_on"))
    assert lint(relocked(documents)) == ()


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("adress", "`adress`, which is no field of the newest version"),
        ("keeper", "`keeper`, which is personal"),
    ],
)
def test_a_field_that_may_not_be_searched_by_is_told(field: str, says: str) -> None:
    findings, _ = found(CONTRACT, IMMUTABLE, searchable(f"address, {field}"), marker=IMMUTABLE)
    assert [finding.found for finding in findings] == [says]
    assert findings[0].path.endswith("customProperties[5].value[1]")


def test_a_list_can_not_be_compared_with_a_text() -> None:
    documents = small_region()
    for path, old, new in (
        (CONTRACT, "      - name: keeper\n        businessName: Ответственный\n        logicalType: string\n        classification: personal\n",  # noqa: E501
         "      - name: keeper\n        businessName: Места\n        logicalType: array\n        classification: public\n"),  # noqa: E501
        (CONTRACT.replace("contract.yaml", "v1.avsc"), '"keeper", "type": ["null", "string"]',
         '"keeper", "type": ["null", {"type": "array", "items": "string"}]'),
        (CONTRACT, IMMUTABLE, searchable("keeper")),
    ):  # fmt: skip
        documents = planted(documents, path, old, new)
    assert [finding.found for finding in lint(relocked(documents))] == ["`keeper`, of type array"]


@pytest.mark.parametrize("days", ["0", "31", "two"])
def test_days_for_an_answer_are_one_to_thirty(days: str) -> None:
    more = f"{IMMUTABLE}  - property: bus.answerWorkingDays\n    value: {days}\n"
    with pytest.raises(DocumentError):
        found(CONTRACT, IMMUTABLE, more, marker=IMMUTABLE)


def test_a_letter_is_replaced_by_what_the_process_consumes() -> None:
    documents = planted(
        small_region(), PASSPORT, "consumes: []\n", "consumes: []\nreplaces_letter: [shelters]\n"
    )
    (finding,) = lint(documents)
    assert finding == Finding(
        path=finding.path,
        found="shelters, which the process does not consume",
        expected="datasets listed in `consumes`",
        remedy="Add it to `consumes`, or remove it here.",
    )
    assert finding.path.endswith(" replaces_letter[0]")
