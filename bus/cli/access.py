"""`bus access`: rights on Kafka and marts in PostgreSQL, as the agreements give them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import typer

from bus.access.reconcile import AccessDiff, find_drift
from bus.access.rights import rights_of
from bus.catalogue.region import Region
from bus.cli.context import installation, now, region
from bus.cli.in_force import region_in_force
from bus.cli.marts import wanted_marts
from bus.cli.output import JsonOption, headings, print_json, print_table
from bus.kafka.administration import connect_admin
from bus.marts.entries import MartDiff
from bus.marts.reading import find_mart_drift
from bus.marts.reconcile import connect_marts
from bus.marts.wanted import Marts
from bus.provision.noted import apply_marts, apply_rights

app = typer.Typer(
    no_args_is_help=True, help="Rights on Kafka and marts, from the agreements in force."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """How the engines differ from the agreements."""

    kafka: AccessDiff
    marts: MartDiff


@app.command()
def diff(*, json: JsonOption = False) -> None:
    """Show how rights and marts differ from the agreements in force; exit 1 where they do.

    Example: bus access diff
    """
    current = _region()
    admin = connect_admin(installation().cluster_as_admin())
    kafka = find_drift(admin, rights_of(current, now()))
    found = _Difference(kafka=kafka, marts=asyncio.run(_mart_drift(wanted_marts(current))))
    _print(found, json=json)
    if not (kafka.is_empty and found.marts.is_empty) or kafka.nameless:
        raise typer.Exit(1)


@app.command()
def apply(*, json: JsonOption = False) -> None:
    """Withdraw what no agreement in force gives, grant what one does, on Kafka and in marts.

    Documents on disk that were not applied yet count for nothing here.

    Example: bus access apply
    """
    current, dsn = _region(), installation().fund_dsn()
    admin = connect_admin(installation().cluster_as_admin())
    kafka = apply_rights(admin, current, now(), dsn)
    marts = asyncio.run(apply_marts(dsn, wanted_marts(current)))
    done = _Difference(kafka=kafka, marts=marts)
    _print(done, json=json)


def _region() -> Region:
    """Give the region in force, as the keeper does; before the first, the documents on disk."""
    found = asyncio.run(region_in_force(installation().cluster_as_admin()))
    return region() if found is None else found


async def _mart_drift(wanted: Marts) -> MartDiff:
    session = await connect_marts(installation().fund_dsn())
    try:
        return await find_mart_drift(session, wanted)
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
