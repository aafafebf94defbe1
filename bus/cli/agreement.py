"""`bus agreement`: who may receive what, as the region's documents say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from bus.catalogue.agreement import Agreement, AgreementState, Ending, Side, Suspension
from bus.catalogue.agreement_edit import with_ending, with_resumption, with_suspension
from bus.cli.context import installation, language, now, region
from bus.cli.output import JsonOption, headings, print_json, print_table, tell
from bus.provision.agreement_decision import Edit, write_decision
from bus.texts import text

app = typer.Typer(no_args_is_help=True, help="Who may receive what.")

ConsumerOption = Annotated[str | None, typer.Option(help="Only those of this receiving agency.")]
AgreementArgument = Annotated[str, typer.Argument(help="Its id.")]
SideOption = Annotated[Side, typer.Option(help="Whose decision it is.")]
PostOption = Annotated[str, typer.Option(help="Post of the person who decided, never a name.")]
AtOption = Annotated[
    datetime | None,
    typer.Option(
        help="Moment in UTC, 2026-05-01T09:00:00; else now.",
        formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"],
    ),
]
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
        print_json([_plain(one, at) for one in found])
        return
    print_table(
        headings("agreement", "consumer", "dataset", "granted", "state", "until"),
        [
            [
                one.id,
                one.consumer,
                one.dataset,
                _granted(one),
                _state(one.state_at(at)),
                one.valid_to if one.ending is None else one.ending.at,
            ]
            for one in found
        ],
    )


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
                    "; ".join(_granted(one) for one in cells.get((receiving, of), []))
                    for of in datasets
                ],
            ]
            for receiving in consumers
        ],
    )


@app.command()
def suspend(
    agreement: AgreementArgument,
    *,
    side: SideOption,
    by: PostOption,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """Let an agreement rest until it is resumed.

    Example: bus agreement suspend portal-municipalities --side provider --by "Head of department"
    """
    rest = Suspension(side=side, by=by, begins=_moment(at), ends=None)
    _decide(agreement, partial(with_suspension, rest), json=json)


@app.command()
def resume(agreement: AgreementArgument, *, at: AtOption = None, json: JsonOption = False) -> None:
    """Let an agreement go on that rests.

    Example: bus agreement resume portal-municipalities
    """
    _decide(agreement, partial(with_resumption, _moment(at)), json=json)


@app.command()
def end(
    agreement: AgreementArgument,
    *,
    side: SideOption,
    by: PostOption,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """End an agreement before its last day.

    Example: bus agreement end portal-municipalities --side consumer --by "Head of department"
    """
    ending = Ending(side=side, by=by, at=_moment(at))
    _decide(agreement, partial(with_ending, ending), json=json)


def _decide(agreement: str, edit: Edit, *, json: bool) -> None:
    current = installation()
    file, written = write_decision(current.settings.region, current.keys_dir, agreement, edit)
    if json:
        print_json({**_plain(written, now()), "file": file})
    else:
        tell("agreement.written", file=file)


def _moment(at: datetime | None) -> datetime:
    """Give the moment of a decision, to the second; now where none is stated."""
    return (now() if at is None else at.replace(tzinfo=UTC)).replace(microsecond=0)


def _found(consumer: str | None, dataset: str | None) -> list[Agreement]:
    return [
        one
        for one in region().agreements
        if consumer in {None, one.consumer} and dataset in {None, one.dataset}
    ]


def _plain(agreement: Agreement, at: datetime) -> dict[str, object]:
    return {
        "agreement": agreement.id,
        "consumer": agreement.consumer,
        "systems": agreement.systems,
        "dataset": agreement.dataset,
        "providers": agreement.providers,
        "fields": agreement.fields,
        "rows": _rows(agreement),
        "history_from": agreement.history_from,
        "state": agreement.state_at(at),
        "valid_from": agreement.valid_from,
        "valid_to": agreement.valid_to,
        "ends_at": agreement.ends_at,
    }


def _rows(agreement: Agreement) -> Iterable[object]:
    return [{"field": row.field, "op": row.op, "values": row.values} for row in agreement.rows]


def _granted(agreement: Agreement) -> str:
    spoken, number = language(), len(agreement.fields or ())
    if agreement.fields is None:
        return text("agreement.some_rows" if agreement.rows else "agreement.whole", spoken)
    key = "agreement.fields_of_some_rows" if agreement.rows else "agreement.fields"
    return text(key, spoken, number=number)


def _state(state: AgreementState) -> str:
    return text(f"agreement.state.{state}", language())
