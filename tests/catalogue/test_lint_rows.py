"""Row filters of agreements that can't be kept; each finding is asserted whole."""

from __future__ import annotations

import pytest

from bus.errors import Finding
from tests.catalogue.linting import lint, relocked
from tests.catalogue.small_region import AGREEMENT, CONTRACT, SCHEMA, planted, small_region

ROW = '{field: oktmo, op: prefix, values: ["36701"]}'


def filtered(row: str, immutable: str = "number, oktmo") -> list[Finding]:
    """Plant a filter; give what is found in the agreement."""
    documents = planted(small_region(), AGREEMENT, ROW, row)
    if immutable != "number, oktmo":
        documents = planted(documents, CONTRACT, "[number, oktmo]", f"[{immutable}]")
    return [one for one in lint(relocked(documents)) if one.path.startswith(AGREEMENT)]


def test_row_filter_may_read_what_corrections_change() -> None:
    assert filtered('{field: address, op: prefix, values: ["Самара"]}') == []


def test_row_filter_reads_what_every_schema_version_has() -> None:
    last = '    {"name": "closed_on"'
    since = '    {"name": "since", "type": ["null", "string"], "default": null},\n'
    second = small_region()[SCHEMA].decode().replace(last, since + last)
    documents = {**small_region(), SCHEMA.replace("v1", "v2"): second.encode()}
    documents = planted(
        documents,
        CONTRACT,
        "      - name: closed_on\n",
        "      - name: since\n        businessName: С\n        logicalType: string\n"
        "        classification: public\n      - name: closed_on\n",
    )
    documents = planted(documents, AGREEMENT, ROW, '{field: since, op: equals, values: ["a"]}')
    findings = [one for one in lint(relocked(documents)) if one.path.startswith(AGREEMENT)]
    assert findings == [
        Finding(
            path=f"{AGREEMENT}:8 rows[0].field",
            found="row filter on `since`, which schema v1 lacks",
            expected="a field that every schema version has",
            remedy="Filter by another field: of a record that lacks it nobody could tell whether "
            "it may be handed over.",
        )
    ]


def test_a_view_whose_rows_enter_and_leave_has_no_history() -> None:
    documents = planted(
        small_region(),
        AGREEMENT,
        f"{ROW}\n",
        '{field: address, op: prefix, values: ["Самара"]}\nhistory_from: 2026-03-01\n',
    )
    findings = [one for one in lint(relocked(documents)) if one.path.startswith(AGREEMENT)]
    assert findings == [
        Finding(
            path=f"{AGREEMENT}:9 history_from",
            found="history from 2026-03-01, of rows filtered by `address`, which corrections may "
            "change",
            expected="no `history_from`: such a view shows what stands, and has no history",
            remedy="Remove it; a limit on a day in the record is a condition of `rows`.",
        )
    ]


def test_row_filter_names_no_person() -> None:
    documents = planted(small_region(), AGREEMENT, "field: oktmo", "field: keeper")
    documents = relocked(planted(documents, CONTRACT, "[number, oktmo]", "[number, keeper]"))
    assert list(lint(documents)) == [
        Finding(
            path=f"{AGREEMENT}:8 rows[0].field",
            found="row filter on `keeper`, a personal field",
            expected="a field that identifies no person",
            remedy="Filter by territory or kind: the condition stands in files and names of views.",
        )
    ]


def test_row_filter_needs_a_type_that_it_can_compare() -> None:
    documents = planted(small_region(), AGREEMENT, "field: oktmo", "field: opened_on")
    documents = relocked(planted(documents, CONTRACT, "[number, oktmo]", "[number, opened_on]"))
    assert list(lint(documents)) == [
        Finding(
            path=f"{AGREEMENT}:8 rows[0].field",
            found="row filter on `opened_on`, whose values are no texts, whole numbers or booleans",
            expected="a field of such a type",
            remedy="Filter by another field.",
        )
    ]


def test_prefix_is_of_a_text() -> None:
    documents = planted(small_region(), SCHEMA, '"oktmo", "type": ["null", "string"]', (
        '"oktmo", "type": ["null", "long"]'
    ))  # fmt: skip
    findings = [
        finding for finding in lint(relocked(documents)) if finding.path.startswith(AGREEMENT)
    ]
    assert findings == [
        Finding(
            path=f"{AGREEMENT}:8 rows[0].op",
            found="prefix of `oktmo`, which is no text",
            expected="equals or one_of",
            remedy="List the values.",
        )
    ]


@pytest.mark.parametrize(
    "row",
    [
        '{field: opened_on, op: at_least, values: ["2026-01-31"]}',
        '{field: opened_on, op: at_most, values: ["2026-01-31"]}',
        '{field: number, op: territory, values: ["36701000", "36"]}',
    ],
)
def test_limits_and_territories_may_be_agreed_on(row: str) -> None:
    assert filtered(row, "number, opened_on") == []


def test_a_limit_is_of_something_that_has_an_order() -> None:
    assert filtered('{field: oktmo, op: at_least, values: ["36701"]}') == [
        Finding(
            path=f"{AGREEMENT}:8 rows[0].field",
            found="at_least of `oktmo`, whose values have no order that the bus can tell",
            expected="a field of numbers, days or moments",
            remedy="Filter by another field, or list the values.",
        )
    ]


@pytest.mark.parametrize("limit", ["5", "2026-02-30", "2026-01-31T12:00:00Z", "yesterday"])
def test_a_limit_says_what_the_field_says(limit: str) -> None:
    row = f'{{field: opened_on, op: at_most, values: ["{limit}"]}}'
    assert filtered(row, "number, opened_on") == [
        Finding(
            path=f"{AGREEMENT}:8 rows[0].values[0]",
            found=f"`{limit}` as a limit of `opened_on`",
            expected="a number `-1.50`, a day `2026-01-31` or a moment `2026-01-31T09:00:00Z`, "
            "as the field's values are",
            remedy="Write it so.",
        )
    ]


def test_a_territory_is_told_by_its_code() -> None:
    assert filtered('{field: oktmo, op: territory, values: ["36701000", "Самара"]}') == [
        Finding(
            path=f"{AGREEMENT}:8 rows[0].values[1]",
            found="`Самара`",
            expected="a code of ОКТМО of 2, 5, 8 or 11 digits, such as `36701000`",
            remedy="Write the territory's code.",
        )
    ]
