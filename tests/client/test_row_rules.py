from __future__ import annotations

from datetime import UTC, datetime

from bus.client import UnsendableRow
from bus.client.row_rules import CheckedRows, RowRules
from bus.client.rows import PreparedRow, RowEncoder
from bus.tables.fitting import MappedRow
from tests.factories import DATASET, SCHEMA_ID, VALID, snapshot

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def checked() -> CheckedRows:
    contract = snapshot().region.contracts[DATASET]
    return CheckedRows(RowEncoder(contract, SCHEMA_ID), RowRules(contract, SCHEMA_ID), lambda: NOW)


def test_a_row_that_meets_the_contract_is_encoded() -> None:
    assert isinstance(checked().prepare(VALID, 1), PreparedRow)


def test_every_rule_that_a_row_breaks_is_told_at_once_in_the_contracts_words() -> None:
    broken = checked().prepare({**VALID, "kind": "castle", "inn": "6317000001"}, 7)
    assert isinstance(broken, UnsendableRow)
    assert broken.number == 7
    assert {problem.field for problem in broken.problems} == {"kind", "inn"}
    texts = {rule.id: rule.text for rule in snapshot().region.contracts[DATASET].newest.rules}
    for problem in broken.problems:
        rule = problem.en.rpartition("(")[2].rstrip(")")
        assert (problem.en, problem.ru) == (
            f"{texts[rule].en} ({rule})",
            f"{texts[rule].ru} ({rule})",
        )


def test_no_value_of_a_row_is_told() -> None:
    (broken,) = checked().unsendable([{**VALID, "inn": "6317000001"}])
    assert "6317000001" not in str(broken)


def test_all_problems_of_all_rows_are_told_with_their_numbers() -> None:
    rows = [VALID, {**VALID, "places": "many"}, {**VALID, "kind": "castle"}]
    mapped = [MappedRow(number=number, values=row, version=None) for number, row in enumerate(rows)]
    assert [row.number for row in checked().unsendable(rows)] == [2, 3]
    assert [row.number for row in checked().unsendable(mapped)] == [1, 2]
