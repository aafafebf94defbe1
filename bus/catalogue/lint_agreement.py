"""What is wrong with exchange agreements that name only what exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
from bus.texts import finding_at


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


_Problem = tuple[Path, str, Mapping[str, object]]
"""Where, the case of `error.agreement`, what is put into its texts."""


def _finding(source: Source[AgreementShape], problem: _Problem) -> Finding:
    path, case, values = problem
    return finding_at(source.document.place(path), f"error.agreement.{case}", **values)


def _date_problems(agreement: AgreementShape) -> Iterator[_Problem]:
    if agreement.valid_to < agreement.valid_from:
        limits = {"from": agreement.valid_from, "to": agreement.valid_to}
        yield ("valid_to",), "ends_before", limits
    sides = {"provider": agreement.approvals.provider, "consumer": agreement.approvals.consumer}
    for side, approval in sides.items():
        if approval.on > agreement.valid_from:
            days = {"on": approval.on, "from": agreement.valid_from}
            yield ("approvals", side, "on"), "approved_late", days
    if agreement.history_from is not None and agreement.history_from > agreement.valid_to:
        days = {"from": agreement.history_from, "to": agreement.valid_to}
        yield ("history_from",), "history_after_end", days


def _party_problems(agreement: AgreementShape) -> Iterator[_Problem]:
    if agreement.providers == (agreement.consumer,):
        yield ("providers",), "own_data", {"agency": agreement.consumer}
    for member in ("providers", "systems", "fields"):
        names = getattr(agreement, member) or ()
        for index, name in enumerate(names):
            if name in names[:index]:
                yield (member, index), "doubled_name", {"name": name}


def _row_problems(
    path: Path, condition: ConditionShape, source: ContractSource
) -> Iterator[_Problem]:
    contract, field = source.contract, condition.field
    if field not in contract.classification:
        return
    if contract.classification[field] is Classification.PERSONAL:
        yield (*path, "field"), "personal_filter", {"field": field}
    if field not in contract.immutable_fields:
        known = {"field": field, "known": some_of(contract.immutable_fields)}
        yield (*path, "field"), "mutable_filter", known
    shapes = [follow(schema.shape, field) for schema in source.schemas.values()]
    given = [shape for shape, _ in filter(None, shapes)]
    if not all(_can_be_filtered(shape) for shape in given):
        yield (*path, "field"), "filter_type", {"field": field}
    elif condition.op is ConditionOperator.PREFIX and not all(
        isinstance(shape, TextShape) for shape in given
    ):
        yield (*path, "op"), "prefix_of_no_text", {"field": field}


def _can_be_filtered(shape: Shape) -> bool:
    match shape:
        case TextShape() | EnumShape() | BooleanShape():
            return True
        case IntegerShape(resolution=None):
            return True
        case _:
            return False
