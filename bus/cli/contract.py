"""`bus contract`: checking and publishing contracts."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from bus.catalogue.lint import lint as lint_documents
from bus.cli.context import documents, installation
from bus.cli.output import JsonOption, print_json, results, talk
from bus.errors import Finding
from bus.provision.contract_publish import publish_contracts

app = typer.Typer(no_args_is_help=True, help="Contracts: check them, put them in force.")


@app.command()
def lint(*, json: JsonOption = False) -> None:
    """Check every document of the region; exit 1 where anything is wrong.

    Example: bus contract lint
    """
    findings = lint_documents(documents())
    if json:
        print_json({"findings": findings})
    else:
        _print_findings(findings)
        talk.print(f"{len(findings)} findings")
    if findings:
        raise typer.Exit(1)


@app.command()
def publish(*, json: JsonOption = False) -> None:
    """Give every schema its id in the lock, unless a check or a process passport forbids it.

    The lock is a file in git: commit it. Then `bus catalogue apply` brings it into force.

    Example: bus contract publish
    """
    current = installation()
    publication = publish_contracts(current.settings.region, current.keys_dir)
    if json:
        print_json(publication)
    else:
        _print_findings(publication.findings)
        for refusal in publication.refusals:
            results.print(str(refusal), markup=False)
        for new in publication.new_ids:
            results.print(f"{new.subject} version {new.version}: schema id {new.id}")
        if not (publication.is_refused or publication.new_ids):
            talk.print("every schema has its id already")
    if publication.is_refused:
        raise typer.Exit(1)


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        results.print(str(finding), markup=False)
