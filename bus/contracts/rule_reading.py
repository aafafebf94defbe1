"""From quality entries of contract.yaml to rules."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Final, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from bus.contracts.odcs import Quality, SchemaObject
from bus.contracts.rules import CodeListRule, CodePeriod, Rule
from bus.contracts.yaml_document import (
    Path,
    YamlDocument,
    findings_of,
    some_of,
    with_suggestion,
    words_of,
)
from bus.errors import Finding, Words
from bus.model.verdict import Severity
from bus.texts import finding_at, message

_KINDS: Final = {
    get_args(model.model_fields["kind"].annotation)[0]: model
    for model in get_args(get_args(Rule)[0])
}
_SEVERITIES: Final[Mapping[Literal["error", "warning"], Severity]] = {
    "error": Severity.QUARANTINE,
    "warning": Severity.OBSERVE,
}
_ELSEWHERE: Final = frozenset({"id", "severity"})
"""Parts of a rule that ODCS has a place for outside `implementation`."""
_CODES: Final = TypeAdapter(tuple[CodePeriod, ...])
_CODE_COLUMNS: Final = frozenset({"code", "name", "valid_from", "valid_to"})


def read_rules(
    document: YamlDocument, record: SchemaObject, files: Mapping[str, bytes]
) -> tuple[list[tuple[Path, Rule]], list[Finding]]:
    """Read every rule of a contract.

    Args:
        document: The contract.yaml.
        record: The only member of the document's `schema`.
        files: Contents of the files beside the contract, for code lists.

    Returns: The rules that could be read, with the places of their quality entries, in the order
        written (those of fields first); and what is wrong with the others.
    """
    rules: list[tuple[Path, Rule]] = []
    findings: list[Finding] = []
    first_places: dict[str, Path] = {}
    for path, field, quality in _entries(record):
        if first_places.setdefault(quality.id, path) != path:
            findings.append(
                finding_at(
                    document.place((*path, "id")),
                    "error.rule.doubled_id",
                    id=quality.id,
                    line=document.lines.get(first_places[quality.id], 1),
                )
            )
        rule = _read_rule(document, path, field, quality, findings)
        if isinstance(rule, CodeListRule) and rule.file is not None:
            rule = _with_codes(document, path, rule, files, findings)
        if rule is not None:
            rules.append((path, rule))
    return rules, findings


def _entries(record: SchemaObject) -> Iterator[tuple[Path, str | None, Quality]]:
    top: Path = ("schema", 0)
    for index, field in enumerate(record.properties):
        for position, quality in enumerate(field.quality):
            yield (*top, "properties", index, "quality", position), field.name, quality
    for position, quality in enumerate(record.quality):
        yield (*top, "quality", position), None, quality


def _read_rule(
    document: YamlDocument,
    path: Path,
    field: str | None,
    quality: Quality,
    findings: list[Finding],
) -> Rule | None:
    """Read one entry; a property's rule is about that property unless it names a part of it."""
    under = (*path, "implementation")
    kind = quality.implementation.get("kind")
    model = _KINDS.get(kind)
    if model is None:
        case = "error.rule.no_kind" if kind is None else "error.rule.unknown_kind"
        place = document.place((*under, "kind"))
        finding = finding_at(place, case, kind=kind, known=some_of(_KINDS))
        findings.append(with_suggestion(finding, str(kind), _KINDS))
        return None
    misplaced = _ELSEWHERE & quality.implementation.keys()
    findings += [
        finding_at(document.place((*under, name)), "error.rule.inside_implementation", name=name)
        for name in sorted(misplaced)
    ]
    implied = {} if field is None else {"field": field}
    values = implied | quality.implementation
    values |= {"id": quality.id, "severity": _SEVERITIES[quality.severity]}
    if not misplaced and _is_astray(values.get("field"), field):
        findings.append(
            finding_at(
                document.place((*under, "field")),
                "error.rule.astray",
                named=values["field"],
                field=field,
            )
        )
    try:
        rule: Rule = model.model_validate(values)
    except ValidationError as error:
        findings += findings_of(document, error, model, under=under, not_written=_ELSEWHERE)
        return None
    return rule


def _is_astray(named: object, field: str | None) -> bool:
    if field is None or not isinstance(named, str):
        return False
    return named != field and not named.startswith(f"{field}.")


def _with_codes(
    document: YamlDocument,
    path: Path,
    rule: CodeListRule,
    files: Mapping[str, bytes],
    findings: list[Finding],
) -> CodeListRule | None:
    """Put the codes of a CSV file (code, name, valid_from, valid_to) in place of its name."""
    where = (*path, "implementation", "file")
    name = rule.file or ""
    content = files.get(name)
    if content is None:
        finding = finding_at(document.place(where), "error.rule.no_code_file", name=name)
        findings.append(with_suggestion(finding, name, files))
        return None
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True))
        codes = _CODES.validate_python([_code_period(row) for row in rows])
        return rule.with_codes(codes)
    except (ValueError, csv.Error, KeyError) as error:
        findings.append(
            finding_at(
                document.place(where),
                "error.rule.code_file_unreadable",
                name=name,
                problem=_first_problem(error),
            )
        )
        return None


def _code_period(row: Mapping[str | None, str | None]) -> dict[str, str | None]:
    if row.keys() != _CODE_COLUMNS:
        raise ValueError(message("error.rule.other_columns", columns=some_of(map(str, row))))
    return {
        "code": row["code"],
        "valid_from": row["valid_from"] or None,
        "valid_to": row["valid_to"] or None,
    }


def _first_problem(error: Exception) -> Words:
    if isinstance(error, ValidationError):
        detail = error.errors()[0]
        row = detail["loc"][0] if detail["loc"] else 0
        return message("error.rule.code", number=int(row) + 1, problem=detail["msg"])
    return words_of(error)
