"""`bus system`: information systems and their ways in."""

from __future__ import annotations

from typing import Annotated

import typer

from bus.catalogue.parties import BUS
from bus.cli.context import installation, now, region
from bus.cli.output import JsonOption, heading, headings, print_json, print_table
from bus.errors import DocumentError
from bus.kafka.administration import connect_admin
from bus.model.identifiers import SystemCode
from bus.provision.noted import enrol_noted
from bus.texts import message

app = typer.Typer(no_args_is_help=True, help="Information systems and their ways in.")


@app.command()
def enrol(
    systems: Annotated[
        list[str] | None, typer.Argument(help="Codes of systems; none: all of the region.")
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Give systems a Kafka password and a signing key; what they have is kept.

    Secrets lie under `<home>/secrets/systems`, public keys under `<home>/keys`.

    Example: bus system enrol edu-registry
    """
    known = [system.code for agency in region().agencies.values() for system in agency.systems]
    wanted = [SystemCode(code) for code in systems] if systems else [BUS, *known]
    strangers = sorted(set(wanted) - {BUS, *known})
    if strangers:
        raise DocumentError(
            message(
                "error.cli.no_such_system",
                systems=", ".join(strangers),
                known=", ".join(sorted(known)),
            )
        )
    current = installation()
    admin = connect_admin(current.cluster_as_admin())
    enrolments = enrol_noted(current.home, admin, wanted, now(), current.fund_dsn())
    if json:
        print_json(enrolments)
    else:
        print_table(
            headings("system", "signing_key", "new"),
            [[e.system, e.key_id, heading("yes" if e.is_new_key else "no")] for e in enrolments],
        )
