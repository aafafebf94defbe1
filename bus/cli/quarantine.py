"""`bus quarantine`: what was set aside, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from bus.cli.context import installation, language, region
from bus.cli.output import JsonOption, print_json, print_table, results, talk
from bus.contracts.rules import Rule
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.verdict import Reason
from bus.quarantine.store import QuarantineDetail, QuarantineFilter, QuarantineStore
from bus.texts import text

app = typer.Typer(no_args_is_help=True, help="Records that were set aside, and why.")
T = TypeVar("T")


@app.command("list")
def list_(
    *,
    agency: Annotated[str | None, typer.Option(help="Only this provider's.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only this dataset's.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Only with this reason.")] = None,
    json: JsonOption = False,
) -> None:
    """List open entries grouped by cause, most frequent first.

    Example: bus quarantine list --agency education-samara
    """
    wanted = QuarantineFilter(
        agency=AgencyCode(agency) if agency else None,
        dataset=DatasetCode(dataset) if dataset else None,
        reason=reason,
    )
    causes = _ask(lambda store: store.causes(wanted))
    if json:
        print_json(causes)
    else:
        print_table(
            ["number", "agency", "dataset", "reason", "where", "rules", "newest"],
            [
                [c.count, c.agency, c.dataset, c.reason, c.path, ", ".join(c.rules), c.example]
                for c in causes
            ],
        )


@app.command()
def show(
    entry: Annotated[str, typer.Argument(help="Quarantine id: topic/partition/offset.")],
    *,
    json: JsonOption = False,
) -> None:
    """Explain one entry; the record's own values are not shown.

    Example: bus quarantine show in.education-samara.educational-institutions/0/17
    """
    detail = _ask(lambda store: store.show(entry))
    if detail is None:
        talk.print(f"quarantine holds no {entry}; `bus quarantine list` shows what it holds")
        raise typer.Exit(1)
    if json:
        print_json(detail)
    else:
        _print_detail(detail)


def _print_detail(detail: QuarantineDetail) -> None:
    print_table(
        ["", ""],
        [
            ["id", detail.id],
            ["agency", detail.agency],
            ["dataset", detail.dataset],
            ["reason", detail.reason],
            ["where", detail.path],
            ["appended", detail.appended_at],
            ["catalogue", detail.catalogue],
            ["state", detail.state],
        ],
    )
    spoken = language()
    results.print(text(f"reason.{detail.reason}", spoken), markup=False)
    rules = _rules(detail.dataset)
    for violation in detail.violations:
        rule = rules.get(violation.rule)
        demanded = "" if rule is None else getattr(rule.text, spoken.value)
        results.print(
            f"- {violation.path}: {demanded} [{violation.rule}, {violation.severity}]", markup=False
        )


def _rules(dataset: DatasetCode) -> dict[str, Rule]:
    contract = region().contracts.get(dataset)
    if contract is None:
        return {}
    return {rule.id: rule for version in contract.schema_versions for rule in version.rules}


def _ask(ask: Callable[[QuarantineStore], Awaitable[T]]) -> T:
    async def asked() -> T:
        store = await QuarantineStore.open(installation().fund_dsn())
        try:
            return await ask(store)
        finally:
            await store.close()

    return asyncio.run(asked())
