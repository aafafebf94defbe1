"""Whether a contract's example is what it says: a sound record, and one that breaks one rule."""

from __future__ import annotations

from bus.contracts.compile import CompiledSchema
from bus.contracts.contract import Example
from bus.contracts.encode import NotEncodable
from bus.contracts.example import judge_example
from bus.contracts.reading import ContractSource
from bus.contracts.yaml_document import some_of
from bus.errors import Finding
from bus.model.verdict import Examined, Severity
from bus.texts import message


def example_findings(source: ContractSource, newest: CompiledSchema) -> list[Finding]:
    """Judge a contract's example and tell where it isn't what it says; empty without one."""
    example = source.contract.example
    if example is None:
        return []
    findings = _misfits(source, example, newest)
    return findings or [*_sound(source, example, newest), *_refused(source, example, newest)]


def _misfits(source: ContractSource, example: Example, newest: CompiledSchema) -> list[Finding]:
    """Tell which values are of another type than their fields."""
    findings = []
    for is_refused in (False, True) if example.refused else (False,):
        part = ("refused", "change") if is_refused else ("record",)
        try:
            judge_example(source.contract, example, newest, is_refused=is_refused)
        except NotEncodable as problem:
            findings += [
                source.document.finding(
                    (*source.places["example"], *part, *_place(misfit)),
                    found=misfit.found,
                    expected=misfit.expected,
                    remedy=message("error.example.misfit.remedy"),
                )
                for misfit in problem.findings
            ]
            break
    return findings


def _place(misfit: Finding) -> tuple[str, ...]:
    """Tell which field a misfit is about; none: the record as a whole."""
    return () if misfit.path == "record" else tuple(misfit.path.split("."))


def _sound(source: ContractSource, example: Example, newest: CompiledSchema) -> list[Finding]:
    broken = _broken(source, example, newest, is_refused=False)
    if not broken:
        return []
    finding = source.document.finding(
        (*source.places["example"], "record"),
        found=message("error.example.not_sound.found", rules=some_of(broken)),
        expected=message("error.example.not_sound.expected"),
        remedy=message("error.example.not_sound.remedy"),
    )
    return [finding]


def _refused(source: ContractSource, example: Example, newest: CompiledSchema) -> list[Finding]:
    if example.refused is None:
        return []
    rules = {rule.id: rule for rule in source.contract.newest.rules}
    rule = rules.get(example.refused.rule)
    broken = _broken(source, example, newest, is_refused=True)
    if rule is not None and rule.severity is Severity.QUARANTINE and broken == {rule.id}:
        return []
    finding = source.document.finding(
        (*source.places["example"], "refused"),
        found=message("error.example.not_refused.found", rules=some_of(broken)),
        expected=message("error.example.not_refused.expected", rule=example.refused.rule),
        remedy=message("error.example.not_refused.remedy"),
    )
    return [finding]


def _broken(
    source: ContractSource, example: Example, newest: CompiledSchema, *, is_refused: bool
) -> set[str]:
    verdict = judge_example(source.contract, example, newest, is_refused=is_refused).verdict
    # What was just encoded by the schema is read by it; else the compiler and the encoder differ.
    assert isinstance(verdict, Examined), verdict
    return {violation.rule for violation in verdict.violations}
