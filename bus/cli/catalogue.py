"""`bus catalogue`: the documents in force."""

from __future__ import annotations

import asyncio

import typer

from bus.cli.context import documents, installation, now
from bus.cli.output import JsonOption, print_json, print_table, talk
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.provision.catalogue_apply import CatalogueReport, apply_catalogue

app = typer.Typer(no_args_is_help=True, help="The documents in force.")


@app.command()
def apply(*, json: JsonOption = False) -> None:
    """Bring the region's documents into force: topics, rights, tables, schemas, then the manifest.

    Example: bus catalogue apply
    """
    current = installation()
    report = asyncio.run(
        apply_catalogue(
            documents(),
            cluster=current.cluster_as_admin(),
            fund_dsn=current.fund_dsn(),
            now=now(),
            progress=lambda step: talk.print(f"… {step}"),
        )
    )
    if json:
        print_json(report)
    else:
        _print_report(report)


def _print_report(report: CatalogueReport) -> None:
    print_table(
        ["changed", "number"],
        [
            ["topics created", len(report.topics.missing)],
            ["topic settings mended", len(report.topics.differing)],
            ["rights granted", len(report.access.missing)],
            ["rights withdrawn", len(report.access.surplus)],
            ["tables", len(report.tables)],
            ["schemas", len(report.schemas)],
            ["documents", len(report.documents)],
        ],
    )
    for finding in report.topics.repartitioned:
        talk.print(str(finding), markup=False, style="yellow")
    talk.print(f"catalogue version {report.version} is in force")


@app.command()
def show(*, json: JsonOption = False) -> None:
    """Show the catalogue in force as the workers see it.

    Example: bus catalogue show --json
    """
    reader = asyncio.run(_read(installation().cluster_as_admin()))
    manifest = reader.manifest
    if manifest is None:
        raise Unavailable("no catalogue is in force; run `bus catalogue apply`")
    if json:
        print_json(manifest)
    else:
        talk.print(f"version {manifest.version}, applied {manifest.applied_at:%Y-%m-%d %H:%M} UTC")
        print_table(["document", "sha-256"], [[p, d[:16]] for p, d in manifest.documents.items()])


async def _read(cluster: Cluster) -> CatalogueReader:
    async with CatalogueReader(cluster) as reader:
        await reader.read_to_end()
    return reader
