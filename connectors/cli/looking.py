"""`bus connector list|docs|check`: what there is, and whether it can be read."""

from __future__ import annotations

import asyncio
import inspect
from typing import Annotated, Any

import typer

from bus.cli.context import language
from bus.cli.output import JsonOption, print_json, print_table, results
from bus.errors import DocumentError, Unavailable
from connectors.cli.composing import (
    NameArgument,
    any_connector_of,
    documents_folder,
    source_of,
    workplace_of,
)
from connectors.cli.delivering import sink_of
from connectors.describing import described
from connectors.documents import (
    SINKS,
    SOURCES,
    Connector,
    SinkConnector,
    kinds,
    read_any,
    sink_of_kind,
    source_of_kind,
)
from connectors.texts import message, text


def list_(*, json: JsonOption = False) -> None:
    """Tell the kinds of source and sink there are, and the connectors of this installation.

    Example: bus connector list
    """
    documents = sorted(documents_folder().glob("*.yaml"))
    found: list[dict[str, object]] = []
    for file in documents:
        try:
            one = read_any(file)
        except DocumentError as problem:
            found.append({"connector": file.stem, "problem": problem.spoken(language())})
            continue
        found.append(_told(one))
    if json:
        there = {"kinds": list(kinds(SOURCES)), "sinks": list(kinds(SINKS))}
        print_json({**there, "connectors": found})
        return
    results.print(text("connector.kinds", language(), kinds=", ".join(kinds(SOURCES))))
    results.print(text("connector.sinks", language(), kinds=", ".join(kinds(SINKS))))
    for entry in found:
        results.print(", ".join(f"{name}: {value}" for name, value in entry.items()), markup=False)


def _told(one: Connector | SinkConnector) -> dict[str, object]:
    about = {"system": one.document.system, "dataset": one.document.dataset}
    if isinstance(one, SinkConnector):
        return {"connector": one.name, "sink": one.document.sink, **about}
    paused = workplace_of(one.name).is_paused
    return {"connector": one.name, "source": one.document.source, **about, "paused": paused}


def docs(
    kind: Annotated[
        str, typer.Argument(help="Kind of source or sink, as `bus connector list` has it.")
    ],
    *,
    json: JsonOption = False,
) -> None:
    """Tell what the document of a connector of this kind says under `config`.

    Example: bus connector docs folder
    """
    found = sink_of_kind(kind) if kind in kinds(SINKS) else source_of_kind(kind)
    settings = described(found.Config)
    if json:
        print_json({"kind": kind, "settings": settings})
        return
    results.print(inspect.cleandoc(found.__doc__ or ""), markup=False)
    rows: list[list[object]] = [
        [one.name, one.type, "*" if one.is_required else one.default, one.says] for one in settings
    ]
    print_table(["", "", "", ""], rows)


def check_(name: NameArgument, *, json: JsonOption = False) -> None:
    """Look whether a connector's document is right and its source or target answers.

    Example: bus connector check schools-folder
    """
    connector = any_connector_of(name)
    if isinstance(connector, Connector):
        connector.mapping()
    findings = asyncio.run(_checked(connector))
    if json:
        print_json({"connector": name, "findings": findings})
    for finding in () if json else findings:
        results.print(finding.spoken(language()), markup=False)
    if findings:
        raise typer.Exit(1)
    if not json:
        results.print(text("connector.sound", language(), connector=name), markup=False)


async def _checked(connector: Connector | SinkConnector) -> list[Any]:
    try:
        if isinstance(connector, SinkConnector):
            return list(await sink_of(connector).check())
        return list(await source_of(connector).check())
    except (OSError, TimeoutError) as problem:
        raise Unavailable(
            message("connector.source_down", connector=connector.name, problem=problem)
        ) from problem
