from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Final, get_args

import pytest
import yaml

import bus
from bus.contracts.evolution import Direction
from bus.contracts.gate import RefusalReason
from bus.contracts.rules import CelRule, Rule
from bus.errors import DocumentError, Finding, InvariantBroken
from bus.local.processes import Ending
from bus.observe.connectors import Direction as ConnectorDirection
from bus.observe.explain import codes
from bus.provision.catalogue_apply import Step as ApplyStep
from bus.quarantine.decision import DecisionKind
from bus.tables.problems import ProblemKind
from bus.texts import Language, Texts, all_texts, finding_at, message, text
from bus.verify.check import Step as VerifyStep

BUS: Final = Path(bus.__file__).parent
TEXTS: Final = sorted((BUS / "texts").glob("*.yaml"))
CALLS: Final = frozenset({"message", "text", "tell", "finding_at"})
RAISED: Final = frozenset({"DocumentError", "Unavailable", "BadParameter", "confirm"})
SPOKEN: Final = frozenset({"found", "expected", "remedy"})

#: Keys that code puts together of a prefix and a member of a closed list.
DERIVED: Final = frozenset(
    {f"{subject}.{code}" for subject, code in codes()}
    | {f"problem.{kind}" for kind in ProblemKind}
    | {f"error.evolution.{direction}" for direction in Direction}
    | {f"error.quarantine.not_enough.{kind}" for kind in DecisionKind}
    | {f"catalogue.step.{step}" for step in ApplyStep}
    | {f"local.ending.{ending}" for ending in Ending}
    | {f"verify.step.{step}" for step in VerifyStep}
    | {f"direction.{direction}" for direction in ConnectorDirection}
    | {
        f"error.gate.{reason}.{part}"
        for reason in RefusalReason
        if reason is not RefusalReason.DOCUMENT_LACKING  # says what the passport lacks
        for part in SPOKEN
    }
    | {
        f"error.rule.suits.{get_args(rule.model_fields['kind'].annotation)[0]}"
        for rule in get_args(get_args(Rule)[0])
        if rule is not CelRule  # says itself what its expression can't judge
    }
)
KEY: Final = re.compile(r"[a-z]+(?:\.[a-z0-9_-]+)+")
PREFIX: Final = re.compile(r"(?:[a-z_]+\.)+")

PROPER_RUSSIAN: Final = re.compile(r"ИНН|КПП|ОГРН(?:ИП)?|СНИЛС|ОКТМО|ОКАТО|ОКПО|БИК|МФЦ|да|нет")


@cache
def modules() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple(
        (path.relative_to(BUS), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(BUS.rglob("*.py"))
    )


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Give every call with the last name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name, node
                case _:
                    pass


def constants(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def named_in_templates() -> Iterator[str]:
    for path in BUS.rglob("*.html"):
        yield from re.findall(r"[\"']([a-z_.-]+)[\"']", path.read_text(encoding="utf-8"))


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def words_in(node: ast.expr) -> bool:
    """Tell whether an expression writes words of its own: a text with letters outside of `…`."""
    match node:
        case ast.Constant(value=str(written)):
            return re.search(r"[A-Za-zА-Яа-я]{2}", re.sub(r"`[^`]*`", "", written)) is not None
        case ast.JoinedStr(values=parts):
            written = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "0" for part in parts
            )
            return words_in(ast.Constant(value=written))
        case ast.BinOp(left=left, right=right):
            return words_in(left) or words_in(right)
        case ast.BoolOp(values=values):
            return any(map(words_in, values))
        case ast.IfExp(body=body, orelse=other):
            return words_in(body) or words_in(other)
    return False


def of_console(called: ast.expr) -> bool:
    match called:
        case ast.Attribute(value=ast.Name(id="talk" | "results")):
            return True
    return False


def english_only(tree: ast.AST) -> Iterator[int]:
    """Give the lines of what is told to people whose words are written where they are made."""
    for name, call in calls(tree):
        told: Sequence[ast.expr] = ()
        if name in RAISED or (name == "print" and of_console(call.func)):
            told = call.args[:1]
        if name == "translated":
            told = call.args
        if name in {"Finding", "finding"}:
            told = [word.value for word in call.keywords if word.arg in SPOKEN]
        yield from (node.lineno for node in told if words_in(node))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_key_stands_twice_and_each_has_both_languages(path: Path) -> None:
    node = yaml.compose(path.read_text(encoding="utf-8"))
    assert isinstance(node, yaml.MappingNode)
    keys = [name.value for name, _ in node.value]
    assert [key for key in keys if keys.count(key) > 1] == []
    for name, entry in node.value:
        languages = [language.value for language, _ in entry.value]
        assert sorted(languages) == ["en", "ru"], name.value


def test_a_key_of_both_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in TEXTS:
        (tmp_path / path.name).write_text("a.b: {en: a, ru: а}\n", encoding="utf-8")
    monkeypatch.setattr("bus.texts.files", lambda _: tmp_path)
    with pytest.raises(InvariantBroken, match=r"text 'a\.b' stands elsewhere too"):
        Texts("bus.texts", [path.name for path in TEXTS]).all  # noqa: B018 - reading is the test


def test_both_languages_take_the_same_values() -> None:
    apart = [
        key
        for key, entry in all_texts().items()
        if placeholders(entry["en"]) != placeholders(entry["ru"])
    ]
    assert apart == []


def test_each_language_is_written_in_its_own_letters() -> None:
    for key, entry in all_texts().items():
        if key == "page.language":  # leads to the other language, and is written in it
            continue
        own_words = re.sub(r"`[^`]*`|\{[^}]*\}", "", entry["en"])
        if entry["en"] != entry["ru"] or re.search("[A-Za-z]{2}", own_words):
            assert re.search("[А-Яа-яЁё]", entry["ru"]), f"{key} has no Russian in `ru`"
        assert not re.search("[А-Яа-яЁё]", PROPER_RUSSIAN.sub("", entry["en"])), key


def test_every_key_that_code_names_is_in_the_catalogue() -> None:
    lacking = []
    for path, tree in modules():
        for name, call in calls(tree):
            place = 1 if name == "finding_at" else 0
            if name not in CALLS or len(call.args) <= place:
                continue
            for key in constants(call.args[place]):
                full = [f"{key}.{part}" for part in SPOKEN] if name == "finding_at" else [key]
                if KEY.fullmatch(key):
                    lacking += [f"{path}:{call.lineno} {k}" for k in full if k not in all_texts()]
    assert lacking == []


def test_every_heading_of_a_table_is_in_the_catalogue() -> None:
    named = {
        f"column.{constant}"
        for _, tree in modules()
        for name, call in calls(tree)
        if name in {"heading", "headings"}
        for argument in call.args
        for constant in constants(argument)
        if constant
    }
    columns = {key for key in all_texts() if key.startswith("column.")}
    assert (named - columns, columns - named) == (set(), set())


def test_every_code_that_is_given_to_people_has_its_text() -> None:
    assert sorted(DERIVED - all_texts().keys()) == []


def test_every_key_of_the_catalogue_is_named_in_code() -> None:
    named = {constant for _, tree in modules() for constant in constants(tree)}
    named.update(named_in_templates())
    prefixes = tuple(name for name in named if PREFIX.fullmatch(name))
    named |= {f"{key}.{part}" for key in named for part in SPOKEN}
    unused = all_texts().keys() - named - DERIVED
    assert sorted(key for key in unused if not key.startswith(prefixes)) == []


def test_errors_are_worded_in_the_catalogue() -> None:
    written = [f"{path}:{line}" for path, tree in modules() for line in english_only(tree)]
    assert written == []


def test_an_error_of_the_catalogue_speaks_both_languages() -> None:
    finding = finding_at("system edu-registry", "error.access.super_user")
    error = DocumentError(message("error.access.unlimited_systems"), [finding])
    assert str(error) == error.spoken("en")
    assert error.spoken("en").splitlines() == [
        "systems that no right could limit",
        "system edu-registry: found the name of a super user of the Kafka cluster; expected a code "
        "of its own. Give the system another code, or take the user out of super.users.",
    ]
    assert error.spoken("ru").splitlines() == [
        "системы, которые нельзя ограничить никакими правами",
        "system edu-registry: найдено: имя администратора кластера Kafka; ожидается: собственный "
        "код. Дайте системе другой код или уберите пользователя из super.users.",
    ]


def test_words_inside_words_are_said_in_the_same_language() -> None:
    said = message("error.kafka.silent", told=message("doing.kafka.reading_brokers"))
    assert said.spoken("ru").startswith("чтение списка брокеров кластера; ")
    assert str(said).startswith("reading the cluster's brokers; ")


def test_a_value_may_bear_any_name_and_any_braces() -> None:
    told = message("error.document.did_you_mean", name="{key}", key="k", language="l")
    assert str(told) == "Did you mean `{key}`?"
    assert text("error.document.none", Language.RU, key=1) == "(ничего)"


def test_a_finding_of_plain_words_stays_as_it_is() -> None:
    finding = Finding(path="a", found="b", expected="c", remedy="D.")
    assert finding.spoken("ru") == "a: найдено: b; ожидается: c. D."


def test_an_exception_is_kept_as_what_it_says() -> None:
    told = message("error.kafka.silent", told=OSError("connection reset"))
    assert told.values == {"told": "connection reset"}
