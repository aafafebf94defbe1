from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

from bus.client.rows import PreparedRow, RowEncoder, UnsendableRow
from bus.contracts.contract import VersionSource
from bus.contracts.encode import decoder
from bus.model.identifiers import DatasetCode
from bus.tables.fitting import MappedRow
from bus.tables.problems import Problem, ProblemKind
from bus.tables.table import BadRow
from tests.factories import DATASET, SCHEMA_ID, VALID, snapshot

CONTRACT = snapshot().region.contracts[DATASET]
NUMBERED = replace(CONTRACT, version_source=VersionSource.COLUMN)


def prepared(row: MappedRow | Mapping[str, object], **options: str) -> PreparedRow:
    found = RowEncoder(CONTRACT, SCHEMA_ID, **options).prepare(row, 5)
    assert isinstance(found, PreparedRow), found
    return found


def refused(row: MappedRow | BadRow | Mapping[str, object]) -> UnsendableRow:
    found = RowEncoder(CONTRACT, SCHEMA_ID).prepare(row, 5)
    assert isinstance(found, UnsendableRow), found
    return found


def test_a_row_becomes_its_key_and_a_framed_value_with_nulls_where_it_says_nothing() -> None:
    row = prepared(VALID)
    assert (row.number, row.key, row.version) == (5, "63-0001", None)
    decoded = decoder(CONTRACT.newest.schema)(row.value)
    assert {name: decoded[name] for name in VALID} == dict(VALID)
    assert decoded["website"] is None


def test_lists_and_maps_that_a_row_does_not_have_are_empty_where_the_schema_says_so() -> None:
    contract = snapshot().region.contracts[DatasetCode("service-centres")]
    given = {"registry_number": "63-01", "name": "Центр", "address": "г. Самара", "windows": 3}
    row = RowEncoder(contract, SCHEMA_ID).prepare(given, 1)
    assert isinstance(row, PreparedRow), row
    decoded = decoder(contract.newest.schema)(row.value)
    assert (decoded["schedule"], decoded["services"], decoded["website"]) == ({}, [], None)


def test_a_row_of_a_table_keeps_its_own_number() -> None:
    assert prepared(MappedRow(number=17, values=VALID)).number == 17


def test_equal_rows_have_equal_values() -> None:
    assert prepared(VALID).value == prepared(dict(reversed(list(VALID.items())))).value


def test_a_row_that_does_not_fit_the_schema_names_every_field_and_no_value() -> None:
    row = refused({**VALID, "places": "шестьсот", "director": 7})
    assert [problem.field for problem in row.problems] == ["director", "places"]
    assert all("шестьсот" not in problem.en for problem in row.problems)


def test_a_field_of_no_schema_is_refused() -> None:
    assert [problem.field for problem in refused({**VALID, "colour": "red"}).problems]


def test_a_row_without_its_registry_number_is_refused() -> None:
    for number in (None, "", 1.5, True):
        (problem,) = refused({**VALID, "registry_number": number}).problems
        assert problem.field == "registry_number"


def test_a_bad_row_keeps_its_number_and_its_words_in_both_languages() -> None:
    bad = Problem(kind=ProblemKind.NOT_A_DATE, field="opened_on", expected="2026-01-31")
    row = refused(BadRow(number=9, problems=(bad,)))
    assert row.number == 9
    assert (row.problems[0].en, row.problems[0].ru) == (bad.spoken("en"), bad.spoken("ru"))


def test_versions_come_from_the_source_exactly_where_the_contract_says_so() -> None:
    numbered = RowEncoder(NUMBERED, SCHEMA_ID)
    found = numbered.prepare(MappedRow(number=1, values=VALID, version=8), 1)
    assert isinstance(found, PreparedRow)
    assert found.version == 8
    for version in (None, 0, 2**63):
        row = MappedRow(number=1, values=VALID, version=version)
        assert isinstance(numbered.prepare(row, 1), UnsendableRow)
    assert "version" in refused(MappedRow(number=1, values=VALID, version=8)).problems[0].en


def test_the_event_time_is_the_fields_moment_or_the_beginning_of_its_day() -> None:
    opened = {**VALID, "opened_on": date(2026, 3, 1)}
    assert prepared(opened, event_time_field="opened_on").event_time == datetime(
        2026, 3, 1, tzinfo=UTC
    )
    assert prepared(VALID, event_time_field="opened_on").event_time is None
    assert prepared(opened).event_time is None
