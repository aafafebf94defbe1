"""A YAML or JSON document with the line of each value, and findings in words for its author."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bus.contracts.yaml_values import JsonLines, Path, read_values, unreadable
from bus.errors import Bilingual, Finding, Words
from bus.texts import all_texts, finding_at, message

__all__ = [
    "Path",
    "YamlDocument",
    "counted",
    "did_you_mean",
    "dotted",
    "expectation",
    "findings_of",
    "read_json",
    "read_yaml",
    "show",
    "some_of",
    "with_suggestion",
    "words_of",
]

_SHOWN_CHARACTERS_MAX: Final = 80
_NAMES_SHOWN_MAX: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """The values of one document, and where each stands."""

    file: str
    value: object
    """Dicts, lists, texts, numbers, booleans and None."""
    lines: Mapping[Path, int]
    """From 1; of a member's name, of a list's item."""

    def place(self, path: Path) -> str:
        """Name a place as `file:line a.b[0]`; a missing value has the line of what holds it."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        where = f"{self.file}:{self.lines.get(known, 1)}"
        return f"{where} {dotted(path)}" if path else where

    def finding(self, path: Path, *, found: Words, expected: Words, remedy: Words) -> Finding:
        """Make a finding about the value at `path`."""
        return Finding(path=self.place(path), found=found, expected=expected, remedy=remedy)


def dotted(path: Path) -> str:
    """Write a path as people do: `schema[0].properties[3].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Find the known name nearest to a misspelt one, or None when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return near[0] if near else None


def some_of(names: Iterable[str]) -> Words:
    """List names for a message; a long list is cut."""
    listed = sorted(names)
    if not listed:
        return message("error.document.none")
    more = len(listed) - _NAMES_SHOWN_MAX
    shown = ", ".join(listed[:_NAMES_SHOWN_MAX])
    return message("error.document.and_more", shown=shown, count=more) if more > 0 else shown


def counted(findings: Sized) -> Words:
    """Count findings for a message."""
    if len(findings) == 1:
        return message("error.document.one_finding")
    return message("error.document.findings", count=len(findings))


def read_yaml(file: str, content: bytes) -> YamlDocument:
    """Read one document.

    Args:
        file: Name to stand in findings.
        content: UTF-8, with or without a byte order mark.

    Raises: DocumentError: not UTF-8, not YAML, a doubled name, an alias, nesting deeper than 32.
    """
    value, lines = read_values(file, content)
    return YamlDocument(file=file, value=value, lines=lines)


def read_json(file: str, content: bytes) -> YamlDocument:
    """Read a JSON document; its lines are looked up when a finding needs one.

    Args:
        file: Name to stand in findings.
        content: UTF-8.

    Raises: DocumentError: not JSON, or a doubled name.
    """
    try:
        value = json.loads(content, object_pairs_hook=_members)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        found = message("error.document.not_json", problem=words_of(error))
        raise unreadable(file, line, found, "JSON") from error
    return YamlDocument(file=file, value=value, lines=JsonLines(content))


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(message("error.document.doubled_name", name=doubled))
    return members


def findings_of(
    document: YamlDocument,
    error: ValidationError,
    model: type[BaseModel],
    *,
    under: Path = (),
    places: Mapping[str, Path] = MappingProxyType({}),
    not_written: frozenset[str] = frozenset(),
) -> list[Finding]:
    """Turn pydantic's errors into findings.

    Args:
        document: What was validated, or holds it.
        error: Of pydantic.
        model: The model that refused; its names are offered for a misspelt one.
        under: Where in the document the refused value stands.
        places: Where members stand that the document holds elsewhere, by name.
        not_written: Names of the model that an author doesn't write here.
    """
    return [
        _finding(document, detail, model, _path_of(document, detail, under, places), not_written)
        for detail in error.errors()
    ]


def _path_of(
    document: YamlDocument, detail: ErrorDetails, under: Path, places: Mapping[str, Path]
) -> Path:
    location = detail["loc"]
    base = places.get(str(location[0])) if location else None
    if base is None:
        base = under
    else:
        location = location[1:]
    missing = location[-1:] if detail["type"] == "missing" else ()
    return (
        *base,
        *_path_in(_at(document.value, base), location[: -len(missing) or None]),
        *missing,
    )


def _finding(
    document: YamlDocument,
    detail: ErrorDetails,
    model: type[BaseModel],
    path: Path,
    not_written: frozenset[str],
) -> Finding:
    name = str(detail["loc"][-1]) if detail["loc"] else document.file
    kind = detail["type"]
    if kind == "missing":
        return finding_at(document.place(path), "error.document.missing_name", name=name)
    if kind == "extra_forbidden":
        known = [n for n in _names_at(model, detail["loc"][:-1]) if n not in not_written]
        finding = finding_at(
            document.place(path), "error.document.unknown_name", name=name, known=some_of(known)
        )
        return with_suggestion(finding, name, known)
    if kind in {"literal_error", "enum", "union_tag_invalid"}:
        context = detail.get("ctx", {})
        value = context.get("tag", detail["input"])
        expected, remedy = expectation(detail), message("error.document.choose")
        finding = document.finding(path, found=show(value), expected=expected, remedy=remedy)
        return with_suggestion(finding, str(value), re.findall(r"'([^']+)'", str(expected)))
    return document.finding(
        path, found=show(detail["input"]), expected=expectation(detail), remedy=_advice(detail)
    )


def with_suggestion(finding: Finding, name: str, known: Iterable[str]) -> Finding:
    """Ask whether the known name nearest to a misspelt one was meant, where one is near."""
    near = did_you_mean(name, known)
    if near is None:
        return finding
    return replace(finding, remedy=message("error.document.did_you_mean", name=near))


def show(value: object) -> Words:
    """Write a document's value in a message, cut when long."""
    if isinstance(value, dict):
        return message("error.document.map", count=len(value))
    if isinstance(value, list):
        return message("error.document.list", count=len(value))
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"


def expectation(detail: ErrorDetails) -> Words:
    """Say what a validator of ours or pydantic expects; the rare cases of pydantic in English."""
    context = detail.get("ctx", {})
    refused = context.get("error")
    if isinstance(refused, ValueError):
        return words_of(refused)
    if allowed := context.get("expected") or context.get("expected_tags"):
        others, _, last = str(allowed).rpartition(" or ")
        return message("error.document.either", first=others, second=last) if others else last
    key = f"error.document.expects.{detail['type']}"
    if key in all_texts():
        return message(key, **context)
    told = re.sub("^Input should (be|have) ", "", detail["msg"])
    return told[:1].lower() + told[1:]


def words_of(error: Exception) -> Words:
    """Take the words that a validator of ours raised, or else what the error says in English."""
    told = error.args[0] if error.args else ""
    return told if isinstance(told, Bilingual) else str(error)


def _advice(detail: ErrorDetails) -> Words:
    if detail["type"] == "string_type" and isinstance(detail["input"], (int, float)):
        return message("error.document.quote")
    return message("error.document.correct")


def _at(value: object, path: Path) -> object:
    for part in path:
        value = cast("Any", value)[part]
    return value


def _path_in(value: object, location: Path) -> Path:
    """Keep the parts of pydantic's location that stand in the document; tags of unions don't."""
    path: list[str | int] = []
    for part in location:
        if isinstance(value, dict):
            is_there = part in value
        else:
            is_there = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if is_there:
            value = cast("Any", value)[part]
            path.append(part)
    return tuple(path)


def _names_at(model: type[BaseModel], location: Path) -> list[str]:
    """Tell which names the model allows at a location."""
    current: type[BaseModel] | None = model
    for part in location:
        if current is None or isinstance(part, int):
            continue
        for name, field in current.model_fields.items():
            if part in {name, field.alias}:
                current = _model_in(field.annotation)
                break
    if current is None:
        return []
    return [field.alias or name for name, field in current.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in models if model is not None), None)
