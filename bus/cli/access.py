"""`bus access`: rights on Kafka and marts in PostgreSQL, as the agreements give them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import typer

from bus.access.reconcile import AccessDiff, find_drift
from bus.access.rights import rights_of
from bus.cli.context import installation, now, region
from bus.cli.marts import wanted_marts
from bus.cli.output import JsonOption, headings, print_json, print_table
from bus.kafka.administration import connect_admin
from bus.marts.entries import MartDiff
from bus.marts.reading import find_mart_drift
from bus.marts.reconcile import connect_marts, reconcile_marts
from bus.marts.wanted import Marts
from bus.postgres.session import Session
from bus.provision.noted import apply_rights

app = typer.Typer(
    no_args_is_help=True, help="Rights on Kafka and marts, from the agreements in force."
)

_OfMarts: TypeAlias = Callable[[Session, Marts], Awaitable[MartDiff]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """How the engines differ from the agreements."""

    kafka: AccessDiff
    marts: MartDiff


@app.command()
def diff(*, json: JsonOption = False) -> None:
    """Show how rights and marts differ from the agreements; exit 1 where they do.

    Example: bus access diff
    """
    admin = connect_admin(installation().cluster_as_admin())
    kafka = find_drift(admin, rights_of(region(), now()))
    found = _Difference(kafka=kafka, marts=asyncio.run(_marts(find_mart_drift)))
    _print(found, json=json)
    if not (kafka.is_empty and found.marts.is_empty) or kafka.nameless:
        raise typer.Exit(1)


@app.command()
def apply(*, json: JsonOption = False) -> None:
    """Withdraw what no agreement gives and grant what one does, on Kafka and then in marts.

    Example: bus access apply
    """
    admin = connect_admin(installation().cluster_as_admin())
    current = installation()
    kafka = apply_rights(admin, region(), now(), current.fund_dsn())
    done = _Difference(kafka=kafka, marts=asyncio.run(_marts(reconcile_marts)))
    _print(done, json=json)


async def _marts(ask: _OfMarts) -> MartDiff:
    session = await connect_marts(installation().fund_dsn())
    try:
        return await ask(session, wanted_marts())
    finally:
        await session.close()


def _print(difference: _Difference, *, json: bool) -> None:
    if json:
        print_json(difference)
        return
    kafka, marts = difference.kafka, difference.marts
    missing, surplus, nameless, of_marts = headings("missing", "surplus", "nameless", "mart")
    print_table(
        headings("", "difference", "entry"),
        [
            *[["Kafka", missing, str(entry)] for entry in kafka.missing],
            *[["Kafka", surplus, str(entry)] for entry in kafka.surplus],
            *[["Kafka", nameless, str(entry)] for entry in kafka.nameless],
            *[[of_marts, missing, str(entry)] for entry in marts.missing],
            *[[of_marts, surplus, str(entry)] for entry in marts.surplus],
        ],
    )
