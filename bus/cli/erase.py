"""`bus erase` and `bus erasures`: destroying registry entries' data."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bus.catalogue.parties import BUS
from bus.cli.context import installation, now
from bus.cli.in_force import region_applied
from bus.cli.output import JsonOption, headings, print_json, print_table, tell
from bus.kafka.administration import connect_admin
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.provision import erasure
from bus.provision.erasure import Entry, Erasure, Hands, grounds_for
from bus.quarantine.decision import Grounds

ByOption = Annotated[str, typer.Option(help="Post of the person who decided, never a name.")]
SecondOption = Annotated[str, typer.Option(help="Post of a second person who agreed.")]
BecauseOption = Annotated[str, typer.Option(help="Why: an act or a demand, never a name.")]


def erase(
    dataset: Annotated[str, typer.Argument(help="Dataset, e.g. births.")],
    agency: Annotated[str, typer.Argument(help="Agency that provides the entry.")],
    key: Annotated[str, typer.Argument(help="Its registry number.")],
    *,
    by: ByOption,
    second: SecondOption,
    because: BecauseOption,
    json: JsonOption = False,
) -> None:
    """Destroy an entry's data in fund, marts, quarantine and answers; for good.

    Its provider annuls or ceases it before, by which every consumer learns of it. Nothing of the
    entry is taken in again. Told is also the day after which no topic holds it either.

    Example: bus erase births civil-samara 63-1 --by "Steward" --second "Head" --because "152-FZ"
    """
    entry = Entry(dataset=DatasetCode(dataset), agency=AgencyCode(agency), key=key)
    done = asyncio.run(_erase(entry, grounds_for(by, second, because)))
    if json:
        print_json(done)
        return
    tell(
        "erase.done",
        versions=done.erased.versions,
        set_aside=done.erased.set_aside,
        answers=done.erased.answers,
    )
    tell("erase.topics_until", day=done.topics_hold_until)
    if done.kept_for_ever:
        tell("erase.kept_for_ever", topics=", ".join(done.kept_for_ever))


def erasures(
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Erase all of them once more: after a restore.")
    ] = False,
    by: ByOption = "",
    second: SecondOption = "",
    because: BecauseOption = "",
    json: JsonOption = False,
) -> None:
    """List which entries were erased; after a backup was restored, erase them again.

    Example: bus erasures --again --by "Steward" --second "Head" --because "Restore of 3 May"
    """
    entries = asyncio.run(erasure.read_erasures(installation().cluster_as(BUS)))
    if not again:
        if json:
            print_json(entries)
            return
        print_table(
            headings("dataset", "agency", "key"),
            [[one.dataset, one.agency, one.key] for one in entries],
        )
        return
    grounds = grounds_for(by, second, because)
    count = asyncio.run(erasure.erase_again(_hands(), entries, grounds))
    if json:
        print_json({"erased": len(entries), "held_anything": count})
    else:
        tell("erase.again", erased=len(entries), count=count)


async def _erase(entry: Entry, grounds: Grounds) -> Erasure:
    hands = _hands()
    return await erasure.erase(hands, await region_applied(hands.cluster), entry, grounds)


def _hands() -> Hands:
    current = installation()
    return Hands(
        admin=connect_admin(current.cluster_as_admin()),
        cluster=current.cluster_as(BUS),
        fund_dsn=current.fund_dsn(),
        audit_key=current.audit_key(),
        clock=now,
    )
