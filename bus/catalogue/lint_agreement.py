"""What is wrong with exchange agreements that name only what exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from bus.catalogue.agreement import ConditionOperator
from bus.catalogue.row_limits import is_territory, read_limit
from bus.catalogue.shapes import AgreementShape, ConditionShape
from bus.catalogue.sources import Source, Sources
from bus.contracts.contract import Classification
from bus.contracts.reading import ContractSource
from bus.contracts.rule_fields import follow
from bus.contracts.schema_shape import (
    BinaryShape,
    BooleanShape,
    EnumShape,
    IntegerShape,
    Resolution,
    Shape,
    TextShape,
)
from bus.contracts.yaml_document import Path
from bus.errors import Finding
from bus.texts import finding_at


def agreement_findings(sources: Sources) -> list[Finding]:
    """Find grants that can't be kept or make no sense."""
    contracts = {source.contract.dataset: source for source in sources.contracts}
    findings = []
    for source in sources.agreements:
        written = source.written
        problems = [*_date_problems(written), *_party_problems(written)]
        contract = contracts.get(source.written.dataset)
        if contract is not None:
            for index, condition in enumerate(written.rows):
                problems += _row_problems(("rows", index), condition, contract)
            problems += _standing_problems(written, contract)
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
    shapes = {number: follow(schema.shape, field) for number, schema in source.schemas.items()}
    lacking = [number for number, shape in shapes.items() if shape is None]
    if lacking:
        versions = ", ".join(f"v{number}" for number in lacking)
        yield (*path, "field"), "filter_missing", {"field": field, "versions": versions}
    given = [shape for shape, _ in filter(None, shapes.values())]
    for case, values in _misfits(condition, given):
        yield (*path, *case), *values


def _standing_problems(agreement: AgreementShape, source: ContractSource) -> Iterator[_Problem]:
    """Find what a view can't give whose rows enter and leave it: a history."""
    known = source.contract.classification.keys()
    changing = [
        row.field for row in agreement.rows if row.field in known - source.contract.immutable_fields
    ]
    if changing and agreement.history_from is not None:
        values = {"from": agreement.history_from, "fields": ", ".join(dict.fromkeys(changing))}
        yield ("history_from",), "standing_history", values


def _misfits(
    condition: ConditionShape, shapes: Sequence[Shape]
) -> Iterator[tuple[Path, tuple[str, Mapping[str, object]]]]:
    """Find what a condition asks of its field, in any schema version, that can't be told."""
    field, op = {"field": condition.field}, condition.op
    if op in {ConditionOperator.AT_LEAST, ConditionOperator.AT_MOST}:
        kinds = {_limits_of(shape) for shape in shapes}
        if None in kinds:
            yield ("field",), ("limit_type", {**field, "op": op})
        elif any(kind is not None and not kind(condition.values[0]) for kind in kinds):
            yield ("values", 0), ("limit_value", {**field, "value": condition.values[0]})
        return
    if not all(map(_can_be_filtered, shapes)):
        yield ("field",), ("filter_type", field)
        return
    is_text = all(isinstance(shape, TextShape) for shape in shapes)
    if op in {ConditionOperator.PREFIX, ConditionOperator.TERRITORY} and not is_text:
        yield ("op",), ("prefix_of_no_text", {**field, "op": op})
    elif op is ConditionOperator.TERRITORY:
        for index, code in enumerate(condition.values):
            if not is_territory(code):
                yield ("values", index), ("territory_code", {"value": code})


def _limits_of(shape: Shape) -> Callable[[str], bool] | None:
    """Give what tells whether a text can limit values of a shape; None: nothing can."""
    match shape:
        case IntegerShape(resolution=None, is_time_of_day=False):
            return _is_number
        case BinaryShape(decimal=decimal) if decimal is not None:
            return _is_number
        case IntegerShape(resolution=Resolution.DAY):
            return _is_day
        case IntegerShape(resolution=Resolution.MILLISECOND | Resolution.MICROSECOND):
            return _is_day if shape.is_local else _is_moment
        case _:
            return None


def _is_number(text: str) -> bool:
    return read_limit(text).number is not None


def _is_day(text: str) -> bool:
    return read_limit(text).day is not None


def _is_moment(text: str) -> bool:
    return _is_day(text) or read_limit(text).moment is not None


def _can_be_filtered(shape: Shape) -> bool:
    match shape:
        case TextShape() | EnumShape() | BooleanShape():
            return True
        case IntegerShape(resolution=None):
            return True
        case _:
            return False
