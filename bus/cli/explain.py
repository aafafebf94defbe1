"""`bus explain`: what a code means, who mends it, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from bus.cli.context import language, region
from bus.cli.output import JsonOption, headings, print_json, print_table, results
from bus.errors import DocumentError
from bus.model.identifiers import DatasetCode
from bus.observe.explain import Explanation, codes, explain_all, explain_rule
from bus.observe.explain import explain as explain_code
from bus.texts import finding_at, message, text


def explain(
    code: Annotated[
        str | None,
        typer.Argument(help="Reason, refusal, state, ailment or exit code; none: list them all."),
    ] = None,
    *,
    dataset: Annotated[
        str | None, typer.Option(help="CODE is a rule of this dataset's contract.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Explain a code that the bus gave: what is wrong, who mends it, what to do.

    Example: bus --lang ru explain key_mismatch
    """
    found = _explanations(code, dataset)
    if json:
        print_json(found)
    elif code is None:
        print_table(headings("", "code", ""), [[one.subject, one.code, one.says] for one in found])
    else:
        for one in found:
            _print(one)


def _explanations(code: str | None, dataset: str | None) -> tuple[Explanation, ...]:
    spoken = language()
    if dataset is not None:
        return _rules(dataset, code)
    if code is None:
        return explain_all(spoken)
    found = explain_code(code, spoken)
    if not found:
        known = ", ".join(one for _, one in codes())
        finding = finding_at("code", "error.explain.unknown_code", code=code, codes=known)
        raise DocumentError(message("error.explain.unknown_code"), [finding])
    return found


def _rules(dataset: str, code: str | None) -> tuple[Explanation, ...]:
    contracts = region().contracts
    contract = contracts.get(DatasetCode(dataset))
    if contract is None:
        raise _nothing(f"dataset {dataset}", "error.explain.no_contract", contracts)
    rules = {rule.id: rule for version in contract.schema_versions for rule in version.rules}
    chosen = [rule for rule in rules.values() if code in (None, rule.id)]
    if not chosen:
        raise _nothing(f"rule {code}", "error.explain.no_rule", rules)
    return tuple(explain_rule(rule, language()) for rule in chosen)


def _nothing(path: str, key: str, known: Iterable[str]) -> DocumentError:
    finding = finding_at(path, key, known=", ".join(known))
    return DocumentError(message("error.explain.nothing"), [finding])


def _print(one: Explanation) -> None:
    results.print(f"{one.code} ({one.subject})", style="bold", markup=False)
    results.print(one.says, markup=False)
    print_table(
        ["", ""],
        [
            [text(f"explain.{name}", language()), value]
            for name, value in (
                ("stage", one.stage),
                ("mender", one.mender),
                ("example", one.example),
                ("page", one.page),
            )
            if value is not None
        ],
    )
