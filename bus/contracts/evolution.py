"""Whether schema versions can live side by side: may consumers and providers upgrade late?

Avro's own resolution rules (specification 1.12, "Schema Resolution"), and on top of them what
those rules let pass although readers break on it: another logical type, another scale or precision
of a decimal, another namespace. Aliases are not followed: implementations may ignore them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from bus.contracts.avro_types import (
    NAMED,
    Node,
    definitions,
    describe,
    fields_of_record,
    fullname,
    logical_type,
    resolve,
)
from bus.contracts.contract import Compatibility, SchemaVersion
from bus.contracts.yaml_document import Path
from bus.errors import Words
from bus.texts import message

_PROMOTIONS: Final = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}


@unique
class Direction(StrEnum):
    """Which of two versions can't read the other."""

    BACKWARD = "backward"
    """The newer can't read what the older wrote."""
    FORWARD = "forward"
    """The older can't read what the newer writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One reason why two versions can't live side by side."""

    older: int
    newer: int
    direction: Direction
    path: Path
    """In the newer version's `.avsc`."""
    found: Words
    expected: Words
    remedy: Words


def check_history(
    versions: Sequence[SchemaVersion], compatibility: Compatibility
) -> tuple[Break, ...]:
    """Find what in a dataset's schema versions breaks the promised compatibility.

    Args:
        versions: Ascending by number.
        compatibility: What the contract promises.

    A transitive level holds each version against all before it, another one against the last.
    """
    transitive = compatibility.endswith("_TRANSITIVE")
    level = compatibility.removesuffix("_TRANSITIVE")
    breaks: list[Break] = []
    for position, newer in enumerate(versions):
        for older in versions[0 if transitive else max(0, position - 1) : position]:
            if level in {"BACKWARD", "FULL"}:
                breaks += breaks_between(older, newer, Direction.BACKWARD)
            if level in {"FORWARD", "FULL"}:
                breaks += breaks_between(older, newer, Direction.FORWARD)
    return tuple(breaks)


def breaks_between(older: SchemaVersion, newer: SchemaVersion, direction: Direction) -> list[Break]:
    """Find every place where one of two versions can't read the other."""
    backward = direction is Direction.BACKWARD
    reader, writer = (newer, older) if backward else (older, newer)
    comparison = _Comparison(reader.schema, writer.schema, reader_is_newer=backward)
    comparison.compare(
        Node(path=(), schema=reader.schema, namespace=""),
        Node(path=(), schema=writer.schema, namespace=""),
    )
    return [
        Break(
            older=older.number,
            newer=newer.number,
            direction=direction,
            path=problem.path,
            found=problem.found,
            expected=problem.expected,
            remedy=problem.remedy,
        )
        for problem in comparison.problems
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    path: Path
    found: Words
    expected: Words
    remedy: Words


class _Comparison:
    """Walks a reader's and a writer's schema side by side and collects what doesn't fit."""

    def __init__(
        self, reader: Mapping[str, object], writer: Mapping[str, object], *, reader_is_newer: bool
    ) -> None:
        self.problems: list[_Problem] = []
        self._reader_names = definitions(reader)
        self._writer_names = definitions(writer)
        self._reader_is_newer = reader_is_newer
        self._under_way: set[tuple[str, str]] = set()

    def compare(self, reader: Node, writer: Node) -> None:
        reader = resolve(reader, self._reader_names)
        writer = resolve(writer, self._writer_names)
        if writer.kind == "union":
            for branch in _branches(writer):
                self._compare_branch(reader, branch)
        elif reader.kind == "union":
            self._compare_branch(reader, writer)
        elif reader.kind != writer.kind:
            if reader.kind not in _PROMOTIONS.get(writer.kind, frozenset()):
                self._report(
                    reader, writer, describe(self._newer(reader, writer)),
                    describe(self._older(reader, writer)),
                )  # fmt: skip
            else:
                self._compare_logical_types(reader, writer)
        else:
            self._compare_same_kind(reader, writer)

    def _compare_branch(self, reader: Node, writer: Node) -> None:
        """Hold one branch of the writer against the first branch of the reader that fits."""
        if reader.kind != "union":
            self.compare(reader, writer)
            return
        written = resolve(writer, self._writer_names)
        for exact in (True, False):
            for branch in _branches(reader):
                if _fits(resolve(branch, self._reader_names), written, exact=exact):
                    self.compare(branch, writer)
                    return
        case = "no_branch_to_come" if self._reader_is_newer else "no_branch_before"
        self._report(
            reader,
            writer,
            message(f"error.evolution.{case}", type=describe(written)),
            message("error.evolution.branch", type=describe(written)),
        )

    def _compare_same_kind(self, reader: Node, writer: Node) -> None:
        self._compare_logical_types(reader, writer)
        kind = reader.kind
        if kind in NAMED:
            pair = (
                fullname(reader.schema, reader.namespace),
                fullname(writer.schema, writer.namespace),
            )
            if pair in self._under_way:
                return
            self._under_way.add(pair)
            self._compare_names(reader, writer, pair)
        if kind in {"array", "map"}:
            part = "items" if kind == "array" else "values"
            self.compare(_part(reader, part), _part(writer, part))
        elif kind == "fixed" and reader.schema["size"] != writer.schema["size"]:
            newer, older = self._newer(reader, writer), self._older(reader, writer)
            self._report(
                reader,
                writer,
                message("error.evolution.size", size=newer.schema["size"]),
                message("error.evolution.size", size=older.schema["size"]),
            )
        elif kind == "enum":
            self._compare_symbols(reader, writer)
        elif kind in {"record", "error"}:
            self._compare_fields(reader, writer)

    def _compare_names(self, reader: Node, writer: Node, pair: tuple[str, str]) -> None:
        if pair[0] != pair[1]:
            newer, older = pair if self._reader_is_newer else pair[::-1]
            found = message("error.evolution.name", name=newer)
            expected = message("error.evolution.name", name=older)
            self._report(reader, writer, found, expected, part="name")

    def _compare_logical_types(self, reader: Node, writer: Node) -> None:
        newer, older = self._newer(reader, writer), self._older(reader, writer)
        if logical_type(newer) != logical_type(older):
            self._report(reader, writer, describe(newer), describe(older))

    def _compare_symbols(self, reader: Node, writer: Node) -> None:
        unknown = [s for s in writer.schema["symbols"] if s not in reader.schema["symbols"]]
        newer, older = self._newer(reader, writer), self._older(reader, writer)
        if unknown and "default" not in reader.schema:
            case = "older_symbols" if self._reader_is_newer else "new_symbols"
            self._report(
                reader,
                writer,
                message(f"error.evolution.{case}.found", symbols=", ".join(unknown)),
                message(f"error.evolution.{case}.expected"),
                part="symbols",
            )
        if "default" in older.schema and "default" not in newer.schema:
            self._report(
                reader,
                writer,
                message("error.evolution.no_enum_default"),
                message("error.evolution.enum_default", default=older.schema["default"]),
            )

    def _compare_fields(self, reader: Node, writer: Node) -> None:
        written = {
            field["name"]: index for index, field in enumerate(fields_of_record(writer.schema))
        }
        for index, field in enumerate(fields_of_record(reader.schema)):
            name = field["name"]
            if name in written:
                self.compare(_field(reader, index), _field(writer, written[name]))
            elif "default" not in field:
                self._report_missing(reader, writer, index, name)

    def _report_missing(self, reader: Node, writer: Node, index: int, name: str) -> None:
        if self._reader_is_newer:
            path = (*reader.path, "fields", index)
            case = "error.evolution.new_field"
        else:
            path = (*writer.path, "fields")
            case = "error.evolution.lost_field"
        self.problems.append(
            _Problem(
                path=path,
                found=message(f"{case}.found", name=name),
                expected=message(f"{case}.expected", name=name),
                remedy=message(f"{case}.remedy"),
            )
        )

    def _report(
        self, reader: Node, writer: Node, found: Words, expected: Words, *, part: str | None = None
    ) -> None:
        newer = self._newer(reader, writer)
        path = newer.path if part is None else (*newer.path, part)
        remedy = message("error.evolution.restore")
        self.problems.append(_Problem(path=path, found=found, expected=expected, remedy=remedy))

    def _newer(self, reader: Node, writer: Node) -> Node:
        return reader if self._reader_is_newer else writer

    def _older(self, reader: Node, writer: Node) -> Node:
        return writer if self._reader_is_newer else reader


def _branches(node: Node) -> list[Node]:
    return [
        Node(path=(*node.path, index), schema=branch, namespace=node.namespace)
        for index, branch in enumerate(node.schema)
    ]


def _part(node: Node, part: str) -> Node:
    return Node(path=(*node.path, part), schema=node.schema[part], namespace=node.namespace)


def _field(node: Node, index: int) -> Node:
    namespace = fullname(node.schema, node.namespace).rpartition(".")[0]
    field = fields_of_record(node.schema)[index]
    path = (*node.path, "fields", index, "type")
    return Node(path=path, schema=field["type"], namespace=namespace)


def _fits(reader: Node, writer: Node, *, exact: bool) -> bool:
    """Tell whether a branch of the reader's union takes the written type; names decide first."""
    if not exact:
        return reader.kind in _PROMOTIONS.get(writer.kind, frozenset())
    if reader.kind != writer.kind:
        return False
    if reader.kind not in NAMED:
        return True
    short = (str(node.schema["name"]).rpartition(".")[2] for node in (reader, writer))
    return next(short) == next(short)
