"""From the text of a YAML document to its values, and the line of each.

PyYAML composes the nodes (its C parser, where the wheel has it, is twenty times as fast as a
parser in Python: a worker reads hundreds of contracts at start), and values are made here by the
core schema of YAML 1.2: `no`, `12:30` and `2026-01-01` are texts, as people expect. Aliases are
refused: they make documents hard to read, and a small one can stand for gigabytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Final, TypeAlias, cast

import yaml

from bus.errors import DocumentError, Finding, Words
from bus.texts import message

Path: TypeAlias = tuple[str | int, ...]
"""Names and positions from the document's top to a value."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEPTH_MAX: Final = 32
_QUOTED_STYLES: Final = frozenset("'\"|>")

_SCALARS: Final[tuple[tuple[re.Pattern[str], Callable[[str], object]], ...]] = (
    (re.compile(r"(?:~|null|Null|NULL)?"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text, 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), float),
)


def read_values(file: str, content: bytes) -> tuple[object, dict[Path, int]]:
    """Read a document's values, and the line (from 1) of each.

    Args:
        file: Name to stand in findings.
        content: UTF-8, with or without a byte order mark.

    Raises: DocumentError: not UTF-8, not YAML, a doubled name, an alias, nesting deeper than 32.
    """
    try:
        text = content.decode("utf-8-sig")
        node = _compose(text)
    except UnicodeDecodeError as error:
        found = message("error.document.not_utf8", offset=error.start)
        raise unreadable(file, 1, found) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # Why: the parser places the end of the text on a line after the last.
        line = 1 if mark is None else min(mark.line, text.rstrip("\n").count("\n")) + 1
        found = message("error.document.not_yaml", problem=error.problem or error.context or "?")
        raise unreadable(file, line, found) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise unreadable(file, 1, str(error)) from error
    reader = _Reader(file)
    value = None if node is None else reader.value(node, ())
    return value, reader.lines


def _compose(text: str) -> yaml.Node | None:
    loader = _LOADER(text)
    try:
        return cast("yaml.Node | None", loader.get_single_node())
    finally:
        loader.dispose()


class JsonLines(Mapping[Path, int]):
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


def unreadable(file: str, line: int, found: Words, language: str = "YAML") -> DocumentError:
    """Say that a document's text can't be read."""
    finding = Finding(
        path=f"{file}:{line}",
        found=found,
        expected=message("error.document.one_document", language=language),
        remedy=message("error.document.mend_line"),
    )
    return DocumentError(message("error.document.unreadable", file=file), (finding,))


class _Reader:
    """Makes values of one document's nodes and notes their lines."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> object:
        line = node.start_mark.line + 1
        if len(path) > _DEPTH_MAX:
            found = message("error.document.deep", depth_max=_DEPTH_MAX)
            raise unreadable(self.file, line, found)
        if id(node) in self._seen:
            raise unreadable(self.file, line, message("error.document.alias"))
        self._seen.add(id(node))
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        members: dict[str, object] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise unreadable(self.file, line, message("error.document.name_not_text"))
            name = name_node.value
            if name in members:
                found = message("error.document.doubled_name", name=name)
                raise unreadable(self.file, line, found)
            self.lines[(*path, name)] = line
            members[name] = self.value(value_node, (*path, name))
        return members


def _scalar(node: yaml.Node) -> object:
    text = cast("str", node.value)
    if not isinstance(node, yaml.ScalarNode) or node.style in _QUOTED_STYLES:
        return text
    for pattern, make in _SCALARS:
        if pattern.fullmatch(text):
            return make(text)
    return text
