from __future__ import annotations

import json
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bus.contracts.yaml_document import (
    YamlDocument,
    did_you_mean,
    dotted,
    findings_of,
    read_json,
    read_yaml,
    some_of,
)
from bus.errors import DocumentError, Finding
from tests.texts.english import in_english

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet=st.characters(codec="ascii")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc1_"), inner, max_size=3)
    ),
    max_leaves=12,
)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    minimum: int
    sign: Annotated[str, Field(alias="with")] = "+"


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["first", "second"]
    code: str
    parts: tuple[Inner, ...] = ()


def findings(text: str) -> list[Finding]:
    document = read_yaml("a.yaml", text.encode())
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(document.value)
    return list(map(in_english, findings_of(document, caught.value, Outer)))


def unreadable(content: bytes) -> Finding:
    with pytest.raises(DocumentError) as caught:
        read_yaml("a.yaml", content)
    (finding,) = map(in_english, caught.value.findings)
    return finding


def test_words_that_look_like_other_types_stay_texts() -> None:
    document = read_yaml("a.yaml", b"[no, on, 12:30, 2026-01-31, 1_000, '7', .]")
    assert document.value == ["no", "on", "12:30", "2026-01-31", "1_000", "7", "."]


def test_scalars_are_those_of_yaml_1_2() -> None:
    document = read_yaml("a.yaml", b"[~, null, '', true, False, 7, -7, 0o17, 0x1F, 1.5, 1e3, 007]")
    assert document.value == [None, None, "", True, False, 7, -7, 15, 31, 1.5, 1000.0, 7]


def test_empty_document_has_no_value() -> None:
    assert read_yaml("a.yaml", b"").value is None


def test_each_value_knows_its_line() -> None:
    document = read_yaml("a.yaml", b"a: 1\nb:\n  - x\n  - name: y\n    size: 2\n")
    assert document.place(("b", 1, "size")) == "a.yaml:5 b[1].size"
    assert document.place(("b", 0)) == "a.yaml:3 b[0]"
    assert document.place(()) == "a.yaml:1"


def test_missing_value_has_the_line_of_what_should_hold_it() -> None:
    document = read_yaml("a.yaml", b"a: 1\nb:\n  - name: y\n")
    assert document.place(("b", 0, "size", 3)) == "a.yaml:3 b[0].size[3]"


def test_name_twice_in_one_map_is_refused() -> None:
    assert unreadable(b"a: 1\nb: 2\na: 3\n") == Finding(
        path="a.yaml:3",
        found="name `a` twice in one map",
        expected="one YAML document in UTF-8",
        remedy="Mend the text at this line; indentation and quotes are the usual causes.",
    )


@pytest.mark.parametrize(
    ("content", "path", "found"),
    [
        (b"a: 1\nb: [", "a.yaml:2", "did not find expected node content"),
        (b"a: 1\n---\nb: 2\n", "a.yaml:2", "but found another document"),
        (b"a: \xff\n", "a.yaml:1", "a byte that is not UTF-8 at offset 3"),
        (b"a: &x [1]\nb: *x\n", "a.yaml:1", "an alias of this value, `*…`"),
        (b"? [a]\n: 1\n", "a.yaml:1", "a name that is a list or a map"),
        (b"[" * 34 + b"]" * 34, "a.yaml:1", "nesting deeper than 32"),
    ],
)
def test_text_that_is_no_plain_document_is_refused_with_its_line(
    content: bytes, path: str, found: str
) -> None:
    finding = unreadable(content)
    assert (finding.path, finding.found) == (path, found)


def test_nesting_of_32_is_read() -> None:
    assert read_yaml("a.yaml", b"[" * 33 + b"]" * 33).lines


@given(JSON)
def test_json_is_read_as_json_and_has_lines(value: object) -> None:
    document = read_json("a.json", json.dumps(value, indent=2).encode())
    assert document.value == value
    assert document.lines[()] == 1


def test_json_may_be_indented_with_tabs() -> None:
    document = read_json("a.json", b'{\n\t"a": [\n\t\t1]}')
    assert document.place(("a", 0)) == "a.json:3 a[0]"


def test_json_with_a_name_twice_is_refused() -> None:
    with pytest.raises(DocumentError) as caught:
        read_json("a.json", b'{"a": 1, "b": {"c": 1, "c": 1}}')
    assert (
        str(caught.value.findings[0].found) == "text that is not JSON (name `c` twice in one map)"
    )


def test_json_that_yaml_can_not_read_has_values_and_line_one() -> None:
    document = read_json("a.json", b"\n" + b"[" * 40 + b"]" * 40)
    assert document.place((0, 0)) == "a.json:1 [0][0]"


def test_yaml_is_not_json() -> None:
    with pytest.raises(DocumentError) as caught:
        read_json("a.json", b'{"a": 1,\n b: 2}')
    assert caught.value.findings[0].path == "a.json:2"
    assert str(caught.value.findings[0].expected) == "one JSON document in UTF-8"


def test_misspelt_name_is_answered_with_the_near_one() -> None:
    assert findings("kind: first\ncode: x\nparts:\n  - {minimun: 3, minimum: 2}\n") == [
        Finding(
            path="a.yaml:4 parts[0].minimun",
            found="unknown name `minimun`",
            expected="one of: minimum, with",
            remedy="Did you mean `minimum`?",
        )
    ]


def test_strange_name_is_to_be_removed() -> None:
    assert findings("kind: first\ncode: x\nzzz: 1\n") == [
        Finding(
            path="a.yaml:3 zzz",
            found="unknown name `zzz`",
            expected="one of: code, kind, parts",
            remedy="Remove `zzz`.",
        )
    ]


def test_every_problem_of_a_document_is_told_at_once() -> None:
    assert findings("kind: frist\ncode: 12\nparts: [{}]\n") == [
        Finding(
            path="a.yaml:1 kind",
            found="'frist'",
            expected="'first' or 'second'",
            remedy="Did you mean `first`?",
        ),
        Finding(
            path="a.yaml:2 code",
            found="12",
            expected="a valid string",
            remedy="Put the value in quotes.",
        ),
        Finding(
            path="a.yaml:3 parts[0].minimum",
            found="nothing",
            expected="`minimum`",
            remedy="Add `minimum`.",
        ),
    ]


def test_document_that_is_no_map_is_told_so() -> None:
    (finding,) = findings("- a\n")
    assert (finding.path, finding.found) == ("a.yaml:1", "a list of 1")


def test_long_values_are_cut_in_messages() -> None:
    (finding,) = findings(f"kind: {'f' * 200}\ncode: x\n")
    assert len(str(finding.found)) == 81


def test_paths_are_written_as_people_do() -> None:
    assert dotted(("schema", 0, "properties", 3, "name")) == "schema[0].properties[3].name"


def test_nothing_near_is_nothing_meant() -> None:
    assert did_you_mean("inn", ["oktmo", "address"]) is None
    assert did_you_mean("adress", ["oktmo", "address"]) == "address"


def test_long_lists_of_names_are_cut() -> None:
    assert str(some_of(f"n{i:02}" for i in range(14))).endswith("n11 and 2 more")
    assert str(some_of([])) == "none"


def test_place_survives_a_document_without_lines() -> None:
    document = YamlDocument(file="a.yaml", value=None, lines={})
    assert document.place(("a",)) == "a.yaml:1 a"
