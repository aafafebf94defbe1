"""`bus slo`: what was promised, by steward, and how much may still be missed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from bus.cli.context import installation, language, region
from bus.cli.output import JsonOption, headings, print_json, print_table
from bus.errors import DocumentError
from bus.observe.prometheus import ask
from bus.observe.slo import (
    MISSED_SHARE,
    OWN_MISSED_SHARES,
    Promise,
    Standing,
    missed_of,
    own_promises,
    promises,
)
from bus.texts import message, text


def slo(
    *,
    dataset: Annotated[str | None, typer.Option(help="Of this dataset alone.")] = None,
    agency: Annotated[str | None, typer.Option(help="Of this provider alone.")] = None,
    json: JsonOption = False,
) -> None:
    """Show what was promised and reached in 30 days, by steward; exit 1 where a promise is broken.

    Asks the Prometheus that BUS_PROMETHEUS names, with the rules of deploy/prometheus.

    Example: bus slo --dataset organisations
    """
    found = [
        one
        for one in asyncio.run(_promises())
        if dataset in {None, one.dataset} and agency in {None, one.agency}
    ]
    if not found:
        raise DocumentError(message("error.cli.no_promise", dataset=dataset, agency=agency))
    if json:
        print_json({"promises": found})
    else:
        _print(found)
    if any(one.standing is Standing.BROKEN for one in found):
        raise typer.Exit(1)


async def _promises() -> tuple[Promise, ...]:
    url = installation().settings.prometheus
    missed = missed_of(await ask(url, MISSED_SHARE))
    own = {
        objective: sample.value
        for objective, (expr, _) in OWN_MISSED_SHARES.items()
        for sample in await ask(url, expr)
        if sample.is_number
    }
    return (*own_promises(own), *promises(region(), missed))


def _print(found: Sequence[Promise]) -> None:
    print_table(
        headings("steward", "agency", "dataset", "objective", "promised", "reached", "left", ""),
        [
            [
                one.steward or text("slo.bus", language()),
                one.agency,
                one.dataset,
                text(f"slo.{one.objective}", language()),
                _percent(one.promised),
                _percent(one.reached),
                _percent(one.left),
                text(f"slo.{one.standing}", language()),
            ]
            for one in found
        ],
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"
