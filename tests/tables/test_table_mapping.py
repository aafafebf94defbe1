"""From the columns of real and small tables to values that an Avro encoder takes."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.contracts.check_digits import Algorithm, is_valid
from bus.errors import DocumentError
from bus.model.record import Operation
from bus.tables.binding import bind
from bus.tables.fitting import Binding, MappedRow
from bus.tables.mapping import MappingFile, read_mapping
from bus.tables.opening import open_table
from bus.tables.problems import Problem, ProblemKind
from bus.tables.table import BadRow, Cell, Row
from bus.tables.targets import TargetType, targets_of
from bus.tables.values import Notation, Refused, value_of
from tests.tables.table_files import shared
from tests.texts.english import in_english

Type = str | dict[str, object] | list[object]
DATE: Final[Type] = {"type": "int", "logicalType": "date"}
MOMENT: Final[Type] = {"type": "long", "logicalType": "timestamp-millis"}
DECIMAL: Final[Type] = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
SIZE: Final[Type] = {"type": "enum", "name": "Size", "symbols": ["SMALL", "LARGE"]}
SAMARA: Final = ZoneInfo("Europe/Samara")


def schema(**fields: object) -> dict[str, object]:
    listed = [{"name": name, "type": declared} for name, declared in fields.items()]
    return {"type": "record", "name": "R", "namespace": "ru.test", "fields": listed}


def mapping(text: str) -> MappingFile:
    return read_mapping("mapping.test.yaml", text.encode())


def bound(columns: Sequence[str], avro: dict[str, object], text: str | None = None) -> Binding:
    return bind(columns, avro, mapping=None if text is None else mapping(text))


def fit(text: str, declared: object, **cells: Cell) -> object:
    """Fit one field `f`: its value, or the kinds of its problems."""
    row = Row(number=7, cells=cells)
    fitted = bound(tuple(cells), schema(f=declared), text).apply(row)
    if isinstance(fitted, BadRow):
        return [problem.kind for problem in fitted.problems]
    assert isinstance(fitted, MappedRow)
    return fitted.values["f"]


def read_all(path: Path, avro: dict[str, object], text: str) -> list[MappedRow | BadRow]:
    file = mapping(text)
    table = open_table(path, file.mapping.table)
    binding = bind(table.columns, avro, mapping=file)
    fitted = [binding.apply(row) if isinstance(row, Row) else row for row in table]
    return [row for row in fitted if row is not None]


def test_the_real_oktmo_classifier_becomes_records_with_valid_codes() -> None:
    avro = schema(code="string", controlled="string", name="string", centre=["null", "string"])
    rows = read_all(
        shared("territories/oktmo_36_samara_municipalities.cp1251.csv"),
        avro,
        r"""
        table: {header: false, encoding: windows-1251}
        rows: [{column: 1, matches: '^36 [67]\d\d 4\d[1-9]'}]
        fields:
          code: {column: 1, remove: " "}
          controlled: {columns: [1, 2], join: "", remove: " "}
          name: {column: 3, strip: "-/", collapse_spaces: true}
          centre: {column: 4}
        """,
    )
    values = [row.values for row in rows if isinstance(row, MappedRow)]
    assert len(values) == len(rows) > 200
    assert values[0] == {
        "code": "36602404",
        "controlled": "366024040",
        "name": "Авангард",
        "centre": "п Авангард",
    }
    for row in values:
        assert is_valid(Algorithm.OKTMO, str(row["code"]))
        assert is_valid(Algorithm.OKTMO_CONTROLLED, str(row["controlled"]))


def test_the_real_workbook_of_organisations_becomes_records() -> None:
    avro = schema(
        inn="string",
        okved=["null", "string"],
        measure={"type": "enum", "name": "Measure", "symbols": ["THOUSANDS", "MILLIONS"]},
        filed=DATE,
        assets="long",
        source="string",
    )
    rows = read_all(
        shared("organisations/rosstat_boo_2012_1000.xls"),
        avro,
        """
        fields:
          inn: {column: inn}
          okved: {columns: [ok1, ok2, ok3], join: "."}
          measure: {column: unit, map: {"384": THOUSANDS, "385": MILLIONS}}
          filed: {column: date, date_format: "%Y%m%d"}
          assets: {column: ta}
          source: {constant: Росстат}
        """,
    )
    assert len(rows) == 1000
    first = rows[0]
    assert isinstance(first, MappedRow)
    assert first.values == {
        "inn": "2457009983",
        "okved": "65.23.1",
        "measure": "THOUSANDS",
        "filed": date(2013, 6, 19),
        "assets": 6064042,
        "source": "Росстат",
    }
    bad = [row for row in rows if isinstance(row, BadRow)]
    # Three rows of this real file count in another unit than the rest (code 383, roubles).
    assert [[problem.kind for problem in row.problems] for row in bad] == [
        [ProblemKind.NOT_IN_MAP]
    ] * len(bad)
    assert {problem.found for row in bad for problem in row.problems} == {"383"}
    assert 0 < len(bad) < 10


def test_real_decimal_commas_become_numbers() -> None:
    rows = read_all(
        shared("dirty_tables/fss_4165_data.csv"),
        schema(region="string", children="long", weight="double"),
        """
        fields:
          region: {column: Регион}
          children: {column: "Количество детей, чел.", decimal_comma: true}
          weight: {column: "Средний вес новорожденных детей, кг.", decimal_comma: true}
        """,
    )
    first = rows[0]
    assert isinstance(first, MappedRow)
    assert first.values == {"region": "Амурская область", "children": 5294, "weight": 3.24}
    assert all(isinstance(row, MappedRow) for row in rows)


def test_real_cells_with_numbers_as_text_and_as_numbers_become_numbers() -> None:
    rows = read_all(
        shared("dirty_tables/infogorod_table7.xls"),
        schema(payer="string", planned=["null", "double"]),
        """
        table: {header: false, skip_rows: 3}
        fields:
          payer: {column: 3}
          planned: {column: 4, remove: " ", decimal_comma: true, empty: ["-"]}
        """,
    )
    values = [row.values for row in rows if isinstance(row, MappedRow)]
    assert values[0] == {"payer": "всего", "planned": 55068113.2}
    assert values[3] == {"payer": "федеральный бюджет", "planned": 1220645.8}
    assert {"payer": "всего", "planned": 0.0} in values
    assert len(values) == len(rows)


def test_steps_follow_one_order() -> None:
    text = """
        fields:
          f:
            column: a
            strip: "()"
            collapse_spaces: true
            remove: "№ "
            pattern: "n([0-9]+)"
            map: {"7": "42"}
            pad_left: {width: 4, with: "0"}
    """
    assert fit(text, "string", a="( № n  7 )") == "42"
    assert fit(text.replace('map: {"7": "42"}', ""), "string", a="(№ n 7)") == "0007"
    assert fit(text, "string", a="(№ n 8)") == [ProblemKind.NOT_IN_MAP]
    assert fit(text, "string", a="8") == [ProblemKind.PATTERN_NOT_FOUND]


def test_a_code_that_excel_stored_as_a_number_gets_its_zeros_back_only_when_asked() -> None:
    padded = "fields: {f: {column: a, pad_left: {width: 10}}}"
    assert fit(padded, "string", a=274062111) == "0274062111"
    assert fit("fields: {f: {column: a}}", "string", a=274062111) == "274062111"


def test_no_value_is_null_where_null_fits_and_a_problem_elsewhere() -> None:
    text = 'fields: {f: {column: a, empty: ["-", "нет"], map: {"x": null, "y": "z"}}}'
    for cell in (None, "-", "нет", "x"):
        assert fit(text, ["null", "string"], a=cell) is None
        assert fit(text, "string", a=cell) == [ProblemKind.VALUE_MISSING]
    assert fit(text, "string", a="y") == "z"


def test_a_decimal_comma_leaves_no_room_for_a_point() -> None:
    text = "fields: {f: {column: a, decimal_comma: true}}"
    assert fit(text, "double", a="1234,5") == 1234.5
    assert fit(text, "double", a="1.234,5") == [ProblemKind.NOT_A_NUMBER]
    # Why: 1.234 may be one and a bit or a thousand and more; neither is guessed.
    assert fit(text, "double", a="1.234") == [ProblemKind.NOT_A_NUMBER]


def test_signs_are_taken_off_both_ends_with_the_spaces_between_them() -> None:
    text = 'fields: {f: {column: a, strip: "-/"}}'
    assert fit(text, "string", a="- - село Рождествено / /") == "село Рождествено"
    assert fit(text, "string", a="a - b") == "a - b"


def test_a_cell_that_no_step_changes_keeps_its_type() -> None:
    text = 'fields: {f: {column: a, empty: ["-"]}}'
    assert fit(text, "double", a=1e22) == 1e22


def test_joined_columns_leave_empty_cells_out() -> None:
    text = 'fields: {f: {columns: [a, b, c], join: ", "}}'
    assert fit(text, "string", a="1", b=None, c=3) == "1, 3"
    assert fit(text, ["string", "null"], a=None, b=None, c=None) is None


@pytest.mark.parametrize(
    ("declared", "cell", "expected"),
    [
        ("string", 12, "12"),
        ("string", 1.5, "1.5"),
        ("string", True, "true"),
        ("string", date(2026, 1, 31), "2026-01-31"),
        ("boolean", "Да", True),
        ("boolean", "FALSE", False),
        ("boolean", True, True),
        ("boolean", 1, [ProblemKind.NOT_A_BOOLEAN]),
        ("boolean", "1", [ProblemKind.NOT_A_BOOLEAN]),
        ("int", "2147483647", 2**31 - 1),
        ("int", "2147483648", [ProblemKind.OUT_OF_RANGE]),
        ("int", "-2147483648", -(2**31)),
        ("long", 2**63 - 1, 2**63 - 1),
        ("long", "9223372036854775808", [ProblemKind.OUT_OF_RANGE]),
        ("long", "12.0", 12),
        ("long", "12.5", [ProblemKind.NOT_AN_INTEGER]),
        ("long", "12,0", [ProblemKind.NOT_AN_INTEGER]),
        ("long", "1e3", [ProblemKind.NOT_AN_INTEGER]),
        ("long", "١٢", [ProblemKind.NOT_AN_INTEGER]),
        ("long", True, [ProblemKind.NOT_AN_INTEGER]),
        ("double", "-0.5", -0.5),
        ("double", 3, 3.0),
        ("double", "NaN", [ProblemKind.NOT_A_NUMBER]),
        ("double", math.inf, [ProblemKind.NOT_A_NUMBER]),
        ("float", "1" + "0" * 39, [ProblemKind.OUT_OF_RANGE]),
        (SIZE, "SMALL", "SMALL"),
        (SIZE, "small", [ProblemKind.NOT_A_SYMBOL]),
        (DATE, "2026-01-31", date(2026, 1, 31)),
        (DATE, "31.01.2026", date(2026, 1, 31)),
        (DATE, date(2026, 1, 31), date(2026, 1, 31)),
        (DATE, "31.02.2026", [ProblemKind.NOT_A_DATE]),
        (DATE, "01/31/2026", [ProblemKind.NOT_A_DATE]),
        (DATE, 46053, [ProblemKind.NOT_A_DATE]),
        (DATE, datetime(2026, 1, 31, 9, tzinfo=UTC), [ProblemKind.NOT_A_DATE]),
        (MOMENT, "2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        (MOMENT, "2026-01-31 09:30", [ProblemKind.NO_TIME_ZONE]),
        (MOMENT, "вчера", [ProblemKind.NOT_A_MOMENT]),
    ],
)
def test_cells_are_read_as_the_type_of_their_field(
    declared: Type, cell: Cell, expected: object
) -> None:
    assert fit("fields: {f: {column: a}}", declared, a=cell) == expected


@pytest.mark.parametrize(
    "cell",
    [
        "31.01.2026 09:30",
        "2026-01-31T09:30",
        "2026-01-31 09:30:00",
        "2026-01-31T05:30:00Z",
        datetime(2026, 1, 31, 9, 30),  # noqa: DTZ001 - Excel has no zones
    ],
)
def test_moments_without_a_zone_take_the_stated_one(cell: Cell) -> None:
    text = "{time_zone: Europe/Samara, fields: {f: {column: a}}}"
    expected = datetime(2026, 1, 31, 9, 30, tzinfo=timezone(timedelta(hours=4)))
    assert fit(text, MOMENT, a=cell) == expected


def test_every_problem_of_a_row_is_told_at_once() -> None:
    binding = bound(
        ("n", "d", "s"),
        schema(n="long", d=DATE, s="string", size=SIZE),
        "fields: {n: {column: n}, d: {column: d}, s: {column: s}, size: {constant: SMALL}}",
    )
    fitted = binding.apply(Row(number=12, cells={"n": "x", "d": "y", "s": None}))
    assert isinstance(fitted, BadRow)
    assert fitted.number == 12
    assert [(p.field, p.kind, p.found) for p in fitted.problems] == [
        ("n", ProblemKind.NOT_AN_INTEGER, "x"),
        ("d", ProblemKind.NOT_A_DATE, "y"),
        ("s", ProblemKind.VALUE_MISSING, None),
    ]


def test_values_of_personal_fields_stay_out_of_problems() -> None:
    binding = bind(
        ("снилс", "рост"),
        schema(снилс="long", рост="long"),
        mapping=None,
        personal=frozenset({"снилс"}),
    )
    fitted = binding.apply(Row(number=3, cells={"снилс": "112-233-445 95", "рост": "высокий"}))
    assert isinstance(fitted, BadRow)
    words = " | ".join(p.spoken(lang) for p in fitted.problems for lang in ("ru", "en"))
    assert "112-233" not in words
    assert words.count("высокий") == 2
    assert words.count("снилс") == 4


def test_a_column_may_keep_the_version_of_the_record() -> None:
    text = "{version: {column: v}, fields: {f: {column: a}}}"
    binding = bound(("a", "v"), schema(f="string"), text)
    assert binding.apply(Row(number=1, cells={"a": "x", "v": 8})) == MappedRow(
        number=1, values={"f": "x"}, version=8
    )
    bad = binding.apply(Row(number=1, cells={"a": "x", "v": None}))
    assert isinstance(bad, BadRow)
    assert (bad.problems[0].field, bad.problems[0].kind) == ("version", ProblemKind.VALUE_MISSING)
    assert binding.unmapped_columns == ()


def test_a_column_may_say_what_a_row_does_to_its_entry() -> None:
    text = """
        operation: {column: s, map: {есть: null, ошибка: annul, конец: cease}}
        fields: {f: {column: a}}
    """
    binding = bound(("a", "s"), schema(f="string"), text)
    found = [
        binding.apply(Row(number=1, cells={"a": "x", "s": said}))
        for said in ("есть", "", "ошибка", "конец")
    ]
    assert [one.operation for one in found if isinstance(one, MappedRow)] == [
        None, None, Operation.ANNUL, Operation.CEASE,
    ]  # fmt: skip
    bad = binding.apply(Row(number=1, cells={"a": "x", "s": "?"}))
    assert isinstance(bad, BadRow)
    assert (bad.problems[0].field, bad.problems[0].kind) == ("operation", ProblemKind.NOT_IN_MAP)
    assert binding.unmapped_columns == ()
    as_it_stands = bound(
        ("a", "s"), schema(f="string"), "{operation: {column: s}, fields: {f: {column: a}}}"
    )
    other = as_it_stands.apply(Row(number=1, cells={"a": "x", "s": "delete"}))
    assert isinstance(other, BadRow)
    assert other.problems[0].field == "operation"


def test_rows_are_taken_only_when_every_condition_holds() -> None:
    text = """
        rows:
          - {column: a, starts_with: "36 "}
          - {column: b, one_of: ["1", "2"]}
          - {column: c, matches: "^$"}
        fields: {f: {column: a}}
    """
    binding = bound(("a", "b", "c"), schema(f="string"), text)
    taken: dict[str, Cell] = {"a": "36 602", "b": 1, "c": None}
    others: list[dict[str, Cell]] = [{"a": "37 602"}, {"b": 3}, {"b": None}, {"c": "x"}]
    assert isinstance(binding.apply(Row(number=1, cells=taken)), MappedRow)
    for other in others:
        assert binding.apply(Row(number=1, cells={**taken, **other})) is None


def test_without_a_mapping_columns_fill_fields_of_their_name() -> None:
    binding = bound(
        (" Полное Имя ", "ИНН", "лишний"),
        schema(полноеимя="string", инн="string", note=["null", "string"]),
    )
    assert binding.unmapped_columns == ("лишний",)
    assert binding.unfilled_fields == ("note",)
    fitted = binding.apply(Row(number=1, cells={" Полное Имя ": "а", "ИНН": "1", "лишний": "-"}))
    assert isinstance(fitted, MappedRow)
    assert fitted.values == {"полноеимя": "а", "инн": "1"}


def test_without_a_mapping_missing_and_doubtful_columns_are_told_at_once() -> None:
    with pytest.raises(DocumentError) as error:
        bound(("имя", "И МЯ", "код"), schema(имя="string", инн="string", kpp="string", x=["null"]))
    assert [str(finding.found) for finding in error.value.findings] == [
        "columns `имя` and `И МЯ` both named like field `имя`",
        "no source for field `инн` (string)",
        "no source for field `kpp` (string)",
    ]
    assert "not used so far: имя, код" in str(error.value)


def test_everything_wrong_between_mapping_table_and_schema_is_told_at_once_with_lines() -> None:
    text = "\n".join(
        [
            "rows:",
            "  - {column: статус, starts_with: д}",
            "version: {column: верси}",
            "fields:",
            "  naem: {column: имя}",
            "  code: {column: кот}",
            "  tags: {column: имя}",
            "  title: {column: имя, decimal_comma: true}",
            "  size: {constant: HUGE}",
        ]
    )
    avro = schema(
        name="string",
        code="string",
        tags={"type": "array", "items": "string"},
        title="string",
        size=SIZE,
    )
    with pytest.raises(DocumentError) as error:
        bound(("имя", "код", "версия"), avro, text)
    found = {finding.path: in_english(finding) for finding in error.value.findings}
    assert "naem" in str(found["mapping.test.yaml:5 fields.naem"].found)
    assert found["mapping.test.yaml:5 fields.naem"].remedy == "Did you mean `name`?"
    assert found["mapping.test.yaml:6 fields.code"].remedy == "Did you mean `код`?"
    assert "of type array" in str(found["mapping.test.yaml:7 fields.tags"].found)
    assert "`decimal_comma`" in str(found["mapping.test.yaml:8 fields.title"].found)
    assert found["mapping.test.yaml:9 fields.size"].found == "constant 'HUGE'"
    assert "статус" in str(found["mapping.test.yaml:2 rows[0]"].found)
    assert found["mapping.test.yaml:3 version"].remedy == "Did you mean `версия`?"
    assert "no source for field `name`" in str(found["mapping.test.yaml"].found)
    assert len(found) == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fields: {}", "fields"),
        ("fields: {f: {column: a, constant: b}}", "exactly one of column, columns, constant"),
        ("fields: {f: {strip: a}}", "exactly one of column, columns, constant"),
        ("fields: {f: {column: a, join: x}}", "`join` only beside `columns`"),
        ("fields: {f: {column: a, colapse_spaces: true}}", "Did you mean `collapse_spaces`"),
        ("fields: {f: {column: a, pattern: '[0-9]+'}}", "exactly one group"),
        ("fields: {f: {column: a, pattern: '([0-9]+'}}", "regular expression"),
        ("fields: {f: {column: a, pad_left: {width: 0}}}", "greater than or equal to 1"),
        ("fields: {f: {column: a, pad_left: {width: 4, with: ab}}}", "at most 1"),
        ("{time_zone: Mars, fields: {f: {column: a}}}", "zone such as Europe/Samara"),
        ("{rows: [{column: a}], fields: {f: {column: a}}}", "exactly one of starts_with"),
        ("{table: {delimiter: x}, fields: {f: {column: a}}}", "table.delimiter"),
        ("{table: {encoding: martian}, fields: {f: {column: a}}}", "table.encoding"),
        ("[]", "mapping"),
    ],
)
def test_a_wrong_mapping_file_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(DocumentError) as error:
        mapping(text)
    assert words in str(error.value)
    assert "mapping.test.yaml:1" in str(error.value)


def test_all_options_of_a_table_may_be_stated_in_a_mapping() -> None:
    file = mapping(
        r"""
        table: {encoding: cp866, delimiter: "\t", quote: "", header: false, skip_rows: 3}
        fields: {f: {column: 1}}
        """
    )
    options = file.mapping.table
    assert (options.encoding, options.delimiter, options.quote) == ("ibm866", "\t", "")
    assert options.stated == {"encoding", "delimiter", "quote", "header", "skip_rows"}


def test_an_enum_that_is_named_again_is_known() -> None:
    targets = targets_of(schema(a=SIZE, b="Size", c=["null", "ru.test.Size"], d="Other"))
    assert targets["b"].symbols == targets["c"].symbols == ("SMALL", "LARGE")
    assert targets["c"].nullable
    assert targets["d"].type is None


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "array", "items": "string"},
        ["null", "string", "long"],
        ["null"],
        "bytes",
    ],
)
def test_types_that_one_cell_can_not_fill_are_known_as_such(declared: object) -> None:
    assert targets_of(schema(f=declared))["f"].type is None


@pytest.mark.parametrize(
    ("cell", "comma", "expected"),
    [
        ("17210,15", True, Decimal("17210.15")),
        ("19093", True, Decimal("19093.00")),
        (17210.15, False, Decimal("17210.15")),
        (7, False, Decimal("7.00")),
        ("17210.15", True, Refused(ProblemKind.NOT_A_NUMBER, ",")),
        ("0,125", True, Refused(ProblemKind.TOO_MANY_DIGITS, "9, 2")),
        ("10000000", True, Refused(ProblemKind.TOO_MANY_DIGITS, "9, 2")),
        (1e300, False, Refused(ProblemKind.TOO_MANY_DIGITS, "9, 2")),
    ],
)
def test_decimals_are_exact_and_never_rounded(cell: Cell, comma: bool, expected: object) -> None:
    target = targets_of(schema(f=["null", DECIMAL]))["f"]
    assert value_of(cell, target, Notation(decimal_comma=comma)) == expected


@pytest.mark.parametrize("kind", list(ProblemKind))
def test_every_problem_has_words_in_both_languages(kind: ProblemKind) -> None:
    problem = Problem(kind=kind, field="f", column="c", found="x" * 200, expected="{expected}")
    for language in ("ru", "en"):
        words = problem.spoken(language)
        assert "«f»" in words
        assert "«c»" in words
        assert "x" * 81 not in words
    assert problem.spoken("ru") != problem.spoken("en")


CELLS: Final = st.one_of(
    st.text(max_size=20),
    st.from_regex(r"[+-]?[0-9]{1,25}([.,][0-9]{1,3})?", fullmatch=True),
    st.dates().map(date.isoformat),
    st.dates().map(lambda day: f"{day:%d.%m.%Y}"),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.sampled_from(["да", "False", "SMALL"]),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
)
DECLARED: Final[dict[TargetType, Type]] = {
    TargetType.STRING: "string",
    TargetType.BOOLEAN: "boolean",
    TargetType.INT: "int",
    TargetType.LONG: "long",
    TargetType.FLOAT: "float",
    TargetType.DOUBLE: "double",
    TargetType.DECIMAL: DECIMAL,
    TargetType.ENUM: SIZE,
    TargetType.DATE: DATE,
    TargetType.TIMESTAMP_MILLIS: MOMENT,
}


@given(cell=CELLS, kind=st.sampled_from(list(TargetType)), comma=st.booleans())
def test_any_cell_is_refused_or_becomes_what_the_encoder_takes(
    cell: Cell, kind: TargetType, comma: bool
) -> None:
    avro = schema(f=DECLARED[kind])
    target = targets_of(avro)["f"]
    assert target.type is kind
    value = value_of(cell, target, Notation(decimal_comma=comma, zone=SAMARA))
    if isinstance(value, Refused):
        return
    parsed = fastavro.parse_schema(avro)
    written = io.BytesIO()
    if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
        return
    fastavro.schemaless_writer(written, parsed, {"f": value}, strict=True)
    written.seek(0)
    read = fastavro.schemaless_reader(written, parsed, None)
    assert isinstance(read, dict)
    if kind is TargetType.FLOAT:
        assert isinstance(value, float)
        assert math.isclose(read["f"], value, rel_tol=1e-6, abs_tol=1e-44)
    elif kind is TargetType.TIMESTAMP_MILLIS:
        assert isinstance(value, datetime)
        assert abs(read["f"] - value) < timedelta(milliseconds=1)
    else:
        assert read["f"] == value
