"""`bus publish` and `bus subscribe`: an agency's two doors on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bus.catalogue.documents import mapping_path
from bus.cli.context import installation, language, now, region
from bus.cli.output import JsonOption, print_json, print_table, talk
from bus.client import (
    BadRow,
    BatchSigner,
    MappedRow,
    Outcome,
    Publisher,
    PublishReport,
    Subscriber,
    UnsendableRow,
    exporting,
    json_line,
)
from bus.contracts.contract import Classification
from bus.contracts.yaml_document import some_of
from bus.errors import DocumentError
from bus.model.identifiers import DatasetCode, SystemCode
from bus.model.record import Lane
from bus.tables.binding import bind
from bus.tables.fitting import Binding
from bus.tables.mapping import MappingFile, read_mapping
from bus.tables.opening import open_table
from bus.tables.options import TableOptions
from bus.tables.table import Table
from bus.texts import message, text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choices:
    """How a table is published."""

    lane: Lane
    wait_s: float
    unchecked: bool
    all_or_nothing: bool
    event_time_field: str | None


SystemOption = Annotated[str, typer.Option("--as", help="The information system that acts.")]


def publish(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines, XLSX or XLS.")],
    *,
    system: SystemOption,
    dataset: Annotated[str, typer.Option(help="Dataset to publish.")],
    mapping: Annotated[
        str | None,
        typer.Option(help="Mapping file, or NAME of mapping.NAME.yaml beside the contract."),
    ] = None,
    lane: Annotated[Lane, typer.Option(help="backfill: history, of which no delay counts.")] = (
        Lane.LIVE
    ),
    wait_s: Annotated[
        float, typer.Option(min=0, help="How long to wait for the verdicts; 0: not at all.")
    ] = 60.0,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Send rows that break a rule; for quarantine.")
    ] = False,
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Send nothing if a row can't be sent.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Publish the rows of a table file: new ones are created, changed ones corrected.

    The contract's rules are run first: a row that breaks one is told and not sent. A row equal to
    what was published before is a repeat and is not sent. Interrupted, it is started again and
    goes on.

    Example: bus publish schools.csv --as edu-registry --dataset educational-institutions
    """
    contracts = region().contracts
    contract = contracts.get(DatasetCode(dataset))
    if contract is None:
        raise DocumentError(
            message("error.contract.no_dataset", dataset=dataset, known=some_of(contracts))
        )
    found = _mapping(DatasetCode(dataset), mapping)
    table = open_table(file, found.mapping.table if found else TableOptions())
    personal = frozenset(
        name for name, kind in contract.classification.items() if kind is Classification.PERSONAL
    )
    binding = bind(
        table.columns,
        contract.newest.schema,
        mapping=found,
        personal=personal,
        json=table.holds_json,
    )
    _tell_assumptions(file, table, binding)
    report, outcome = asyncio.run(
        _publish(
            SystemCode(system),
            contract.dataset,
            table,
            binding,
            choices=_Choices(
                lane=lane,
                wait_s=wait_s,
                unchecked=unchecked,
                all_or_nothing=all_or_nothing,
                event_time_field=found.mapping.event_time if found else None,
            ),
        )
    )
    _print_publication(report, outcome, json=json)
    if report.unsendable_count or (outcome is not None and outcome.quarantined):
        raise typer.Exit(1)


def _mapping(dataset: DatasetCode, named: str | None) -> MappingFile | None:
    if named is None:
        return None
    path = Path(named)
    if not path.exists():
        path = mapping_path(installation().settings.region, dataset, named)
    return read_mapping(str(path), path.read_bytes())


def _tell_assumptions(file: Path, table: Table, binding: Binding) -> None:
    spoken, assumed = language(), table.assumptions
    parts = [text("publish.format", spoken, format=assumed.format)]
    if assumed.encoding is not None:
        stated = "encoding" in assumed.stated
        key = "publish.encoding_stated" if stated else "publish.encoding_assumed"
        parts.append(
            text(
                key, spoken, encoding=assumed.encoding, percent=f"{assumed.encoding_confidence:.0%}"
            )
        )
    if assumed.delimiter is not None:
        parts.append(text("publish.delimiter", spoken, delimiter=repr(assumed.delimiter)))
    if assumed.sheet is not None:
        parts.append(text("publish.sheet", spoken, sheet=assumed.sheet))
    if assumed.other_sheets:
        parts.append(text("publish.other_sheets", spoken, sheets=", ".join(assumed.other_sheets)))
    if binding.unmapped_columns:
        names = ", ".join(binding.unmapped_columns)
        parts.append(text("publish.unmapped", spoken, columns=names))
    talk.print(f"{file.name}: {'; '.join(parts)}", markup=False)


async def _publish(
    system: SystemCode,
    dataset: DatasetCode,
    table: Table,
    binding: Binding,
    *,
    choices: _Choices,
) -> tuple[PublishReport, Outcome | None]:
    current = installation()
    credentials = current.credentials(system)
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(
            Publisher.open(
                current.cluster_with(credentials),
                home=current.home,
                system=system,
                dataset=dataset,
                signer=BatchSigner(credentials.key_id, credentials.private_key),
                clock=now,
                send_broken=choices.unchecked,
                event_time_field=choices.event_time_field,
                traced_share=current.settings.traced_share,
                spans=stack.enter_context(exporting(current.settings.otlp, system)),
            )
        )
        if choices.all_or_nothing:
            _refuse_unsendable(publisher.check(_rows(table, binding)))
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=talk,
            transient=True,
        ) as bar:
            task = bar.add_task(f"{system} → {dataset}", total=table.rows_total_hint)
            report = await publisher.publish(
                _rows(table, binding),
                lane=choices.lane,
                progress=lambda so_far: bar.update(task, completed=so_far.rows),
            )
        outcome = await publisher.outcome(timeout_s=choices.wait_s) if choices.wait_s else None
    return report, outcome


def _refuse_unsendable(rows: Sequence[UnsendableRow]) -> None:
    if rows:
        _tell_problems(rows)
        talk.print(text("publish.nothing_sent", language(), rows=len(rows)), markup=False)
        raise typer.Exit(1)


def _tell_problems(rows: Iterable[UnsendableRow]) -> None:
    spoken = language()
    for row in rows:
        for problem in row.problems:
            where = "" if problem.field is None else f"{problem.field}: "
            talk.print(f"{row.number}: {where}{getattr(problem, spoken.value)}", markup=False)


def _rows(table: Table, binding: Binding) -> Iterator[MappedRow | BadRow]:
    for row in table:
        fitted = row if isinstance(row, BadRow) else binding.apply(row)
        if fitted is not None:
            yield fitted


def _print_publication(report: PublishReport, outcome: Outcome | None, *, json: bool) -> None:
    if json:
        print_json({"report": report, "outcome": outcome})
        return
    spoken = language()
    rows: list[tuple[str, int]] = [
        ("publish.rows", report.rows),
        ("publish.created", report.created),
        ("publish.corrected", report.corrected),
        ("publish.annulled", report.annulled),
        ("publish.ceased", report.ceased),
        ("publish.repeats", report.repeats),
        ("publish.unsendable", report.unsendable_count),
        ("publish.keys_more_than_once", report.keys_more_than_once),
    ]
    table: list[list[object]] = [[text(key, spoken), number] for key, number in rows]
    if outcome is not None:
        table.append([text("publish.accepted", spoken), outcome.accepted])
        table += [
            [text("publish.quarantined", spoken, reason=reason), number]
            for reason, number in sorted(outcome.quarantined.items())
        ]
        table.append([text("publish.pending", spoken), outcome.pending])
    print_table(["", ""], table)
    _tell_problems(report.unsendable)


def subscribe(
    dataset: Annotated[str, typer.Argument(help="Dataset to read.")],
    *,
    system: SystemOption,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for more at the end.")
    ] = False,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Read all, and keep no position.")
    ] = False,
    from_snapshot: Annotated[
        bool,
        typer.Option(
            "--from-snapshot", help="First load what the data fund has, or go on with that load."
        ),
    ] = False,
) -> None:
    """Read accepted records as JSON Lines, as far as the system's agreements allow.

    Every signature is checked; repeats are dropped. Without --from-beginning it goes on where
    the system stopped the last time. A load that was stopped goes on where it was: at the page
    that was not taken whole. Once it is done, this command reads on behind it.

    Example: bus subscribe organisations --as region-portal --from-snapshot --follow
    """
    if from_beginning and from_snapshot:
        raise typer.BadParameter(text("subscribe.choose_one", language()))
    asyncio.run(
        _subscribe(
            SystemCode(system),
            DatasetCode(dataset),
            follow=follow,
            from_beginning=from_beginning,
            from_snapshot=from_snapshot,
        )
    )


async def _subscribe(
    system: SystemCode,
    dataset: DatasetCode,
    *,
    follow: bool,
    from_beginning: bool,
    from_snapshot: bool,
) -> None:
    current = installation()
    memory = current.home / "subscribe" / f"{system}.{dataset}.json"
    with exporting(current.settings.otlp, system) as spans:
        async with Subscriber.open(
            current.cluster_as(system),
            system=system,
            dataset=dataset,
            clock=now,
            from_beginning=from_beginning,
            follow=follow,
            gateway=current.gateway_as(system) if from_snapshot else None,
            memory=None if from_beginning else memory,
            spans=spans,
        ) as subscriber:
            async for record in subscriber:
                typer.echo(json_line(record))
