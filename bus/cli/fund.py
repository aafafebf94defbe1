"""`bus fund`: reading the data fund."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from bus.cli.context import installation, region
from bus.cli.output import JsonOption, print_json, print_table, talk
from bus.fund.layout import layouts_of
from bus.fund.reader import FundReader
from bus.model.identifiers import AgencyCode, DatasetCode

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
        talk.print(f"nothing stands of {dataset} {key} of {agency}")
        raise typer.Exit(1)
    if json:
        print_json(row)
    else:
        print_table(
            ["field", "value"],
            [
                ["version", row.version],
                ["operation", row.operation],
                ["record id", row.record_id],
                ["event time", row.event_time],
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
            ["version", "operation", "record id", "event time", "recorded", "from"],
            [
                [r.version, r.operation, r.record_id, r.event_time, r.recorded_at, r.bus_in]
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
            ["dataset", "versions", "entries"],
            [[name, found.history, found.current] for name, found in counted.items()],
        )


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
