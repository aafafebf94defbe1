from __future__ import annotations

from collections import Counter

from bus.catalogue.documents import read_documents
from bus.catalogue.lint import lint
from bus.catalogue.region import parse_region
from bus.catalogue.snapshot import build_snapshot
from bus.model.verdict import Examined
from tests.bench.resident_documents import (
    BAD_EACH,
    REGION,
    SCHEMA_ID,
    bad_of,
    bare_records,
    schema_of_values,
)
from tests.bench.variants.resident_rules import judge_with
from tests.factories import APPENDED_MS

COUNT = 1_450
RULES = 7


def test_the_region_of_the_benchmark_has_nothing_for_the_linter() -> None:
    assert lint(read_documents(REGION, None)) == ()


def test_rules_by_hand_judge_as_the_contract_does_and_each_rule_is_broken_alone() -> None:
    snapshot = build_snapshot(parse_region(read_documents(REGION, None)), 1)
    examine = snapshot.schemas[SCHEMA_ID].compiled.examine
    is_good = judge_with(schema_of_values())
    broken: Counter[str] = Counter()
    for one in bare_records(COUNT):
        examined = examine(one.value, APPENDED_MS)
        assert isinstance(examined, Examined)
        assert len(examined.violations) <= 1
        assert is_good(one.value) == (not examined.violations)
        broken.update(violation.rule for violation in examined.violations)
    assert len(broken) == RULES
    assert broken.total() == bad_of(COUNT)


def test_as_many_records_are_bad_as_are_told() -> None:
    for count in (BAD_EACH // 2, BAD_EACH // 2 + 1, BAD_EACH, 20_000):
        numbers = [number for number in range(count) if number % BAD_EACH == BAD_EACH // 2]
        assert bad_of(count) == len(numbers)


def test_records_have_25_fields_and_are_the_same_in_every_run() -> None:
    assert len(schema_of_values()["fields"]) == 25
    assert bare_records(200) == bare_records(200)
    assert 160 < sum(len(one.value) for one in bare_records(200)) / 200 < 190
