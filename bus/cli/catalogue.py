"""`bus catalogue`: the documents in force."""

from __future__ import annotations

import asyncio

import typer

from bus.cli.context import documents, installation, now
from bus.cli.output import JsonOption, advise, heading, headings, print_json, print_table, tell
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.provision.catalogue_apply import CatalogueReport, apply_catalogue
from bus.texts import message

app = typer.Typer(no_args_is_help=True, help="The documents in force.")


@app.command()
def apply(*, json: JsonOption = False) -> None:
    """Bring the documents into force: topics, rights, tables, marts, schemas, then the manifest.

    Example: bus catalogue apply
    """
    current = installation()
    report = asyncio.run(
        apply_catalogue(
            documents(),
            cluster=current.cluster_as_admin(),
            fund_dsn=current.fund_dsn(),
            now=now(),
            progress=lambda step: tell(f"catalogue.step.{step}"),
        )
    )
    if json:
        print_json(report)
    else:
        _print_report(report)


def _print_report(report: CatalogueReport) -> None:
    print_table(
        headings("changed", "number"),
        [
            [heading("topics_created"), len(report.topics.missing)],
            [heading("topic_settings_mended"), len(report.topics.differing)],
            [heading("rights_granted"), len(report.access.missing)],
            [heading("rights_withdrawn"), len(report.access.surplus)],
            [heading("tables"), len(report.tables)],
            [heading("mart_entries"), len(report.marts.missing) + len(report.marts.surplus)],
            [heading("schemas"), len(report.schemas)],
            [heading("documents"), len(report.documents)],
        ],
    )
    for finding in (*report.topics.repartitioned, *report.unapproved):
        advise(finding)
    tell("catalogue.in_force", version=report.version)


@app.command()
def show(*, json: JsonOption = False) -> None:
    """Show the catalogue in force as the workers see it.

    Example: bus catalogue show --json
    """
    reader = asyncio.run(_read(installation().cluster_as_admin()))
    manifest = reader.manifest
    if manifest is None:
        raise Unavailable(message("error.cli.no_catalogue"))
    if json:
        print_json(manifest)
    else:
        tell("catalogue.shown", version=manifest.version, applied=manifest.applied_at)
        print_table(
            headings("document", "sha_256"), [[p, d[:16]] for p, d in manifest.documents.items()]
        )


async def _read(cluster: Cluster) -> CatalogueReader:
    async with CatalogueReader(cluster) as reader:
        await reader.read_to_end()
    return reader
