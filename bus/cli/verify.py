"""`bus verify`: the conservation law."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import typer

from bus.catalogue.parties import BUS
from bus.cli.context import installation, now
from bus.cli.output import JsonOption, heading, headings, print_json, print_table, tell
from bus.errors import Unavailable
from bus.fund.layout import layouts_of
from bus.kafka.catalogue_topic import CatalogueReader
from bus.observe.status import LastCheck, keep_check
from bus.texts import message
from bus.verify.check import verify as check_law
from bus.verify.law import Verification
from bus.wiring import Installation


def verify(*, json: JsonOption = False) -> None:
    """Check that nothing was lost and nothing doubled; exit 1 with the partitions that differ.

    May run at any time: what is in flight is left out.

    Example: bus verify
    """
    current = installation()
    found = asyncio.run(_verify(current))
    keep_check(current.home, LastCheck(at=now(), holds=found.holds))
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
        raise Unavailable(message("error.cli.no_catalogue"))
    region = snapshot.region
    kept_days = region.topics_kept_days
    return await check_law(
        cluster,
        current.fund_dsn(),
        layouts_of(region.contracts.values(), region.lock),
        progress=lambda step: tell(f"verify.step.{step}"),
        # Why a day less: what is read last may be let go of meanwhile.
        judged_since=None if kept_days is None else now() - timedelta(days=kept_days - 1),
    )


def _print(found: Verification) -> None:
    print_table(
        headings(
            "inbound_partition",
            "upto",
            "records",
            "accepted",
            "released",
            "quarantined",
            "lost",
            "invented",
            "removed",
            "lag",
            "",
        ),
        [
            [
                f"{law.topic}/{law.partition}",
                law.committed,
                law.records,
                law.accepted,
                law.released,
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
        headings("release_partition", "upto", "releases", "accepted", "lost", "lag", ""),
        [
            [
                f"{law.topic}/{law.partition}",
                law.committed,
                law.releases,
                law.accepted,
                law.lost,
                law.lag,
                _sign(holds=law.holds),
            ]
            for law in found.releases
            if law.releases or law.lag or not law.holds
        ],
    )
    print_table(
        headings(
            "accepted_partition",
            "upto",
            "records",
            "history",
            "repeats",
            "refused",
            "held",
            "lag",
            "",
        ),
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
        headings("quarantine_topic", "distinct", "missing", "lag", ""),
        [
            [law.topic, law.distinct, law.missing, law.lag, _sign(holds=law.holds)]
            for law in found.quarantine
            if law.distinct or law.lag or not law.holds
        ],
    )
    tell(
        "verify.holds" if found.holds else "verify.broken",
        accepted=found.accepted_ids,
        lost=found.lost_in_fund,
        doubled=found.doubled_in_fund,
    )


def _sign(*, holds: bool) -> str:
    return heading("holds" if holds else "differs")
