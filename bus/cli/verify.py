"""`bus verify`: the conservation law."""

from __future__ import annotations

import asyncio

import typer

from bus.catalogue.parties import BUS
from bus.cli.context import installation
from bus.cli.output import JsonOption, print_json, print_table, talk
from bus.errors import Unavailable
from bus.fund.layout import layouts_of
from bus.kafka.catalogue_topic import CatalogueReader
from bus.verify.check import verify as check_law
from bus.verify.law import Verification
from bus.wiring import Installation


def verify(*, json: JsonOption = False) -> None:
    """Check that nothing was lost and nothing doubled; exit 1 with the partitions that differ.

    May run at any time: what is in flight is left out.

    Example: bus verify
    """
    found = asyncio.run(_verify(installation()))
    if json:
        print_json({"holds": found.holds, "verification": found})
    else:
        _print(found)
    if not found.holds:
        raise typer.Exit(1)


async def _verify(current: Installation) -> Verification:
    cluster = current.cluster_as(BUS)
    async with CatalogueReader(cluster) as reader:
        await reader.read_to_end()
        snapshot = reader.snapshot()
    if snapshot is None:
        raise Unavailable("no catalogue is in force; run `bus catalogue apply`")
    layouts = layouts_of(snapshot.region.contracts.values(), snapshot.region.lock)
    return await check_law(
        cluster, current.fund_dsn(), layouts, progress=lambda what: talk.print(f"… {what}")
    )


def _print(found: Verification) -> None:
    print_table(
        [
            "inbound partition",
            "upto",
            "records",
            "accepted",
            "quarantined",
            "lost",
            "invented",
            "removed",
            "lag",
            "",
        ],
        [
            [
                f"{law.topic}/{law.partition}",
                law.committed,
                law.records,
                law.accepted,
                law.quarantined,
                law.lost,
                law.invented,
                law.removed,
                law.lag,
                _sign(holds=law.holds),
            ]
            for law in found.inbound
            if law.records or law.lag or not law.holds
        ],
    )
    print_table(
        [
            "accepted partition",
            "upto",
            "records",
            "history",
            "repeats",
            "refused",
            "held",
            "lag",
            "",
        ],
        [
            [
                f"{law.topic}/{law.partition}",
                law.position,
                law.records,
                law.history,
                law.repeats,
                law.refused,
                law.held,
                law.lag,
                _sign(holds=law.holds),
            ]
            for law in found.accepted
            if law.records or law.lag or not law.holds
        ],
    )
    print_table(
        ["quarantine topic", "distinct", "missing", ""],
        [
            [law.topic, law.distinct, law.missing, _sign(holds=law.holds)]
            for law in found.quarantine
        ],
    )
    talk.print(
        f"accepted ids {found.accepted_ids}, lost in the fund {found.lost_in_fund}, "
        f"doubled {found.doubled_in_fund}: the law {'holds' if found.holds else 'DOES NOT HOLD'}"
    )


def _sign(*, holds: bool) -> str:
    return "holds" if holds else "DIFFERS"
