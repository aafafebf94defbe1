"""Lists and objects of JSON Lines as values of records, lists and other types of Avro."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from bus.client.delivered import as_text
from bus.contracts.encode import decoder, encoder
from bus.errors import DocumentError
from bus.model.identifiers import DatasetCode
from bus.tables.binding import bind
from bus.tables.fitting import Binding, MappedRow
from bus.tables.mapping import read_mapping
from bus.tables.opening import open_table
from bus.tables.problems import Problem, ProblemKind
from bus.tables.table import BadRow, Cell, Row
from tests import factories
from tests.catalogue.sample_records import VALID

DAY: Final = {"type": "int", "logicalType": "date"}
SCHEMA: Final[Mapping[str, object]] = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "key", "type": "string"},
        {
            "name": "person",
            "type": {
                "type": "record",
                "name": "Person",
                "fields": [{"name": "name", "type": "string"}, {"name": "born_on", "type": DAY}],
            },
        },
        {"name": "codes", "type": ["null", {"type": "array", "items": "long"}], "default": None},
    ],
}
PETROVA: Final = {"name": "Петрова", "born_on": "1931-05-02"}


def bound(text: str | None = None) -> Binding:
    mapping = None if text is None else read_mapping("mapping.test.yaml", text.encode())
    columns = ("key", "person", "codes")
    return bind(columns, SCHEMA, mapping=mapping, json=True)


def fitted(binding: Binding, **cells: Cell) -> MappedRow | BadRow | None:
    return binding.apply(Row(number=7, cells=cells))


def problems(binding: Binding, **cells: Cell) -> list[Problem]:
    row = fitted(binding, **cells)
    assert isinstance(row, BadRow)
    return list(row.problems)


@pytest.mark.parametrize("dataset", list(VALID))
def test_a_record_written_as_a_line_comes_back_whole(dataset: DatasetCode, tmp_path: Path) -> None:
    schema = factories.region().contracts[dataset].newest.schema
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(VALID[dataset], default=as_text, ensure_ascii=False))
    table = open_table(path)
    assert table.holds_json
    (row,) = table
    assert isinstance(row, Row)
    mapped = bind(table.columns, schema, mapping=None, json=True).apply(row)
    assert isinstance(mapped, MappedRow), mapped
    assert decoder(schema)(encoder(schema, 1)(mapped.values)) == VALID[dataset]


def test_every_misfit_is_told_with_its_path_and_without_the_value() -> None:
    born = {"name": 112233445, "born_on": "вчера", "age": 3}
    told = problems(bound(), key="k", person=born, codes=[1, "два"])
    places = ["person", "person.name", "person.born_on", "codes[]"]
    assert [(one.kind, one.field) for one in told] == [(ProblemKind.MISFIT, p) for p in places]
    for language in ("en", "ru"):
        words = " | ".join(one.spoken(language) for one in told)
        assert "вчера" not in words
        assert "112233445" not in words
        assert "два" not in words
    assert told[1].spoken("en") == (
        "field «person.name», column «person», found «a value of type int»: expected text"
    )
    assert told[1].spoken("ru") == (
        "поле «person.name», столбец «person», найдено «значение типа int»: ожидается: текст"
    )


def test_a_value_that_is_missing_is_null_or_told() -> None:
    row = fitted(bound(), key="k", person=dict(PETROVA), codes=None)
    assert isinstance(row, MappedRow)
    assert row.values["codes"] is None
    (told,) = problems(bound(), key="k", person=None)
    assert (told.kind, told.field) == (ProblemKind.VALUE_MISSING, "person")


@pytest.mark.parametrize(
    "text",
    [
        "fields: {key: {column: key}, person: {column: person}}",
        "fields: {key: {columns: [codes, key]}, person: {column: person}}",
        "{fields: {key: {column: key}, person: {column: person}}, version: {column: key}}",
        "{fields: {key: {column: codes}, person: {column: person}},"
        " rows: [{column: key, matches: x}]}",
    ],
)
def test_a_list_is_no_value_of_a_field_that_takes_one(text: str) -> None:
    found = problems(bound(text), key=["Петрова"], person=dict(PETROVA), codes="x")
    assert {one.kind for one in found} == {ProblemKind.NESTED_VALUE}
    assert "Петрова" not in "".join(map(str, found))


def test_steps_of_a_mapping_on_such_a_field_are_findings() -> None:
    text = """
        fields:
          key: {column: key, strip: "-"}
          person: {column: person, strip: "-", map: {a: b}, date_format: "%Y"}
          codes: {columns: [key, codes], join: ""}
    """
    with pytest.raises(DocumentError) as caught:
        bound(text)
    found = [str(finding.found) for finding in caught.value.findings]
    assert found == [
        "`strip` for field `person` of type record",
        "`map` for field `person` of type record",
        "`date_format` for field `person` of type record",
        "`columns` for field `codes` of type array",
    ]


def test_tables_of_plain_cells_still_can_not_fill_such_a_field() -> None:
    with pytest.raises(DocumentError, match="a type that one cell can fill"):
        bind(("key", "person"), SCHEMA, mapping=None)
