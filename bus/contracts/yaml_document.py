"""A YAML or JSON document with the line of each value, and findings in words for its author."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bus.contracts.yaml_values import Path, read_values, unreadable
from bus.errors import DocumentError, Finding

__all__ = [
    "Path",
    "YamlDocument",
    "did_you_mean",
    "dotted",
    "findings_of",
    "read_json",
    "read_yaml",
    "show",
    "some_of",
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

    def finding(self, path: Path, *, found: str, expected: str, remedy: str) -> Finding:
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


def some_of(names: Iterable[str]) -> str:
    """List names for a message; a long list is cut."""
    listed = sorted(names)
    more = len(listed) - _NAMES_SHOWN_MAX
    shown = ", ".join(listed[:_NAMES_SHOWN_MAX])
    return f"{shown} and {more} more" if more > 0 else shown or "none"


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
        raise unreadable(file, line, f"text that is not JSON ({error})", "JSON") from error
    return YamlDocument(file=file, value=value, lines=_JsonLines(content))


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"name `{doubled}` twice in one map")
    return members


class _JsonLines(Mapping[Path, int]):
    """Lines of a JSON document, read by the YAML reader, of which JSON is a part, once asked for.

    Schemas are read in hundreds and seldom have a finding; their lines cost four times as much
    as their values.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content

    @cached_property
    def _lines(self) -> Mapping[Path, int]:
        try:
            # Why: YAML takes no tabs for indentation, JSON does.
            return read_values("", self._content.replace(b"\t", b" "))[1]
        except DocumentError:
            return {}  # JSON that YAML reads otherwise; findings then name line 1

    def __getitem__(self, path: Path) -> int:
        return self._lines[path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


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
        found, expected, remedy = "nothing", f"`{name}`", f"Add `{name}`."
    elif kind == "extra_forbidden":
        known = [n for n in _names_at(model, detail["loc"][:-1]) if n not in not_written]
        found, expected = f"unknown name `{name}`", f"one of: {some_of(known)}"
        remedy = _suggestion(name, known) or f"Remove `{name}`."
    elif kind in {"literal_error", "enum", "union_tag_invalid"}:
        context = detail.get("ctx", {})
        expected = str(context.get("expected") or context.get("expected_tags"))
        value = context.get("tag", detail["input"])
        found = show(value)
        remedy = _suggestion(str(value), re.findall(r"'([^']+)'", expected)) or (
            "Choose one of these."
        )
    else:
        found = show(detail["input"])
        expected, remedy = _expectation(detail), _advice(detail)
    return document.finding(path, found=found, expected=expected, remedy=remedy)


def _suggestion(name: str, known: Iterable[str]) -> str | None:
    near = did_you_mean(name, known)
    return None if near is None else f"Did you mean `{near}`?"


def show(value: object) -> str:
    """Write a document's value in a message, cut when long."""
    if isinstance(value, (dict, list)):
        return f"a {'map' if isinstance(value, dict) else 'list'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"


def _expectation(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    message = re.sub("^Input should (be|have) ", "", message)
    return message[:1].lower() + message[1:]


def _advice(detail: ErrorDetails) -> str:
    if detail["type"] == "string_type" and isinstance(detail["input"], (int, float)):
        return "Put the value in quotes."
    return "Correct the value."


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
