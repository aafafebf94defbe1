"""`bus demo`: the whole exchange on this machine, with every figure measured."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Final

import typer

from bus.cli.context import installation, language, now
from bus.cli.output import JsonOption, print_json, results, talk
from bus.errors import DocumentError
from bus.texts import message

_RECORDS_MIN: Final = 500
_RECORDS_MAX: Final = 50_000


def demo(
    *,
    records: Annotated[
        int,
        typer.Option(min=_RECORDS_MIN, max=_RECORDS_MAX, help="Attempts to publish, in all."),
    ] = 4_000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other invented records.")] = 1,
    json: JsonOption = False,
) -> None:
    """Show the whole exchange: four systems publish invented records, two consumers receive them.

    Starts its own Kafka and PostgreSQL in the folder demo of the installation, and removes what
    an earlier demonstration left there. In a terminal everything stays up until Ctrl-C; without
    one, or with --json, it ends by itself and its last line is one JSON document. Exit 1 when
    anything was lost, doubled or not as the generator of the records knows it.

    Example: bus demo --records 10000
    """
    if find_spec("faker") is None:
        raise DocumentError(message("error.cli.no_faker"))
    # Why here: Faker is installed for the demonstration only.
    from bus.demo.run import Options, run_demo  # noqa: PLC0415

    is_watched = results.is_terminal and not json
    account = run_demo(
        installation().settings,
        Options(
            records=records, seed=seed, spoken=language(), screen=results if is_watched else None
        ),
        clock=now,
        say=lambda told: talk.print(told, markup=False, soft_wrap=True),
    )
    if not is_watched:
        for problem in account.problems:
            talk.print(problem, style="red", markup=False, soft_wrap=True)
        print_json(account.figures)
    if account.problems:
        raise typer.Exit(1)
