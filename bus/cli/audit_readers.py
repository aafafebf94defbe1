"""`bus audit who-read`: who was given an entry, and who could read it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from bus.access.rights import Permitted, Resource, rights_of
from bus.audit.note import key_mark
from bus.audit.notes import create_audit_tables, reads_of, rights_on
from bus.audit.readers import (
    Entitlement,
    ExactRead,
    Subscription,
    entitlements,
    exact_reads,
    subscriptions,
)
from bus.catalogue.parties import BUS
from bus.catalogue.region import Region
from bus.catalogue.views import views_of
from bus.cli.context import installation, language, now, region
from bus.cli.output import JsonOption, headings, print_json, print_table, results
from bus.errors import DocumentError
from bus.model.identifiers import DatasetCode
from bus.postgres.session import connect
from bus.texts import message, text
from bus.wire import topics
from bus.wiring import Installation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Readers:
    """Who read an entry, and who could."""

    exact: Sequence[ExactRead]
    entitled: Sequence[Entitlement]
    subscribed: Sequence[Subscription]


def who_read(
    dataset: Annotated[str, typer.Argument(help="Dataset, e.g. organisations.")],
    key: Annotated[str, typer.Argument(help="The provider's registry number.")],
    *,
    agency: Annotated[str | None, typer.Option(help="Only this provider's entry.")] = None,
    json: JsonOption = False,
) -> None:
    """Tell who was given an entry by the gateway, and who could read it from Kafka.

    The first is exact. Of Kafka it is known who had the right to a topic of the dataset and which
    consumer groups have read in it, not which records they took.

    Example: bus audit who-read organisations 1026300000019
    """
    found = asyncio.run(_who_read(installation(), DatasetCode(dataset), key, agency))
    if json:
        print_json(found)
        return
    _print_readers(found)


async def _who_read(
    current: Installation, dataset: DatasetCode, key: str, agency: str | None
) -> _Readers:
    known = region()
    if dataset not in known.contracts:
        names = ", ".join(sorted(known.contracts))
        raise DocumentError(message("error.audit.no_such_dataset", dataset=dataset, known=names))
    shown = _topics_of(known, dataset)
    session = await connect(current.fund_dsn(), "bus audit")
    try:
        await create_audit_tables(session)
        mark = key_mark(current.audit_key(), dataset, key)
        reads = exact_reads(await reads_of(session, dataset, mark), agency)
        entitled = entitlements(await rights_on(session, dataset), _entitled_now(known, shown))
    finally:
        await session.close()
    groups = await subscriptions(current.cluster_as_admin(), shown)
    own = tuple(one for one in groups if not one.group.startswith(f"{BUS}."))
    return _Readers(exact=reads, entitled=entitled, subscribed=own)


def _topics_of(known: Region, dataset: DatasetCode) -> list[str]:
    views = [topics.view(view.code) for view in views_of(known) if view.dataset == dataset]
    return [topics.accepted(dataset), *views]


def _entitled_now(known: Region, shown: Sequence[str]) -> list[tuple[str, str]]:
    return sorted(
        (right.principal, right.name)
        for right in rights_of(known, now())
        if right.resource is Resource.TOPIC
        and right.operation is Permitted.READ
        and right.name in shown
    )


def _print_readers(found: _Readers) -> None:
    spoken = language()
    results.print(text("audit.exact", spoken, count=len(found.exact)), markup=False)
    print_table(
        headings("time", "way", "system", "agency", "agreement", "note"),
        [
            [one.at, one.way, one.system, one.agency, ", ".join(one.agreements), one.note]
            for one in found.exact
        ],
    )
    results.print(text("audit.entitled", spoken, count=len(found.entitled)), markup=False)
    print_table(
        headings("system", "topic", "begins", "ends"),
        [[one.system, one.topic, one.begins, one.ends] for one in found.entitled],
    )
    results.print(text("audit.subscribed", spoken, count=len(found.subscribed)), markup=False)
    print_table(
        headings("group", "topic", "position"),
        [[one.group, one.topic, one.position] for one in found.subscribed],
    )
