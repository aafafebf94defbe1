"""`bus fund`: reading the data fund."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import typer

from bus.cli.context import installation, language, now, region
from bus.cli.output import JsonOption, heading, headings, print_json, print_table, tell
from bus.fund.asof import ROWS_MAX, AsOf
from bus.fund.layout import layouts_of
from bus.fund.past import PastReader
from bus.fund.past_answer import Answer, answer
from bus.fund.reader import FundReader
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.postgres.session import as_json
from bus.texts import text

app = typer.Typer(no_args_is_help=True, help="The data fund: current state and history.")

DatasetArgument = Annotated[str, typer.Argument(help="Dataset, e.g. organisations.")]
AgencyArgument = Annotated[str, typer.Argument(help="Provider, e.g. tax-samara.")]
KeyArgument = Annotated[str, typer.Argument(help="The provider's registry number.")]
T = TypeVar("T")


@app.command()
def get(
    dataset: DatasetArgument, agency: AgencyArgument, key: KeyArgument, *, json: JsonOption = False
) -> None:
    """Show what stands now of one registry entry; exit 1 where nothing does.

    Example: bus fund get educational-institutions education-samara 63-0001
    """
    row = _read(lambda reader: reader.get(DatasetCode(dataset), AgencyCode(agency), key))
    if row is None:
        tell("fund.nothing_stands", dataset=dataset, key=key, agency=agency)
        raise typer.Exit(1)
    if json:
        print_json(row)
    else:
        print_table(
            headings("field", "value"),
            [
                [heading("version"), row.version],
                [heading("operation"), row.operation],
                [heading("record_id"), row.record_id],
                [heading("event_time"), row.event_time],
                *([[heading("doubted"), row.doubted_since]] if row.doubted_since else []),
                *[[name, value] for name, value in row.values.items()],
            ],
        )


@app.command()
def history(
    dataset: DatasetArgument, agency: AgencyArgument, key: KeyArgument, *, json: JsonOption = False
) -> None:
    """Show every accepted version of one registry entry, lowest first.

    Example: bus fund history organisations tax-samara 1026300000019
    """
    rows = _read(lambda reader: reader.history(DatasetCode(dataset), AgencyCode(agency), key))
    if json:
        print_json(rows)
    else:
        print_table(
            headings(
                "version", "operation", "record_id", "event_time", "recorded", "from", "doubted"
            ),
            [
                [
                    r.version,
                    r.operation,
                    r.record_id,
                    r.event_time,
                    r.recorded_at,
                    r.bus_in,
                    r.doubted_since,
                ]
                for r in rows
            ],
        )
    if not rows:
        raise typer.Exit(1)


@app.command()
def count(
    dataset: Annotated[str | None, typer.Argument(help="Dataset; none: all.")] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Count accepted versions and entries that stand.

    Example: bus fund count
    """
    datasets = [DatasetCode(dataset)] if dataset else sorted(region().contracts)
    counted = {name: _read(lambda reader, name=name: reader.count(name)) for name in datasets}  # type: ignore[misc]
    if json:
        print_json(counted)
    else:
        print_table(
            headings("dataset", "versions", "entries"),
            [[name, found.history, found.current] for name, found in counted.items()],
        )


@app.command()
def held(
    dataset: Annotated[str | None, typer.Argument(help="Dataset; none: all.")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Records shown at most.")] = 100,
    json: JsonOption = False,
) -> None:
    """List accepted records that wait for the version that they supersede, oldest first.

    Example: bus fund held organisations
    """
    code = None if dataset is None else DatasetCode(dataset)
    rows = _ask(lambda past: past.held(code, limit))
    if json:
        print_json(rows)
        return
    at = now()
    print_table(
        headings("dataset", "agency", "key", "version", "operation", "waits_for", "since", "group"),
        [
            [
                row.dataset,
                row.agency,
                row.key,
                row.version,
                row.operation,
                row.supersedes,
                str(timedelta(seconds=int((at - row.accepted_at).total_seconds()))),
                row.group,
            ]
            for row in rows
        ],
    )


def _moment(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(text("fund.no_moment", language(), given=given))
    return moment


@app.command("as-of")
def as_of(
    dataset: DatasetArgument,
    *,
    agency: Annotated[str | None, typer.Option(help="Of this provider only.")] = None,
    key: Annotated[str | None, typer.Option(help="Of this registry number only.")] = None,
    recorded: Annotated[
        str | None, typer.Option(help="By what the fund had recorded by then; default now.")
    ] = None,
    valid: Annotated[
        str | None, typer.Option(help="What was true then; default the newest versions.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=ROWS_MAX, help="Entries of a page.")] = 100,
    after: Annotated[str, typer.Option(help="AGENCY/KEY that the page before ended with.")] = "/",
    count: Annotated[bool, typer.Option(help="Count entries instead of showing them.")] = False,
    incomplete: Annotated[
        bool, typer.Option(help="Answer although not all of that time is recorded yet.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show what stood at a moment: by what was recorded then, or true then, or both.

    A moment that the fund is not complete up to is refused, unless --incomplete is given; the
    answer says so then.

    Example: bus fund as-of organisations --valid 2026-03-01T00:00:00Z --key 1026300000019
    """
    behind_agency, _, behind_key = after.partition("/")
    question = AsOf(
        recorded=_moment(recorded),
        valid=_moment(valid),
        agency=None if agency is None else AgencyCode(agency),
        key=key,
        after=(behind_agency, behind_key),
        limit=limit,
    )
    cluster = installation().cluster_as_admin()
    found = _ask(
        lambda past: answer(
            past, cluster, DatasetCode(dataset), question, counting=count, incomplete=incomplete
        )
    )
    if json:
        print_json(found)
    else:
        _print_answer(found)


def _print_answer(found: Answer) -> None:
    tell("fund.recorded_by", moment=found.recorded.isoformat())
    if found.valid is not None:
        tell("fund.true_at", moment=found.valid.isoformat())
    if not found.is_complete:
        tell("fund.incomplete", before=found.complete_before.isoformat())
    if found.count is not None:
        counted = found.count
        print_table(
            headings("alive", "ceased", "versions"),
            [[counted.alive, counted.ceased, counted.versions]],
        )
        return
    print_table(
        headings("agency", "key", "version", "event_time", "ceased", "recorded", "values"),
        [
            [
                row.agency,
                row.key,
                row.version,
                row.event_time,
                row.ceased_at,
                row.recorded_at,
                as_json(row.values),
            ]
            for row in found.rows
        ],
    )
    if found.next_after is not None:
        tell("fund.more", after="/".join(found.next_after))


def _ask(ask: Callable[[PastReader], Awaitable[T]]) -> T:
    documents = region()
    layouts = layouts_of(documents.contracts.values(), documents.lock)

    async def run() -> T:
        past = await PastReader.open(installation().fund_dsn(), layouts)
        try:
            return await ask(past)
        finally:
            await past.close()

    return asyncio.run(run())


def _read(ask: Callable[[FundReader], Awaitable[T]]) -> T:
    documents = region()
    layouts = layouts_of(documents.contracts.values(), documents.lock)

    async def read() -> T:
        reader = await FundReader.open(installation().fund_dsn(), layouts)
        try:
            return await ask(reader)
        finally:
            await reader.close()

    return asyncio.run(read())
