"""`bus connector offsets`: how far a connector is in its source."""

from __future__ import annotations

import asyncio
import json as json_text
from typing import Annotated

import typer

from bus.cli.context import installation, language
from bus.cli.output import JsonOption, print_json, results
from bus.client import KeptPosition, position_name, read_own_positions
from bus.model.identifiers import DatasetCode, SystemCode
from connectors.cli.composing import NameArgument, connector_of, door_of
from connectors.documents import Connector
from connectors.source import Json
from connectors.texts import text

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="How far a connector is in its source.\n\nExample: bus connector offsets show schools",
)


@app.command()
def show(name: NameArgument, *, json: JsonOption = False) -> None:
    """Tell how far a connector is in its source.

    Example: bus connector offsets show schools-folder
    """
    kept = asyncio.run(_kept(connector_of(name)))
    if json:
        print_json(kept)
    elif kept is None:
        results.print(text("connector.never_ran", language(), connector=name), markup=False)
    else:
        results.print(json_text.dumps(kept.position, ensure_ascii=False), markup=False)
        results.print(text("connector.kept", language(), at=kept.kept_at, by=kept.by), markup=False)
    if kept is None:
        raise typer.Exit(1)


async def _kept(connector: Connector) -> KeptPosition | None:
    current, system = installation(), SystemCode(connector.document.system)
    found = await read_own_positions(
        current.cluster_as(system), system, DatasetCode(connector.document.dataset)
    )
    return found.get(position_name(system, connector.name))


@app.command("set")
def set_(
    name: NameArgument,
    position: Annotated[str, typer.Argument(help="As JSON, as the source itself writes it.")],
) -> None:
    """Let a connector read on from another position; one that runs ends.

    Rows that were told before are recognised where the contract takes versions from the source;
    else a row that has changed since becomes a new version once more.

    Example: bus connector offsets set schools-table '["2026-01-01T00:00:00", 17]'
    """
    try:
        parsed = json_text.loads(position)
    except ValueError as problem:
        raise typer.BadParameter(text("connector.position_not_json", language())) from problem
    asyncio.run(_set(connector_of(name), parsed))


@app.command()
def reset(name: NameArgument) -> None:
    """Let a connector read its source from the beginning; one that runs ends.

    Example: bus connector offsets reset schools-folder
    """
    asyncio.run(_set(connector_of(name), None))


async def _set(connector: Connector, position: Json) -> None:
    door = door_of(connector)
    async with door:
        await door.keep(position)
