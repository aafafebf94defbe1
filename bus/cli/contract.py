"""`bus contract`: checking, showing and publishing contracts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bus.catalogue.lint import lint as lint_documents
from bus.catalogue.lint_decision import unapproved
from bus.catalogue.region import Region, parse_region
from bus.catalogue.snapshot import locked_schema_id
from bus.catalogue.sources import read_sources
from bus.cli.context import documents, installation, language, now
from bus.cli.contract_output import print_contract, print_difference
from bus.cli.output import JsonOption, advise, print_json, results, tell
from bus.cli.refusals import refusals
from bus.contract_pages.description import describe_contract
from bus.contracts.compile import compile_schema
from bus.contracts.contract import Contract, SchemaVersion
from bus.contracts.difference import difference, promised_breaks
from bus.contracts.reading import ContractSource
from bus.contracts.yaml_document import did_you_mean, some_of
from bus.errors import DocumentError, Finding, Unavailable
from bus.provision.contract_publish import GateRefusal, publish_contracts
from bus.provision.gate_log import Attempt, record_refusals
from bus.texts import message, text
from bus.wiring import Installation

app = typer.Typer(no_args_is_help=True, help="Contracts: check them, read them, publish them.")
app.command("refusals")(refusals)
VersionArgument = Annotated[int | None, typer.Argument(help="Schema version.")]


@app.command()
def lint(*, json: JsonOption = False) -> None:
    """Check every document of the region; exit 1 where anything is wrong.

    Told beside it, and nothing wrong: agreements that grant nothing for want of an approval.

    Example: bus contract lint
    """
    read = documents()
    findings = lint_documents(read)
    lacking = () if findings else unapproved(parse_region(read), now())
    if json:
        print_json({"findings": findings, "unapproved": lacking})
    else:
        _print_findings(findings)
        for finding in lacking:
            advise(finding)
        tell("contract.findings", count=len(findings))
    if findings:
        raise typer.Exit(1)


@app.command()
def publish(*, json: JsonOption = False) -> None:
    """Give every schema its id in the lock, unless a check or a process passport forbids it.

    The lock is a file in git: commit it. Then `bus catalogue apply` brings it into force. What a
    process passport forbids goes on record in Kafka: see `bus contract refusals`.

    Example: bus contract publish
    """
    current = installation()
    publication = publish_contracts(current.settings.region, current.keys_dir)
    if json:
        print_json(publication)
    else:
        _print_findings(publication.findings)
        for refusal in publication.refusals:
            results.print(refusal.spoken(language()), markup=False)
        for new in publication.new_ids:
            said = text(
                "contract.new_id",
                language(),
                subject=new.subject,
                version=new.version,
                id=new.id,
            )
            results.print(said, markup=False)
        if not (publication.is_refused or publication.new_ids):
            tell("contract.no_new_id")
    if publication.refusals:
        _put_on_record(current, publication.refusals)
    if publication.is_refused:
        raise typer.Exit(1)


def _put_on_record(current: Installation, refused: Sequence[GateRefusal]) -> None:
    try:
        asyncio.run(record_refusals(current.cluster_as_admin(), refused, Attempt.PUBLISH))
    except Unavailable as problem:
        raise Unavailable(
            message("error.contract.not_on_record", problem=problem.message)
        ) from problem
    tell("contract.on_record")


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        results.print(finding.spoken(language()), markup=False)


@app.command()
def show(
    dataset: Annotated[str, typer.Argument(help="Dataset.")],
    *,
    compiled: Annotated[
        bool, typer.Option("--compiled", help="Print the Python that judges the newest version.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show what a contract promises and demands, who provides the dataset and who receives it.

    Example: bus contract show organisations
    """
    sources, region = _contracts(dataset)
    if compiled:
        typer.echo(_judging_source(sources[0].contract, region))
        return
    description = describe_contract(sources[0], region, now())
    if json:
        print_json(description)
    else:
        print_contract(description, language())


@app.command()
def diff(
    dataset: Annotated[str, typer.Argument(help="Dataset.")],
    older: VersionArgument = None,
    newer: VersionArgument = None,
    *,
    json: JsonOption = False,
) -> None:
    """Tell what differs between two schema versions; without numbers, between the last two.

    Exit 1 where they can't live side by side as the contract promises.

    Example: bus contract diff organisations 1 2
    """
    sources, _ = _contracts(dataset)
    contract = sources[0].contract
    found = difference(*_two_versions(contract, older, newer))
    breaks = promised_breaks(found, contract.compatibility)
    if json:
        print_json({"dataset": dataset, "compatible": found.compatible, "difference": found})
    else:
        print_difference(contract.dataset, found, language())
    if breaks:
        raise typer.Exit(1)


@app.command()
def docs(
    dataset: Annotated[str | None, typer.Argument(help="Dataset; default: all.")] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder to write into; made where it is missing.")],
    json: JsonOption = False,
) -> None:
    """Write a page for each contract, in both languages, that loads nothing from anywhere.

    Example: bus contract docs --out site
    """
    # Why here: no other command needs the templates.
    from bus.contract_pages.rendering import render_pages  # noqa: PLC0415

    sources, region = _contracts(dataset)
    described = [describe_contract(source, region, now()) for source in sources]
    pages = render_pages(described, region.name)
    for path, content in pages.items():
        file = out / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    written = [str(out / path) for path in pages]
    if json:
        print_json({"pages": written})
    else:
        tell("contract.pages", count=len(written), first=out / "index.html")


def _contracts(dataset: str | None) -> tuple[list[ContractSource], Region]:
    """Read the contracts asked for, by dataset, and the region around them.

    Raises: DocumentError: a document can't be read, or there is no such dataset.
    """
    read = documents()
    region = parse_region(read)
    sources = sorted(read_sources(read).contracts, key=lambda source: source.contract.dataset)
    asked = [source for source in sources if dataset in (None, source.contract.dataset)]
    if dataset is not None and not asked:
        known = [str(source.contract.dataset) for source in sources]
        near = did_you_mean(dataset, known)
        case = "no_dataset_near" if near else "no_dataset"
        raise DocumentError(
            message(f"error.contract.{case}", dataset=dataset, near=near, known=some_of(known))
        )
    return asked, region


def _two_versions(
    contract: Contract, older: int | None, newer: int | None
) -> tuple[SchemaVersion, SchemaVersion]:
    versions = {version.number: version for version in contract.schema_versions}
    last = contract.newest.number if newer is None else newer
    first = last - 1 if older is None else older
    if first not in versions or last not in versions or first == last:
        raise typer.BadParameter(
            text(
                "error.contract.no_such_versions",
                language(),
                dataset=contract.dataset,
                versions=some_of(map(str, versions)),
            )
        )
    return versions[min(first, last)], versions[max(first, last)]


def _judging_source(contract: Contract, region: Region) -> str:
    compiled = compile_schema(
        dataset=contract.dataset,
        key_field=contract.key_field,
        version=contract.newest,
        schema_id=locked_schema_id(region, contract.dataset, contract.newest.number),
        wanted=frozenset(),
    )
    return compiled.source
