"""What is wrong with exchange agreements that name only what exists."""

from __future__ import annotations

from collections.abc import Iterator

from bus.catalogue.agreement import ConditionOperator
from bus.catalogue.shapes import AgreementShape, ConditionShape
from bus.catalogue.sources import Source, Sources
from bus.contracts.contract import Classification
from bus.contracts.reading import ContractSource
from bus.contracts.rule_fields import follow
from bus.contracts.schema_shape import (
    BooleanShape,
    EnumShape,
    IntegerShape,
    Shape,
    TextShape,
)
from bus.contracts.yaml_document import Path, some_of
from bus.errors import Finding


def agreement_findings(sources: Sources) -> list[Finding]:
    """Find grants that can't be kept or make no sense."""
    contracts = {source.contract.dataset: source for source in sources.contracts}
    findings = []
    for source in sources.agreements:
        problems = [*_date_problems(source.written), *_party_problems(source.written)]
        contract = contracts.get(source.written.dataset)
        if contract is not None:
            for index, condition in enumerate(source.written.rows):
                problems += _row_problems(("rows", index), condition, contract)
        findings += [_finding(source, problem) for problem in problems]
    return findings


_Problem = tuple[Path, str, str, str]


def _finding(source: Source[AgreementShape], problem: _Problem) -> Finding:
    path, found, expected, remedy = problem
    return source.document.finding(path, found=found, expected=expected, remedy=remedy)


def _date_problems(agreement: AgreementShape) -> Iterator[_Problem]:
    if agreement.valid_to < agreement.valid_from:
        yield (
            ("valid_to",),
            str(agreement.valid_to),
            f"a day from valid_from, {agreement.valid_from}, on",
            "Correct one of the two.",
        )
    sides = {"provider": agreement.approvals.provider, "consumer": agreement.approvals.consumer}
    for side, approval in sides.items():
        if approval.on > agreement.valid_from:
            yield (
                ("approvals", side, "on"),
                f"approved on {approval.on}",
                f"a day not after valid_from, {agreement.valid_from}",
                "Let the agreement begin when both sides have approved it.",
            )
    if agreement.history_from is not None and agreement.history_from > agreement.valid_to:
        yield (
            ("history_from",),
            str(agreement.history_from),
            f"a day not after valid_to, {agreement.valid_to}",
            "Correct one of the two: as it is, nothing is granted.",
        )


def _party_problems(agreement: AgreementShape) -> Iterator[_Problem]:
    if agreement.providers == (agreement.consumer,):
        yield (
            ("providers",),
            f"{agreement.consumer} as the only provider of its own agreement",
            "another agency",
            "An agency needs no agreement to use its own data.",
        )
    for member in ("providers", "systems", "fields"):
        names = getattr(agreement, member) or ()
        for index, name in enumerate(names):
            if name in names[:index]:
                yield (member, index), f"`{name}` a second time", "each name once", "Remove it."


def _row_problems(
    path: Path, condition: ConditionShape, source: ContractSource
) -> Iterator[_Problem]:
    contract, field = source.contract, condition.field
    if field not in contract.classification:
        return
    if contract.classification[field] is Classification.PERSONAL:
        yield (
            (*path, "field"),
            f"row filter on `{field}`, a personal field",
            "a field that identifies no person",
            "Filter by territory or kind: the condition stands in files and names of views.",
        )
    if field not in contract.immutable_fields:
        yield (
            (*path, "field"),
            f"row filter on `{field}`, which corrections may change",
            f"one of the immutable fields: {some_of(contract.immutable_fields)}",
            "Filter by one of these, or mark the field immutable if it never changes.",
        )
    shapes = [follow(schema.shape, field) for schema in source.schemas.values()]
    given = [shape for shape, _ in filter(None, shapes)]
    if not all(_can_be_filtered(shape) for shape in given):
        yield (
            (*path, "field"),
            f"row filter on `{field}`, whose values are no texts, whole numbers or booleans",
            "a field of such a type",
            "Filter by another field.",
        )
    elif condition.op is ConditionOperator.PREFIX and not all(
        isinstance(shape, TextShape) for shape in given
    ):
        yield (
            (*path, "op"),
            f"prefix of `{field}`, which is no text",
            "equals or one_of",
            ("List the values."),
        )


def _can_be_filtered(shape: Shape) -> bool:
    match shape:
        case TextShape() | EnumShape() | BooleanShape():
            return True
        case IntegerShape(resolution=None):
            return True
        case _:
            return False
