"""`bus connector new|discover`: a connector begun, and documents proposed for what it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bus.cli.context import language, region
from bus.cli.output import JsonOption, print_json, results, talk
from bus.errors import DocumentError, Unavailable
from bus.model.identifiers import SystemCode
from connectors.authoring.document import write_document
from connectors.authoring.package import write_package
from connectors.authoring.proposal import propose
from connectors.cli.composing import NameArgument, connector_of, documents_folder, source_of
from connectors.documents import Connector
from connectors.source import Stream
from connectors.texts import message, text


def new(
    name: Annotated[str, typer.Argument(help="Name of the connector, or of your kind of source.")],
    *,
    kind: Annotated[
        str, typer.Option(help="Kind of source or sink, as `bus connector list` has it; or: own.")
    ],
    system: Annotated[
        str, typer.Option("--as", help="The information system that publishes or receives.")
    ] = "",
    dataset: Annotated[str, typer.Option(help="Dataset to publish or receive.")] = "",
    to: Annotated[
        Path | None, typer.Option(help="With --kind own: folder of the package; default NAME.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write a connector's document; or, with --kind own, a package with a source that runs.

    Example: bus connector new schools --kind folder --as edu-registry --dataset schools
    """
    if kind == "own":
        written = write_package(name, to or Path(name))
    else:
        written = (
            write_document(name, documents_folder(), kind=kind, system=system, dataset=dataset),
        )
    if json:
        print_json({"written": written})
        return
    for path in written:
        results.print(text("connector.written", language(), file=path), markup=False)


def discover(
    name: NameArgument,
    *,
    stream: Annotated[
        str | None, typer.Option(help="Of several tables or files: this one.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(help="Write schema, contract and mapping for it into this folder."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Tell what a connector's source has, and propose the documents of a dataset for it.

    Proposals are a beginning: who may see a field, and by which law, people say. Samples are shown
    nowhere: they may hold personal data.

    Example: bus connector discover schools --write schemas/avro/education/school
    """
    connector = connector_of(name)
    streams = asyncio.run(_discovered(connector))
    chosen = [one for one in streams if stream in {None, one.name}]
    if stream is not None and not chosen:
        known = ", ".join(one.name for one in streams) or "-"
        raise DocumentError(message("connector.no_stream", stream=stream, known=known))
    if write is not None:
        _write_proposal(connector, chosen, write)
    found = [{"name": one.name, "key": one.key, "columns": one.columns} for one in chosen]
    if json:
        print_json({"connector": name, "streams": found})
        return
    for one in chosen:
        columns = ", ".join(one.columns)
        results.print(f"{one.name} [{one.key or '?'}]: {columns}", markup=False)


def _write_proposal(connector: Connector, streams: Sequence[Stream], folder: Path) -> None:
    if len(streams) != 1:
        names = ", ".join(one.name for one in streams) or "-"
        raise DocumentError(message("connector.which_stream", known=names))
    document = connector.document
    known = region().agency_of(SystemCode(document.system))
    agency = "agency" if known is None else str(known.code)
    proposal = propose(streams[0], dataset=document.dataset, agency=agency)
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "v1.avsc": proposal.schema,
        "contract.yaml": proposal.contract,
        f"mapping.{connector.name}.yaml": proposal.mapping,
    }
    for name, content in parts.items():
        path = folder / name
        if path.exists():
            raise DocumentError(message("connector.file_there", file=path))
        path.write_text(content, encoding="utf-8")
        talk.print(text("connector.written", language(), file=path), markup=False)


async def _discovered(connector: Connector) -> Sequence[Stream]:
    try:
        return await source_of(connector).discover()
    except (OSError, TimeoutError) as problem:
        raise Unavailable(
            message("connector.source_down", connector=connector.name, problem=problem)
        ) from problem
