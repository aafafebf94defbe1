"""`bus quarantine release` and `discard`: deciding on what was set aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from bus.audit.note import act_note
from bus.audit.notes import note_at
from bus.catalogue.parties import BUS
from bus.cli.context import installation, language
from bus.cli.output import JsonOption, headings, print_json, print_table, results, tell
from bus.client.faults import translated
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.producer import BatchProducer
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.verdict import Reason
from bus.quarantine.decision import DecisionKind, Grounds, Selection, grounds_of
from bus.quarantine.decisions import DecisionStore
from bus.quarantine.release import (
    RATE_PER_S,
    RATE_PER_S_MAX,
    ReleaseReport,
    try_release,
)
from bus.quarantine.release import release as release_selected
from bus.texts import message, text

IdsArgument = Annotated[list[str] | None, typer.Argument(help="Quarantine ids.")]
ByOption = Annotated[str, typer.Option(help="The post that decides, not a person's name.")]
BecauseOption = Annotated[str, typer.Option(help="Why; kept, and told to the provider.")]


def release(
    ids: IdsArgument = None,
    *,
    agency: Annotated[str | None, typer.Option(help="All of this provider's.")] = None,
    dataset: Annotated[str | None, typer.Option(help="All of this dataset's.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="All with this reason.")] = None,
    rule: Annotated[str | None, typer.Option(help="All that broke this rule.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would pass under today's rules.")
    ] = False,
    rate: Annotated[
        int, typer.Option(min=1, max=RATE_PER_S_MAX, help="Records a second at most.")
    ] = RATE_PER_S,
    by: ByOption = "",
    because: BecauseOption = "",
    json: JsonOption = False,
) -> None:
    """Send the original records through enforcement again, where they pass today's rules.

    Open entries that would not pass stay open: exit 1, with their reasons. Stopped in the
    middle, run it again; nothing is lost or counted twice.

    Example: bus quarantine release --dataset organisations --rule inn-check-digits --dry-run

    Example: bus quarantine release --rule inn-check-digits --by steward --because 'rule mended'
    """
    selection = Selection(
        ids=tuple(ids) if ids else None,
        agency=AgencyCode(agency) if agency else None,
        dataset=DatasetCode(dataset) if dataset else None,
        reason=reason,
        rule=rule,
    )
    if not selection.described():
        raise typer.BadParameter(text("quarantine.name_some", language()))
    grounds = None if dry_run else grounds_of(DecisionKind.RELEASE, by=by, because=because)
    report = asyncio.run(_release(selection, grounds, rate))
    if json:
        print_json(report)
    else:
        _print_report(report, is_dry=dry_run)
    if report.refused or not report.selected:
        raise typer.Exit(1)


async def _release(selection: Selection, grounds: Grounds | None, rate: int) -> ReleaseReport:
    current = installation()
    cluster = current.cluster_as(BUS)
    async with CatalogueReader(cluster) as reader:
        await reader.read_to_end()
        snapshot = reader.snapshot()
    if snapshot is None:
        raise Unavailable(message("error.cli.no_catalogue"))
    async with _decisions() as store:
        if grounds is None:
            return await try_release(store, selection, snapshot)
        noted = act_note("quarantine_release", selection=asdict(selection), **asdict(grounds))
        await note_at(current.fund_dsn(), [noted])
        with translated(
            message("doing.quarantine.releasing"), message("error.quarantine.release_again")
        ):
            async with BatchProducer(cluster, client_id=f"{BUS}.release") as producer:
                return await release_selected(
                    store,
                    selection,
                    snapshot,
                    grounds=grounds,
                    deliver=producer.deliver,
                    rate_per_s=rate,
                    progress=_show_progress,
                )


def _show_progress(report: ReleaseReport) -> None:
    tell("quarantine.progress", released=report.passing + report.resumed, selected=report.selected)


def _print_report(report: ReleaseReport, *, is_dry: bool) -> None:
    key = "quarantine.would_pass" if is_dry else "quarantine.released"
    results.print(
        text(
            key,
            language(),
            passing=report.passing,
            selected=report.selected,
            catalogue=report.catalogue,
        ),
        markup=False,
    )
    for key, count in (
        ("quarantine.resumed", report.resumed),
        ("quarantine.fund_decides", report.fund_decides),
    ):
        if count:
            results.print(text(key, language(), count=count), markup=False)
    if report.refused:
        print_table(
            headings("number", "reason"), [[n, reason] for reason, n in report.refused.items()]
        )


def discard(
    ids: Annotated[list[str], typer.Argument(help="Quarantine ids.")],
    *,
    by: ByOption = "",
    second: Annotated[str, typer.Option(help="Another post, which agrees.")] = "",
    because: BecauseOption = "",
    json: JsonOption = False,
) -> None:
    """Close entries that nobody needs: two posts must agree. The bytes stay until erased.

    A member of a correction group takes the whole group with it.

    Example: bus quarantine discard ID --by steward --second operator --because 'a test record'
    """
    grounds = grounds_of(DecisionKind.DISCARD, by=by, second=second, because=because)
    discarded = asyncio.run(_discard(ids, grounds))
    if json:
        print_json({"discarded": discarded})
    else:
        print_table(headings("discarded"), [[one] for one in discarded])


async def _discard(ids: list[str], grounds: Grounds) -> tuple[str, ...]:
    noted = act_note("quarantine_discard", ids=ids, **asdict(grounds))
    await note_at(installation().fund_dsn(), [noted])
    async with _decisions() as store:
        return await store.discard(ids, grounds)


@asynccontextmanager
async def _decisions() -> AsyncIterator[DecisionStore]:
    store = await DecisionStore.open(installation().fund_dsn())
    try:
        yield store
    finally:
        await store.close()
