"""`bus connector test`: the conformance kit over a kind of source."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from bus.cli.context import language
from bus.cli.output import JsonOption, print_json, results
from bus.errors import DocumentError
from connectors.documents import TWINS, kinds, source_of_kind
from connectors.kit.checks import CHECKS, Kit
from connectors.kit.report import Outcome, check
from connectors.texts import message, text


def prove(
    kind: Annotated[str, typer.Argument(help="Kind of source, as `bus connector list` has it.")],
    *,
    only: Annotated[
        list[str] | None, typer.Option(help="Run this check alone; may be repeated.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Prove of a kind of source that it loses no row, wherever its runner is killed.

    Runs on a stand-in for the bus, and on a real small source: its twin.

    Example: bus connector test folder
    """
    source, twins = source_of_kind(kind), kinds(TWINS)
    if kind not in twins:
        raise DocumentError(message("connector.no_twin", kind=kind, known=", ".join(twins) or "-"))
    named = [one.__name__ for one in CHECKS]
    unknown = sorted(set(only or ()) - set(named))
    if unknown:
        raise typer.BadParameter(
            text("connector.no_such_check", language(), known=", ".join(named)), param_hint="--only"
        )
    kit = Kit(source=source, make=source, make_twin=twins[kind].load())
    told = asyncio.run(_proved(kit, only or (), json=json))
    if json:
        print_json({"kind": kind, "checks": told})
    if any(one["outcome"] is Outcome.FAILED for one in told):
        raise typer.Exit(1)


async def _proved(kit: Kit, only: Any, *, json: bool) -> list[Mapping[str, object]]:  # noqa: ANN401
    told: list[Mapping[str, object]] = []
    async for result in check(kit, only):
        asks = text(f"kit.check.{result.name}", language())
        told.append(
            {"name": result.name, "asks": asks, "outcome": result.outcome, "why": result.why}
        )
        if not json:
            said = text(f"kit.outcome.{result.outcome}", language())
            why = f": {result.why}" if result.why else ""
            results.print(f"{said}  {asks} [{result.name}]{why}", markup=False)
    return told
