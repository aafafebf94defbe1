"""`bus access`: rights on Kafka, as the agreements in force give them."""

from __future__ import annotations

import typer

from bus.access.reconcile import AccessDiff, find_drift, reconcile
from bus.access.rights import rights_of
from bus.cli.context import installation, now, region
from bus.cli.output import JsonOption, headings, print_json, print_table
from bus.kafka.administration import connect_admin

app = typer.Typer(no_args_is_help=True, help="Rights on Kafka, from the agreements in force.")


@app.command()
def diff(*, json: JsonOption = False) -> None:
    """Show how the cluster's rights differ from the agreements; exit 1 where they do.

    Example: bus access diff
    """
    admin = connect_admin(installation().cluster_as_admin())
    found = find_drift(admin, rights_of(region(), now()))
    _print(found, json=json)
    if not found.is_empty or found.nameless:
        raise typer.Exit(1)


@app.command()
def apply(*, json: JsonOption = False) -> None:
    """Withdraw what no agreement gives and grant what one does.

    Example: bus access apply
    """
    admin = connect_admin(installation().cluster_as_admin())
    _print(reconcile(admin, rights_of(region(), now())), json=json)


def _print(diff: AccessDiff, *, json: bool) -> None:
    if json:
        print_json(diff)
        return
    missing, surplus, nameless = headings("missing", "surplus", "nameless")
    print_table(
        headings("difference", "entry"),
        [
            *[[missing, str(entry)] for entry in diff.missing],
            *[[surplus, str(entry)] for entry in diff.surplus],
            *[[nameless, str(entry)] for entry in diff.nameless],
        ],
    )
