"""Joining a table's columns to a schema's fields, with every mistake told before the first row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from bus.contracts.yaml_document import some_of, with_suggestion
from bus.errors import DocumentError, Finding
from bus.model.record import Operation
from bus.tables.fitting import Binding, BoundField
from bus.tables.mapping import FieldSource, MappingFile, RowCondition
from bus.tables.problems import Problem
from bus.tables.table import Row
from bus.tables.targets import Target, TargetType, targets_of
from bus.tables.values import Notation
from bus.texts import finding_at, message

_NUMBERS: Final = frozenset(
    {
        TargetType.INT,
        TargetType.LONG,
        TargetType.FLOAT,
        TargetType.DOUBLE,
        TargetType.DECIMAL,
    }
)
_TIMES: Final = frozenset({TargetType.DATE, TargetType.TIMESTAMP_MILLIS})
_OPERATION: Final = Target(
    name="operation",
    type=TargetType.ENUM,
    described=" | ".join(Operation),
    nullable=True,
    has_default=False,
    symbols=tuple(Operation),
)
_VERSION: Final = Target(
    name="version", type=TargetType.LONG, described="long", nullable=False, has_default=False
)


def bind(
    columns: Sequence[str],
    schema: Mapping[str, object],
    *,
    mapping: MappingFile | None,
    personal: frozenset[str] = frozenset(),
    json: bool = False,
) -> Binding:
    """Join columns to fields by a mapping file or, without one, by equal names.

    Args:
        columns: Of the table.
        schema: The dataset's newest `.avsc`, parsed.
        mapping: None: a column fills the field of its name, letter case and spaces aside.
        personal: Fields whose values must not stand in messages.
        json: Cells may hold JSON values (`Table.holds_json`): such a cell fills a field that is a
            record, a list or of another type that no single cell can fill.

    Raises: DocumentError: with all findings at once - unknown fields or columns, fields that must
        have a value and have no source, types that no cell can fill, options a type does not use.
    """
    targets = targets_of(schema, json=json)
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
        raise DocumentError(message("error.tables.mapping_unfit", file=document.file), findings)
    version, operation = mapping.version, mapping.operation
    return _binding(
        columns,
        targets,
        fields,
        conditions=mapping.rows,
        version=None if version is None else _bound(_VERSION, version, zone, frozenset()),
        operation=None if operation is None else _bound(_OPERATION, operation, zone, frozenset()),
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
            findings.append(_unknown("error.tables.unknown_field", name, targets, place))
        findings += _unknown_columns(source.sources, columns, place)
    if mapping.version is not None:
        findings += _unknown_columns(mapping.version.sources, columns, document.place(("version",)))
    if mapping.operation is not None:
        findings += _unknown_columns(
            mapping.operation.sources, columns, document.place(("operation",))
        )
    moments = {name: one for name, one in targets.items() if one.type in _TIMES}
    if mapping.event_time is not None and mapping.event_time not in moments:
        place = document.place(("event_time",))
        findings.append(_unknown("error.tables.unknown_field", mapping.event_time, moments, place))
    for index, condition in enumerate(mapping.rows):
        findings += _unknown_columns((condition.column,), columns, document.place(("rows", index)))
    return findings


def _field_findings(field: BoundField, file: MappingFile) -> list[Finding]:
    place = file.document.place(("fields", field.target.name))
    findings = _unfit(field.target, field.source, place)
    can_be_filled = field.target.type is not None or field.target.shape is not None
    if not field.source.sources and can_be_filled:
        findings += _wrong_constants(field, place)
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
    findings += _missing(targets, sources, columns, "table")
    if findings:
        raise DocumentError(message("error.tables.columns_unfit"), findings)
    fields = tuple(
        _bound(targets[name], source, None, personal) for name, source in sources.items()
    )
    return _binding(columns, targets, fields, conditions=(), version=None, operation=None)


def _binding(
    columns: Sequence[str],
    targets: Mapping[str, Target],
    fields: tuple[BoundField, ...],
    *,
    conditions: tuple[RowCondition, ...],
    version: BoundField | None,
    operation: BoundField | None,
) -> Binding:
    taking = (*fields, *(one for one in (version, operation) if one is not None))
    used = {column for field in taking for column in field.source.sources}
    filled = {field.target.name for field in fields}
    return Binding(
        fields=fields,
        conditions=conditions,
        version=version,
        operation=operation,
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
    if target.type is None and target.shape is None:
        return [
            finding_at(place, "error.tables.type_unfit", field=target.name, type=target.described)
        ]
    if target.type is None:
        # Why: a JSON value is taken as it is; every option works on a text.
        options = [(name, frozenset(TargetType)) for name in source.steps]
    else:
        options = [("decimal_comma", _NUMBERS), ("date_format", _TIMES)]
    return [
        finding_at(
            place,
            "error.tables.option_unfit",
            option=option,
            field=target.name,
            type=target.described,
            types=some_of(types),
        )
        for option, types in options
        if getattr(source, option) and target.type not in types
    ]


def _wrong_constants(field: BoundField, place: str) -> list[Finding]:
    """Find a constant that would make every row a bad one."""
    problems: list[Problem] = []
    field.value(Row(number=0, cells={}), problems)
    return [
        finding_at(
            place,
            "error.tables.constant_unfit",
            constant=field.source.constant,
            type=field.target.described,
            problem=problem,
        )
        for problem in problems
    ]


def _unknown_columns(named: Sequence[str], columns: Sequence[str], place: str) -> list[Finding]:
    return [
        _unknown("error.tables.unknown_column", column, columns, place)
        for column in named
        if column not in columns
    ]


def _unknown(
    key: str, name: str, known: Mapping[str, object] | Sequence[str], place: str
) -> Finding:
    return with_suggestion(finding_at(place, key, name=name, known=some_of(known)), name, known)


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
        finding_at(
            place,
            "error.tables.no_source",
            field=target.name,
            type=target.described,
            unused=some_of(unused),
        )
        for target in targets.values()
        if target.required and target.name not in sources
    ]


def _ambiguous(target: Target, first: FieldSource, column: str) -> Finding:
    return finding_at(
        f"column `{column}`",
        "error.tables.two_columns",
        field=target.name,
        first=first.column,
        second=column,
    )
