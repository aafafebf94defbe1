"""`bus agreement`: who may receive what, as the region's documents say."""

from __future__ import annotations

from typing import Annotated

import typer

from bus.catalogue.agreement import Agreement
from bus.catalogue.region import parse_region
from bus.cli.agreement_decisions import approve, approve_all, end, refuse, resume, suspend
from bus.cli.agreement_output import (
    granted_words,
    plain_agreement,
    plain_shown,
    print_shown,
    state_word,
)
from bus.cli.agreement_terms import change, draft
from bus.cli.context import documents, now, region
from bus.cli.output import JsonOption, headings, print_json, print_table
from bus.provision.agreement_decision import agreement_of

app = typer.Typer(no_args_is_help=True, help="Who may receive what.")
app.command("draft")(draft)
app.command("change")(change)
app.command("approve")(approve)
app.command("approve-all")(approve_all)
app.command("refuse")(refuse)
app.command("suspend")(suspend)
app.command("resume")(resume)
app.command("end")(end)

ConsumerOption = Annotated[str | None, typer.Option(help="Only those of this receiving agency.")]
DatasetOption = Annotated[str | None, typer.Option(help="Only those on this dataset.")]


@app.command("list")
def list_(
    *, consumer: ConsumerOption = None, dataset: DatasetOption = None, json: JsonOption = False
) -> None:
    """List agreements with what they come to now.

    Example: bus agreement list --consumer health-samara
    """
    at = now()
    found = _found(consumer, dataset)
    if json:
        print_json([plain_agreement(one, at) for one in found])
        return
    print_table(
        headings("agreement", "consumer", "dataset", "granted", "state", "until"),
        [
            [
                one.id,
                one.consumer,
                one.dataset,
                granted_words(one),
                state_word(one.state_at(at)),
                one.valid_to if one.ending is None else one.ending.at,
            ]
            for one in found
        ],
    )


@app.command()
def show(
    agreement: Annotated[str, typer.Argument(help="Its id.")], *, json: JsonOption = False
) -> None:
    """Show what an agreement grants, how both sides stand to it, and each step that led here.

    Example: bus agreement show portal-municipalities
    """
    read, at = documents(), now()
    known = parse_region(read)
    one = agreement_of(known, agreement)
    if json:
        print_json(plain_shown(one, known, read, at))
    else:
        print_shown(one, known, read, at)


@app.command()
def matrix(
    *, consumer: ConsumerOption = None, dataset: DatasetOption = None, json: JsonOption = False
) -> None:
    """Show in one table what each agency may receive of each dataset now.

    Example: bus agreement matrix
    """
    at = now()
    in_force = [one for one in _found(consumer, dataset) if one.is_in_force(at)]
    datasets = sorted({one.dataset for one in in_force})
    consumers = sorted({one.consumer for one in in_force})
    cells: dict[tuple[str, str], list[Agreement]] = {}
    for one in in_force:
        cells.setdefault((one.consumer, one.dataset), []).append(one)
    if json:
        print_json(
            {
                receiving: {
                    of: [one.id for one in cells[receiving, of]]
                    for of in datasets
                    if (receiving, of) in cells
                }
                for receiving in consumers
            }
        )
        return
    print_table(
        [*headings("consumer"), *datasets],
        [
            [
                receiving,
                *[
                    "; ".join(granted_words(one) for one in cells.get((receiving, of), []))
                    for of in datasets
                ],
            ]
            for receiving in consumers
        ],
    )


def _found(consumer: str | None, dataset: str | None) -> list[Agreement]:
    return [
        one
        for one in region().agreements
        if consumer in {None, one.consumer} and dataset in {None, one.dataset}
    ]
