"""Joining a table's columns to a schema's fields, with every mistake told before the first row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from bus.contracts.yaml_document import did_you_mean, some_of
from bus.errors import DocumentError, Finding
from bus.tables.fitting import Binding, BoundField
from bus.tables.mapping import FieldSource, MappingFile, RowCondition
from bus.tables.problems import Problem
from bus.tables.table import Row
from bus.tables.targets import Target, TargetType, targets_of
from bus.tables.values import Notation

_NUMBERS: Final = frozenset({TargetType.INT, TargetType.LONG, TargetType.FLOAT, TargetType.DOUBLE})
_TIMES: Final = frozenset({TargetType.DATE, TargetType.TIMESTAMP_MILLIS})
_VERSION: Final = Target(
    name="version", type=TargetType.LONG, described="long", nullable=False, has_default=False
)


def bind(
    columns: Sequence[str],
    schema: Mapping[str, object],
    *,
    mapping: MappingFile | None,
    personal: frozenset[str] = frozenset(),
) -> Binding:
    """Join columns to fields by a mapping file or, without one, by equal names.

    Args:
        columns: Of the table.
        schema: The dataset's newest `.avsc`, parsed.
        mapping: None: a column fills the field of its name, letter case and spaces aside.
        personal: Fields whose values must not stand in messages.

    Raises: DocumentError: with all findings at once - unknown fields or columns, fields that must
        have a value and have no source, types that no cell can fill, options a type does not use.
    """
    targets = targets_of(schema)
    if mapping is None:
        return _bind_by_name(columns, targets, personal)
    return _bind_by_file(columns, targets, mapping, personal)


def _bind_by_file(
    columns: Sequence[str],
    targets: Mapping[str, Target],
    file: MappingFile,
    personal: frozenset[str],
) -> Binding:
    mapping, document = file.mapping, file.document
    zone = ZoneInfo(mapping.time_zone) if mapping.time_zone is not None else None
    fields = tuple(
        _bound(targets[name], source, zone, personal)
        for name, source in mapping.fields.items()
        if name in targets
    )
    findings = [
        *_name_findings(columns, targets, file),
        *(finding for field in fields for finding in _field_findings(field, file)),
        *_missing(targets, mapping.fields, columns, document.file),
    ]
    if findings:
        raise DocumentError(f"{document.file} does not fit the table and the schema", findings)
    version = mapping.version
    return _binding(
        columns,
        targets,
        fields,
        conditions=mapping.rows,
        version=None if version is None else _bound(_VERSION, version, zone, frozenset()),
    )


def _name_findings(
    columns: Sequence[str], targets: Mapping[str, Target], file: MappingFile
) -> list[Finding]:
    """Find the fields and columns that the mapping names and that do not exist."""
    mapping, document = file.mapping, file.document
    findings: list[Finding] = []
    for name, source in mapping.fields.items():
        place = document.place(("fields", name))
        if name not in targets:
            findings.append(_unknown("field", name, targets, place))
        findings += _unknown_columns(source.sources, columns, place)
    if mapping.version is not None:
        findings += _unknown_columns(mapping.version.sources, columns, document.place(("version",)))
    for index, condition in enumerate(mapping.rows):
        findings += _unknown_columns((condition.column,), columns, document.place(("rows", index)))
    return findings


def _field_findings(field: BoundField, file: MappingFile) -> list[Finding]:
    place = file.document.place(("fields", field.target.name))
    findings = _unfit(field.target, field.source, place)
    if not field.source.sources and field.target.type is not None:
        findings += _wrong_constant(field, place)
    return findings


def _bind_by_name(
    columns: Sequence[str], targets: Mapping[str, Target], personal: frozenset[str]
) -> Binding:
    by_plain_name = {_plain(name): target for name, target in targets.items()}
    sources: dict[str, FieldSource] = {}
    findings: list[Finding] = []
    for column in columns:
        target = by_plain_name.get(_plain(column))
        if target is None:
            continue
        source = FieldSource(column=column)
        findings += _unfit(target, source, f"column `{column}`")
        if target.name in sources:
            findings.append(_ambiguous(target, sources[target.name], column))
        sources[target.name] = source
    findings += _missing(targets, sources, columns, "the table")
    if findings:
        raise DocumentError("the table's columns do not fit the schema by name", findings)
    fields = tuple(
        _bound(targets[name], source, None, personal) for name, source in sources.items()
    )
    return _binding(columns, targets, fields, conditions=(), version=None)


def _binding(
    columns: Sequence[str],
    targets: Mapping[str, Target],
    fields: tuple[BoundField, ...],
    *,
    conditions: tuple[RowCondition, ...],
    version: BoundField | None,
) -> Binding:
    taking = (*fields, version) if version is not None else fields
    used = {column for field in taking for column in field.source.sources}
    filled = {field.target.name for field in fields}
    return Binding(
        fields=fields,
        conditions=conditions,
        version=version,
        unmapped_columns=tuple(column for column in columns if column not in used),
        unfilled_fields=tuple(name for name in targets if name not in filled),
    )


def _bound(
    target: Target, source: FieldSource, zone: ZoneInfo | None, personal: frozenset[str]
) -> BoundField:
    notation = Notation(
        decimal_comma=source.decimal_comma, date_format=source.date_format, zone=zone
    )
    return BoundField(
        target=target, source=source, notation=notation, personal=target.name in personal
    )


def _plain(name: str) -> str:
    return "".join(name.casefold().split())


def _unfit(target: Target, source: FieldSource, place: str) -> list[Finding]:
    """Find what a field's type can't do with its source."""
    findings = []
    if target.type is None:
        findings.append(
            Finding(
                path=place,
                found=f"field `{target.name}` of type {target.described}",
                expected="a type that one cell can fill",
                remedy="Leave the field out, or publish this dataset as JSON or by the client.",
            )
        )
    for option, types in (("decimal_comma", _NUMBERS), ("date_format", _TIMES)):
        if getattr(source, option) and target.type is not None and target.type not in types:
            findings.append(
                Finding(
                    path=place,
                    found=f"`{option}` for field `{target.name}` of type {target.described}",
                    expected=f"it only for {some_of(types)}",
                    remedy=f"Remove `{option}`.",
                )
            )
    return findings


def _wrong_constant(field: BoundField, place: str) -> list[Finding]:
    """Find a constant that would make every row a bad one."""
    value = field.value(Row(number=0, cells={}))
    if not isinstance(value, Problem):
        return []
    return [
        Finding(
            path=place,
            found=f"constant {field.source.constant!r}",
            expected=f"a value of type {field.target.described}",
            remedy=f"Correct the constant: {value}.",
        )
    ]


def _unknown_columns(named: Sequence[str], columns: Sequence[str], place: str) -> list[Finding]:
    return [_unknown("column", column, columns, place) for column in named if column not in columns]


def _unknown(
    kind: str, name: str, known: Mapping[str, object] | Sequence[str], place: str
) -> Finding:
    near = did_you_mean(name, known)
    return Finding(
        path=place,
        found=f"unknown {kind} `{name}`",
        expected=f"one of: {some_of(known)}",
        remedy=f"Did you mean `{near}`?" if near else f"Correct or remove the {kind}.",
    )


def _missing(
    targets: Mapping[str, Target],
    sources: Mapping[str, FieldSource],
    columns: Sequence[str],
    place: str,
) -> list[Finding]:
    """Find the fields that must have a value and have no source, beside the unused columns."""
    used = {column for source in sources.values() for column in source.sources}
    unused = [column for column in columns if column not in used]
    return [
        Finding(
            path=place,
            found=f"no source for field `{target.name}` ({target.described})",
            expected=f"a column; not used so far: {some_of(unused)}",
            remedy=f"Name the column under `fields.{target.name}` of a mapping file.",
        )
        for target in targets.values()
        if target.required and target.name not in sources
    ]


def _ambiguous(target: Target, first: FieldSource, column: str) -> Finding:
    return Finding(
        path=f"column `{column}`",
        found=f"columns `{first.column}` and `{column}` both named like field `{target.name}`",
        expected="one column for one field",
        remedy=f"Say which under `fields.{target.name}` of a mapping file.",
    )
